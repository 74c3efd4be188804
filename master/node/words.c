#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "master/node/words.h"

/* A value of a line, and what replaces it. */
struct change {
	const struct json_value *value;
	const char *by;
};

/* Others get the line as its sender wrote it, except that cmd is theirs and pid
 * is true. Returns the length of the copy. */
static size_t
copy_changed(const struct json *j, const char *cmd, const char *pid,
    char *to)
{
	struct change changes[2] = { { &j->cmd, cmd }, { &j->pid, pid } };
	const char *at = j->all.at, *end = at + j->all.len;
	char *begin = to;
	int i;

	if (j->pid.at != NULL && j->pid.at < j->cmd.at) {
		changes[0] = (struct change){ &j->pid, pid };
		changes[1] = (struct change){ &j->cmd, cmd };
	}
	for (i = 0; i < 2; i++) {
		if (changes[i].value->at == NULL)
			continue;
		memcpy(to, at, (size_t)(changes[i].value->at - at));
		to += changes[i].value->at - at;
		memcpy(to, changes[i].by, strlen(changes[i].by));
		to += strlen(changes[i].by);
		at = changes[i].value->at + changes[i].value->len;
	}
	memcpy(to, at, (size_t)(end - at));
	return (size_t)(to - begin) + (size_t)(end - at);
}

static bool
is_compound(const struct json_value *v)
{
	return v->at != NULL && (v->at[0] == '{' || v->at[0] == '[');
}

/* Why a line makes no message of the bus; or NULL. */
static const char *
check_message(const struct json *j)
{
	if (j->id.at == NULL || json_is(&j->id, "") || is_compound(&j->id))
		return "a message has no id";
	if (j->id.len > CRR_NAME_MAX || j->name.len > CRR_NAME_MAX)
		return "the name or id of a message is longer than 65,535 "
		    "bytes";
	if (is_compound(&j->name))
		return "the name of a message is not a string";
	if (j->all.len > CRR_DATA_MAX)
		return "a message is longer than 16 MiB";
	return NULL;
}

/* The data of the message is the line as others get it. */
static void
make_message(struct words *said, const struct json *j, const char *cmd,
    int pid)
{
	size_t name_len, id_len;
	unsigned char *p;
	char digits[16];

	p = calloc(1, CRR_BUS_FIXED + j->name.len + j->id.len + j->all.len +
	    strlen(cmd) + sizeof(digits));
	said->payload = p;
	if (p == NULL)
		return;
	said->len = CRR_BUS_FIXED;
	name_len = j->name.at == NULL ? 0 :
	    json_text(&j->name, (char *)p + said->len);
	said->len += name_len;
	id_len = json_text(&j->id, (char *)p + said->len);
	said->len += id_len;
	snprintf(digits, sizeof(digits), "%d", pid);
	said->len += copy_changed(j, cmd, digits, (char *)p + said->len);
	crr_put16(p + CRR_BUS_FLAGS, CRR_MESSAGE_JSON);
	crr_put16(p + CRR_BUS_NAME_LEN, (uint16_t)name_len);
	crr_put16(p + CRR_BUS_ID_LEN, (uint16_t)id_len);
}

static void
read_message(struct words *said, enum words_kind kind, const struct json *j,
    const char *cmd, int pid)
{
	said->why = check_message(j);
	if (said->why == NULL) {
		make_message(said, j, cmd, pid);
		if (said->payload == NULL)
			said->why = "there was no memory for a message";
	}
	said->kind = said->why == NULL ? kind : WORDS_WRONG;
}

static void
read_command(struct words *said, const struct json *j, int pid)
{
	if (json_is(&j->cmd, "reload"))
		said->kind = WORDS_RELOAD;
	else if (json_is(&j->cmd, "reload-reset") ||
	    json_is(&j->cmd, "reset-reload"))
		said->kind = WORDS_RESET;
	else if (json_is(&j->cmd, "NODE_CLUSTER")) {
		said->kind = WORDS_CLUSTER;
		said->object = j->all;
	} else if (json_is(&j->cmd, "saveBroadcast"))
		read_message(said, WORDS_SAVE, j, "\"saveCommand\"", pid);
	else if (json_is(&j->cmd, "deleteBroadcast"))
		read_message(said, WORDS_DELETE, j, "\"deleteCommand\"", pid);
	else if (j->cmd.at[0] != '"') {
		said->kind = WORDS_WRONG;
		said->why = "the cmd of a message is not a string";
	}
}

void
words_read(struct words *said, const char *line, size_t len, int pid)
{
	struct json j;

	*said = (struct words){ .kind = WORDS_OTHER };
	if (json_read(&j, line, len) == -1) {
		said->kind = WORDS_WRONG;
		said->why = "a line is not JSON";
	} else if (json_is(&j.all, "ready"))
		said->kind = WORDS_READY;
	else if (j.cmd.at != NULL)
		read_command(said, &j, pid);
}

/* A string of JSON can't hold every byte: text_json replaces the others. */
static int
put_string(struct pile *p, const char *key, const char *text, size_t len)
{
	size_t room = strlen(key) + 6 * len + 8;

	if (pile_reserve(p, room) == -1)
		return -1;
	p->end += (size_t)sprintf(p->bytes + p->end, ",\"%s\":", key);
	p->end += text_json(text, len, p->bytes + p->end, 6 * len + 3);
	return 0;
}

/* Data that is JSON, on one line, stands as it is; other data is a string. */
static int
put_data(struct pile *p, const struct crr_message *m)
{
	static const char key[] = ",\"data\":";
	struct json j;

	if (json_read(&j, m->data, m->data_len) == -1 ||
	    memchr(m->data, '\n', m->data_len) != NULL ||
	    !text_is_utf8(m->data, m->data_len))
		return put_string(p, "data", m->data, m->data_len);
	if (pile_append(p, key, strlen(key)) == -1)
		return -1;
	return pile_append(p, m->data, m->data_len);
}

static int
put_native(struct pile *p, unsigned type, const struct crr_message *m)
{
	const char *cmd = type == CRR_SAVED ? "saveCommand" :
	    type == CRR_DELETED ? "deleteCommand" : "message";
	char begin[64];
	int n;

	n = snprintf(begin, sizeof(begin), "{\"cmd\":\"%s\",\"pid\":%" PRId32,
	    cmd, m->pid);
	if (pile_append(p, begin, (size_t)n) == -1 ||
	    put_string(p, "name", m->name, m->name_len) == -1)
		return -1;
	if (m->id_len > 0 && put_string(p, "id", m->id, m->id_len) == -1)
		return -1;
	if (put_data(p, m) == -1)
		return -1;
	return pile_append(p, "}\n", 2);
}

static int
put_lagged(struct pile *p, const struct crr_frame *f)
{
	char line[64];
	int n;

	n = snprintf(line, sizeof(line),
	    "{\"cmd\":\"lagged\",\"count\":%" PRIu64 "}\n",
	    crr_get64(f->payload));
	return pile_append(p, line, (size_t)n);
}

static int
put_message(struct pile *p, const struct crr_frame *f)
{
	struct crr_message m;

	if (crr_message(f, &m) == -1)
		return 0;
	if ((m.flags & CRR_MESSAGE_JSON) == 0)
		return put_native(p, f->type, &m);
	if (pile_append(p, m.data, m.data_len) == -1)
		return -1;
	return pile_append(p, "\n", 1);
}

int
words_write(struct pile *out, const struct crr_frame *f)
{
	size_t len = pile_len(out);
	int rc;

	rc = f->type == CRR_LAGGED ? put_lagged(out, f) : put_message(out, f);
	if (rc == -1)
		out->end = out->begin + len;
	return rc;
}
