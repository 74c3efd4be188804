#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/passfd.h"
#include "base/pile.h"
#include "base/text.h"
#include "master/node/channel.h"

enum {
	READ_SIZE = 65536,		/* bytes, least room for a read */
	LINE_MAX_BYTES = CRR_DATA_MAX + 4096,
	WRITE_FROM = 256 << 10,		/* bytes waiting: no more is converted */
};

/* A descriptor that goes out with a line. */
struct gift {
	size_t	 left;			/* bytes of out before the line */
	size_t	 len;			/* bytes of the line */
	int	 fd;			/* ours */
};

struct node {
	int	 fd;
	struct bus_identity who;
	struct bus_subscriber *subscriber;
	struct pile in, out;
	size_t	 said;			/* of in: the line that was said last */
	size_t	 scanned;		/* of in: holds no newline */
	bool	 dismissed;		/* told to leave */
	bool	 skipping;		/* the rest of a line that is too long */
	struct gift *gifts;		/* in their order */
	size_t	 ngifts;
	unsigned char *payload;		/* of the message said last */
};

struct node *
node_open(struct bus *bus, const struct bus_identity *who, int fd)
{
	struct node *n;

	n = calloc(1, sizeof(*n));
	if (n != NULL)
		n->subscriber = bus_subscribe(bus, who, true, true, 0);
	if (n == NULL || n->subscriber == NULL) {
		free(n);
		close(fd);
		return NULL;
	}
	n->who = *who;
	n->fd = fd;
	return n;
}

void
node_close(struct bus *bus, struct node *n)
{
	if (n == NULL)
		return;
	bus_unsubscribe(bus, n->subscriber);
	close(n->fd);
	while (n->ngifts > 0)
		close(n->gifts[--n->ngifts].fd);
	free(n->gifts);
	pile_free(&n->in);
	pile_free(&n->out);
	free(n->payload);
	free(n);
}

int
node_read(struct node *n)
{
	ssize_t got;

	if (pile_reserve(&n->in, READ_SIZE) == -1)
		return 0;
	got = recv(n->fd, n->in.bytes + n->in.end, n->in.size - n->in.end,
	    MSG_DONTWAIT);
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return -1;
	n->in.end += (size_t)got;
	return 0;
}

bool
node_is_readable(const struct node *n)
{
	char byte;

	return recv(n->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

bool
node_is_cut(const struct node *n)
{
	return pile_len(&n->in) > n->said;
}

int
node_fd(const struct node *n)
{
	return n->fd;
}

/* Find the next line. Returns its length, or -1: it has not come. */
static ssize_t
find_line(struct node *n, struct node_said *said)
{
	const char *line = n->in.bytes + n->in.begin, *newline;
	size_t used = pile_len(&n->in);

	newline = used == n->scanned ? NULL :
	    memchr(line + n->scanned, '\n', used - n->scanned);
	if (newline != NULL) {
		n->scanned = 0;
		return newline - line;
	}
	n->scanned = used;
	if (used > LINE_MAX_BYTES && !n->skipping) {
		n->skipping = true;
		said->word = NODE_WRONG;
		said->why = "a line is longer than 16 MiB";
	}
	if (n->skipping) {
		pile_use(&n->in, used);
		n->scanned = 0;
	}
	return -1;
}

/* Replace one value of a text by another. */
struct change {
	const struct json_value *value;
	const char *by;
};

/* Copy a line, with its cmd, and its pid where it is not the sender's, put
 * right: all else stays as it was. Returns the length. */
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

static size_t
put_text(const struct json_value *v, unsigned char *to)
{
	return v->at == NULL ? 0 : json_text(v, (char *)to);
}

static const char *
refuse_save(const struct json *j)
{
	if (j->id.at == NULL || j->id.len == 0 || json_is(&j->id, "") ||
	    j->id.at[0] == '{' || j->id.at[0] == '[')
		return "a message has no id";
	if (j->id.len > CRR_NAME_MAX || j->name.len > CRR_NAME_MAX)
		return "name or id of a message is longer than 65,535 bytes";
	if (j->name.at != NULL && (j->name.at[0] == '{' ||
	    j->name.at[0] == '['))
		return "the name of a message is no string";
	if (j->all.len > CRR_DATA_MAX)
		return "a message is longer than 16 MiB";
	return NULL;
}

/* Make a bus message of a line: its data is the line as others get it. */
static void
make_message(struct node *n, const struct json *j, const char *cmd,
    struct node_said *said)
{
	size_t name_len, id_len, len;
	unsigned char *p;
	char pid[16];

	said->why = refuse_save(j);
	free(n->payload);
	n->payload = NULL;
	if (said->why == NULL) {
		n->payload = calloc(1, CRR_BUS_FIXED + j->name.len +
		    j->id.len + j->all.len + strlen(cmd) + sizeof(pid));
		if (n->payload == NULL)
			said->why = "out of memory";
	}
	if (said->why != NULL) {
		said->word = NODE_WRONG;
		return;
	}
	p = n->payload;
	name_len = put_text(&j->name, p + CRR_BUS_FIXED);
	id_len = put_text(&j->id, p + CRR_BUS_FIXED + name_len);
	len = CRR_BUS_FIXED + name_len + id_len;
	snprintf(pid, sizeof(pid), "%d", n->who.pid);
	len += copy_changed(j, cmd, pid, (char *)p + len);
	crr_put16(p + CRR_BUS_FLAGS, CRR_MESSAGE_JSON);
	crr_put16(p + CRR_BUS_NAME_LEN, (uint16_t)name_len);
	crr_put16(p + CRR_BUS_ID_LEN, (uint16_t)id_len);
	said->payload = p;
	said->len = len;
}

static void
understand(struct node *n, const char *line, size_t len,
    struct node_said *said)
{
	struct json j;

	if (json_read(&j, line, len) == -1) {
		said->word = NODE_WRONG;
		said->why = "a line is no JSON";
	} else if (json_is(&j.all, "ready"))
		said->word = NODE_READY;
	else if (json_is(&j.cmd, "reload"))
		said->word = NODE_RELOAD;
	else if (json_is(&j.cmd, "NODE_CLUSTER")) {
		said->word = NODE_CLUSTER;
		said->object = j.all;
	} else if (json_is(&j.cmd, "reload-reset") ||
	    json_is(&j.cmd, "reset-reload"))
		said->word = NODE_RESET;
	else if (json_is(&j.cmd, "saveBroadcast")) {
		said->word = NODE_SAVE;
		make_message(n, &j, "\"saveCommand\"", said);
	} else if (json_is(&j.cmd, "deleteBroadcast")) {
		said->word = NODE_DELETE;
		make_message(n, &j, "\"deleteCommand\"", said);
	} else if (j.cmd.at != NULL && j.cmd.at[0] != '"') {
		said->word = NODE_WRONG;
		said->why = "the cmd of a message is no string";
	}
}

void
node_next(struct node *n, struct node_said *said)
{
	ssize_t len;

	*said = (struct node_said){ .word = NODE_NOTHING };
	pile_use(&n->in, n->said);
	n->said = 0;
	len = find_line(n, said);
	if (len == -1)
		return;
	said->word = NODE_OTHER;
	if (n->skipping)
		n->skipping = false;
	else
		understand(n, n->in.bytes + n->in.begin, (size_t)len, said);
	n->said = (size_t)len + 1;
}

/* A member whose value is a string, or what a string can hold of it. */
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

/* Data that are JSON stand for themselves, others are a string. */
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

	n = snprintf(line, sizeof(line), "{\"cmd\":\"lagged\",\"count\":%" PRIu64
	    "}\n", crr_get64(f->payload));
	return pile_append(p, line, (size_t)n);
}

static int
put_frame(struct pile *p, const struct crr_frame *f)
{
	struct crr_message m;

	if (f->type == CRR_LAGGED)
		return put_lagged(p, f);
	if (crr_message(f, &m) == -1)
		return 0;
	if ((m.flags & CRR_MESSAGE_JSON) == 0)
		return put_native(p, f->type, &m);
	if (pile_append(p, m.data, m.data_len) == -1)
		return -1;
	return pile_append(p, "\n", 1);
}

/* Make lines of what is queued, but not more than will soon be taken. */
static void
convert(struct bus *bus, struct node *n)
{
	const unsigned char *bytes;
	struct crr_frame f;
	size_t begin, len;

	while (pile_len(&n->out) < WRITE_FROM &&
	    (bytes = bus_peek(n->subscriber, &len)) != NULL) {
		begin = pile_len(&n->out);
		if (crr_parse(bytes, len, &f) == CRR_FRAME &&
		    put_frame(&n->out, &f) == -1) {
			/* No memory: half a line is none. */
			n->out.end = n->out.begin + begin;
			return;
		}
		bus_taken(bus, n->subscriber);
	}
}

bool
node_pending(struct node *n)
{
	return pile_len(&n->out) > 0 || bus_pending(n->subscriber);
}

int
node_say(struct node *n, const char *line, size_t len, int fd)
{
	size_t before = pile_len(&n->out);
	struct gift *gifts, g = { before, len, -1 };

	if (fd != -1) {
		gifts = realloc(n->gifts, (n->ngifts + 1) * sizeof(*gifts));
		if (gifts == NULL)
			return -1;
		n->gifts = gifts;
		g.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (g.fd == -1)
			return -1;
	}
	if (pile_append(&n->out, line, len) == -1) {
		if (g.fd != -1)
			close(g.fd);
		return -1;
	}
	if (g.fd != -1)
		n->gifts[n->ngifts++] = g;
	return 0;
}

void
node_dismiss(struct node *n)
{
	n->dismissed = true;
}

bool
node_is_dismissed(const struct node *n)
{
	return n->dismissed;
}

/* Send what stands before the next descriptor, or the line that it goes with,
 * by itself: Node takes it from the piece in which that line ends. */
static ssize_t
send_some(struct node *n)
{
	size_t len = pile_len(&n->out), i;
	ssize_t sent;

	if (n->ngifts > 0 && n->gifts[0].left == 0) {
		sent = passfd_send(n->fd, n->out.bytes + n->out.begin,
		    n->gifts[0].len, n->gifts[0].fd,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent == -1)
			return -1;
		close(n->gifts[0].fd);
		n->ngifts--;
		memmove(n->gifts, n->gifts + 1, n->ngifts * sizeof(*n->gifts));
	} else {
		if (n->ngifts > 0 && n->gifts[0].left < len)
			len = n->gifts[0].left;
		sent = send(n->fd, n->out.bytes + n->out.begin, len,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	for (i = 0; sent > 0 && i < n->ngifts; i++)
		n->gifts[i].left -= (size_t)sent;
	return sent;
}

int
node_write(struct bus *bus, struct node *n)
{
	ssize_t sent;

	for (;;) {
		convert(bus, n);
		if (pile_len(&n->out) == 0)
			return 0;
		sent = send_some(n);
		if (sent == -1)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		pile_use(&n->out, (size_t)sent);
	}
}
