/* The words of Node's channel, and the lines that messages become. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/node/words.h"
#include "test/tap.h"

static char sentence[200];

static enum words_kind
kind_of(const char *line)
{
	struct words said;

	words_read(&said, line, strlen(line), 77);
	free(said.payload);
	return said.kind;
}

static void
means(const char *line, enum words_kind kind, const char *meaning)
{
	snprintf(sentence, sizeof(sentence), "%.100s %s", line, meaning);
	ok(kind_of(line) == kind, sentence);
}

static void
is_wrong(const char *line, const char *why)
{
	struct words said;

	words_read(&said, line, strlen(line), 77);
	snprintf(sentence, sizeof(sentence), "%.100s: %s", line, why);
	ok(said.kind == WORDS_WRONG && said.payload == NULL &&
	    strcmp(said.why, why) == 0, sentence);
}

/* The frame that the bus makes of a payload, in static memory. */
static struct crr_frame
frame_of(enum crr_type type, const unsigned char *payload, size_t len)
{
	static unsigned char bytes[4096];
	struct crr_frame f;

	crr_header(bytes, type, (uint32_t)len, 0);
	memcpy(bytes + CRR_HEADER, payload, len);
	if (crr_parse(bytes, CRR_HEADER + len, &f) != CRR_FRAME)
		exit(1);
	return f;
}

static bool
becomes(const struct crr_frame *f, const char *line)
{
	struct pile out = { .bytes = NULL };
	bool same;

	same = words_write(&out, f) == 0 && pile_append(&out, "", 1) == 0 &&
	    strcmp(out.bytes + out.begin, line) == 0;
	if (!same)
		printf("# %s", out.bytes + out.begin);
	pile_free(&out);
	return same;
}

static void
saved(const char *line, const char *name, const char *id, const char *others)
{
	struct crr_message m;
	struct crr_frame f;
	struct words said;

	words_read(&said, line, strlen(line), 77);
	if (said.kind != WORDS_SAVE) {
		ok(false, line);
		return;
	}
	f = frame_of(CRR_SAVED, said.payload, said.len);
	free(said.payload);
	snprintf(sentence, sizeof(sentence), "%.100s is saved", line);
	ok(crr_message(&f, &m) == 0 && m.name_len == strlen(name) &&
	    memcmp(m.name, name, m.name_len) == 0 && m.id_len == strlen(id) &&
	    memcmp(m.id, id, m.id_len) == 0, sentence);
	ok(becomes(&f, others), "others get it with its true cmd and pid");
}

/* A message that did not come from Node. */
static struct crr_frame
native(enum crr_type type, const char *name, const char *id, const char *data)
{
	static unsigned char payload[1000];
	unsigned char *p = payload + CRR_BUS_FIXED;
	size_t name_len = strlen(name), id_len = strlen(id);

	memset(payload, 0, sizeof(payload));
	crr_put32(payload + CRR_BUS_PID, 42);
	crr_put16(payload + CRR_BUS_NAME_LEN, (uint16_t)name_len);
	crr_put16(payload + CRR_BUS_ID_LEN, (uint16_t)id_len);
	memcpy(p, name, name_len);
	memcpy(p + name_len, id, id_len);
	memcpy(p + name_len + id_len, data, strlen(data));
	return frame_of(type, payload, CRR_BUS_FIXED + name_len + id_len +
	    strlen(data));
}

static void
lines(void)
{
	static const unsigned char count[8] = { 0 };
	unsigned char lost[8];
	struct crr_frame f;

	f = native(CRR_SAVED, "n", "i", "{\"a\":1}");
	ok(becomes(&f, "{\"cmd\":\"saveCommand\",\"pid\":42,\"name\":\"n\","
	    "\"id\":\"i\",\"data\":{\"a\":1}}\n"), "JSON stands as it is");
	f = native(CRR_DELETED, "n", "i", "");
	ok(becomes(&f, "{\"cmd\":\"deleteCommand\",\"pid\":42,\"name\":\"n\","
	    "\"id\":\"i\",\"data\":\"\"}\n"), "no data is an empty string");
	f = native(CRR_MESSAGE, "", "", "plain \"text\"");
	ok(becomes(&f, "{\"cmd\":\"message\",\"pid\":42,\"name\":\"\","
	    "\"data\":\"plain \\\"text\\\"\"}\n"), "other data is a string");
	f = native(CRR_MESSAGE, "\n", "", "[1,\n2]");
	ok(becomes(&f, "{\"cmd\":\"message\",\"pid\":42,\"name\":\"\\u000a\","
	    "\"data\":\"[1,\\u000a2]\"}\n"), "a line has no newline in it");
	f = native(CRR_MESSAGE, "", "", "\"\xff\"");
	ok(becomes(&f, "{\"cmd\":\"message\",\"pid\":42,\"name\":\"\","
	    "\"data\":\"\\\"\xef\xbf\xbd\\\"\"}\n"), "and is UTF-8");
	memcpy(lost, count, sizeof(lost));
	crr_put64(lost, 5);
	f = frame_of(CRR_LAGGED, lost, sizeof(lost));
	ok(becomes(&f, "{\"cmd\":\"lagged\",\"count\":5}\n"),
	    "lost messages are counted");
	f = frame_of(CRR_SYNCED, count, sizeof(count));
	ok(becomes(&f, ""), "what has no words for Node becomes no line");
}

int
main(void)
{
	means("\"ready\"", WORDS_READY, "means ready");
	means("{\"cmd\":\"reload\"}", WORDS_RELOAD, "means a reload");
	means("{\"cmd\":\"reload-reset\"}", WORDS_RESET, "means a reset");
	means("{\"cmd\":\"reset-reload\"}", WORDS_RESET, "means a reset");
	means("{\"cmd\":\"NODE_CLUSTER\",\"act\":\"online\"}", WORDS_CLUSTER,
	    "is Node's");
	means("{\"cmd\":\"saveBroadcast\",\"id\":1}", WORDS_SAVE,
	    "is a value to keep");
	means("{\"cmd\":\"deleteBroadcast\",\"id\":1}", WORDS_DELETE,
	    "is a value to forget");
	means("{\"cmd\":\"of another\"}", WORDS_OTHER, "means nothing to crr");
	means("{}", WORDS_OTHER, "means nothing to crr");
	means("17", WORDS_OTHER, "means nothing to crr");
	is_wrong("ready", "a line is not JSON");
	is_wrong("", "a line is not JSON");
	is_wrong("{\"cmd\":1}", "the cmd of a message is not a string");
	is_wrong("{\"cmd\":\"saveBroadcast\"}", "a message has no id");
	is_wrong("{\"cmd\":\"saveBroadcast\",\"id\":\"\"}",
	    "a message has no id");
	is_wrong("{\"cmd\":\"saveBroadcast\",\"id\":{}}",
	    "a message has no id");
	is_wrong("{\"cmd\":\"deleteBroadcast\",\"id\":1,\"name\":[]}",
	    "the name of a message is not a string");
	saved("{\"cmd\":\"saveBroadcast\",\"id\":\"i\",\"name\":\"n\"}", "n",
	    "i", "{\"cmd\":\"saveCommand\",\"id\":\"i\",\"name\":\"n\"}\n");
	saved(" {\"pid\":1,\"id\":\"\\u00e9\",\"cmd\":\"saveBroadcast\",\"x\":"
	    "[1, 2]} ", "", "\xc3\xa9", "{\"pid\":77,\"id\":\"\\u00e9\","
	    "\"cmd\":\"saveCommand\",\"x\":[1, 2]}\n");
	saved("{\"cmd\":\"saveBroadcast\",\"id\":17,\"pid\":123456}", "", "17",
	    "{\"cmd\":\"saveCommand\",\"id\":17,\"pid\":77}\n");
	lines();
	return done();
}
