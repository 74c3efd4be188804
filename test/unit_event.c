/* Events as lines, as JSON, on the wire. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "ipc.h"
#include "test/tap.h"

static const struct known {
	enum crr_event	 kind;
	const char	*name;
} kinds[] = {
#define X(symbol, name, number) { CRR_EVENT_##symbol, name },
	CRR_EVENTS(X)
#undef X
};

enum { NKINDS = sizeof(kinds) / sizeof(kinds[0]) };

static struct event
make(enum crr_event kind, int pid, unsigned count, const char *text)
{
	struct event ev;

	event_init(&ev, kind);
	ev.pid = pid;
	ev.count = count;
	snprintf(ev.text, sizeof(ev.text), "%s", text);
	return ev;
}

static void
check_line(struct event ev, bool signs, const char *expected)
{
	char line[EVENT_LINE_MAX];

	event_line(&ev, signs, line, sizeof(line));
	ok(strcmp(line, expected) == 0, expected);
	if (strcmp(line, expected) != 0)
		printf("# is: %s\n", line);
}

static void
test_lines(void)
{
	check_line(make(CRR_EVENT_MASTER_STARTING, -1, 8, ""), true,
	    "master starting 8 workers \xf0\x9f\x8c\x8e");
	check_line(make(CRR_EVENT_WORKER_UP, 77653, 0, ""), true,
	    "worker up 77653");
	check_line(make(CRR_EVENT_RELOAD_REQUESTED, -1, 8, ""), true,
	    "reload requested \xf0\x9f\x91\x8d");
	check_line(make(CRR_EVENT_WORKER_DOWN, 77659, 0, ""), true,
	    "worker down 77659");
	check_line(make(CRR_EVENT_RELOAD_COMPLETE, -1, 8, ""), true,
	    "reload complete \xe2\x9c\x85");

	check_line(make(CRR_EVENT_MASTER_STARTING, -1, 1, ""), false,
	    "master starting 1 worker");
	check_line(make(CRR_EVENT_RELOAD_REQUESTED, -1, 8, ""), false,
	    "reload requested");
	check_line(make(CRR_EVENT_RELOAD_COMPLETE, -1, 8, ""), false,
	    "reload complete");
	check_line(make(CRR_EVENT_RELOAD_PENDING, -1, 0, ""), true,
	    "reload already in progress");
	check_line(make(CRR_EVENT_RELOAD_FAILED, -1, 2, "worker 2: exit status 3"),
	    true, "reload failed: worker 2: exit status 3");
	check_line(make(CRR_EVENT_RELOAD_RESET, -1, 2, ""), true, "reload reset");
	check_line(make(CRR_EVENT_SCALED, -1, 5, ""), true, "scaled to 5 workers");
	check_line(make(CRR_EVENT_SCALED, -1, 1, ""), true, "scaled to 1 worker");
	check_line(make(CRR_EVENT_MASTER_STOPPING, -1, 0, ""), true,
	    "master stopping");
	check_line(make(CRR_EVENT_MASTER_STOPPED, -1, 0, ""), true,
	    "master stopped");
	check_line(make(CRR_EVENT_WORKER_DOWN, 77659, 0,
	    "killed by SIGSEGV, again in 2 s"), true,
	    "worker down 77659: killed by SIGSEGV, again in 2 s");
	check_line(make(CRR_EVENT_WORKER_DOWN, -1, 0, "can't fork"), true,
	    "worker down: can't fork");
	check_line(make(CRR_EVENT_WORKER_DOWN, 1, 0, "a\x1b[2J\nb"), true,
	    "worker down 1: a?[2J?b");
}

static void
test_longest_line(void)
{
	struct event	ev = make(CRR_EVENT_MASTER_STARTING, -1, 4294967295U, "");
	char		line[EVENT_LINE_MAX];
	size_t		len;

	memset(ev.text, 'x', CRR_TEXT_MAX);
	event_line(&ev, true, line, sizeof(line));
	len = strlen(line);
	ok(len > CRR_TEXT_MAX && strcmp(line + len - 4,
	    "\xf0\x9f\x8c\x8e") == 0, "the longest line fits, sign included");
}

static void
check_json(const struct event *ev, const char *expected, const char *sentence)
{
	char json[EVENT_JSON_MAX];

	event_json(ev, json, sizeof(json));
	ok(strcmp(json, expected) == 0, sentence);
	if (strcmp(json, expected) != 0)
		printf("# is: %s\n", json);
}

static void
test_json(void)
{
	struct event	ev = make(CRR_EVENT_WORKER_UP, 12, 0, "a\"\\\x01\xff");
	char		json[EVENT_JSON_MAX];

	ev.worker = 0;
	ev.generation = 2;
	ev.time_ms = 1795489200123;
	check_json(&ev, "{\"event\":\"worker-up\",\"worker\":0,\"pid\":12,"
	    "\"generation\":2,\"time\":\"2026-11-24T03:00:00.123Z\","
	    "\"text\":\"a\\\"\\\\\\u0001\xef\xbf\xbd\"}",
	    "JSON has every field, the text escaped");

	ev = make(CRR_EVENT_RELOAD_FAILED, -1, 0, "");
	ev.time_ms = 0;
	check_json(&ev, "{\"event\":\"reload-failed\",\"count\":0,"
	    "\"time\":\"1970-01-01T00:00:00.000Z\"}",
	    "JSON leaves out what is none");

	memset(ev.text, 1, CRR_TEXT_MAX);
	ev.worker = ev.pid = 2147483647;
	ev.generation = ev.count = 4294967295U;
	ev.time_ms = INT64_C(253402300799999);
	event_json(&ev, json, sizeof(json));
	ok(strcmp(json + strlen(json) - 8, "\\u0001\"}") == 0,
	    "the longest JSON fits");
}

static bool
same(const struct event *a, const struct event *b)
{
	return a->kind == b->kind && a->worker == b->worker &&
	    a->pid == b->pid && a->generation == b->generation &&
	    a->count == b->count && a->time_ms == b->time_ms &&
	    strcmp(a->text, b->text) == 0;
}

static void
test_round_trip(void)
{
	struct event	ev, back;
	unsigned char	wire[EVENT_WIRE_MAX];
	char		sentence[80];
	size_t		i, len;

	for (i = 0; i < NKINDS; i++) {
		ev = make(kinds[i].kind, 77659, 7, "why \xe2\x9c\x85");
		ev.worker = 3;
		ev.generation = 4;
		len = event_encode(&ev, wire);
		snprintf(sentence, sizeof(sentence),
		    "%s is the same after the wire", kinds[i].name);
		ok(event_decode(&back, wire, len) == 0 && same(&ev, &back),
		    sentence);
	}
	ev = make(CRR_EVENT_WORKER_UP, -1, 0, "");
	len = event_encode(&ev, wire);
	ok(len == 28 && event_decode(&back, wire, len) == 0 &&
	    same(&ev, &back), "so is one of which everything is none");
	memset(ev.text, 'x', CRR_TEXT_MAX);
	len = event_encode(&ev, wire);
	ok(len == EVENT_WIRE_MAX && event_decode(&back, wire, len) == 0 &&
	    same(&ev, &back), "so is one with the longest text");
}

static void
refuse(size_t offset, uint32_t value, const char *sentence)
{
	struct event	ev = make(CRR_EVENT_WORKER_UP, 1, 0, "text"), back;
	unsigned char	wire[EVENT_WIRE_MAX];
	size_t		len = event_encode(&ev, wire);

	crr_put32(wire + offset, value);
	errno = 0;
	ok(event_decode(&back, wire, len) == -1 && errno == EPROTO, sentence);
}

static void
test_refused(void)
{
	struct event	ev = make(CRR_EVENT_WORKER_UP, 1, 0, "text"), back;
	unsigned char	wire[EVENT_WIRE_MAX];

	event_encode(&ev, wire);
	ok(event_decode(&back, wire, 27) == -1, "27 bytes are no event");
	refuse(0, 0, "kind 0 is refused");
	refuse(0, (NKINDS + 1) << 16, "a kind of a later master is refused");
	refuse(0, 0xffff0000, "kind 65535 is refused");
	refuse(0, CRR_EVENT_WORKER_UP << 16 | 1, "a reserved bit is refused");
	refuse(4, 0xfffffffe, "worker -2 is refused");
	refuse(8, 0xfffffffe, "pid -2 is refused");
	refuse(8, 0, "pid 0 is refused");
	refuse(20, 0x80000000, "a time before 1970 is refused");
	refuse(20, 0x00010000, "a time after the year 9999 is refused");
	refuse(28, 0x61006200, "a NUL in the text is refused");
}

static void
check_signs(const char *all, const char *ctype, const char *lang,
    bool expected)
{
	char sentence[128];

	setenv("LC_ALL", all, 1);
	setenv("LC_CTYPE", ctype, 1);
	setenv("LANG", lang, 1);
	snprintf(sentence, sizeof(sentence), "LC_ALL=%s LC_CTYPE=%s LANG=%s "
	    "is %sUTF-8", all, ctype, lang, expected ? "" : "not ");
	ok(event_signs() == expected, sentence);
}

static void
test_signs(void)
{
	check_signs("", "", "", false);
	check_signs("", "", "C", false);
	check_signs("", "", "en_US.UTF-8", true);
	check_signs("", "", "de_DE.utf8@euro", true);
	check_signs("C", "", "en_US.UTF-8", false);
	check_signs("", "C", "en_US.UTF-8", false);
	check_signs("C.UTF-8", "C", "C", true);
	check_signs("", "UTF-8", "", true);
	check_signs("", "", "de_DE.ISO-8859-1", false);
	unsetenv("LC_ALL");
	unsetenv("LC_CTYPE");
	unsetenv("LANG");
	ok(!event_signs(), "no variable at all is not UTF-8");
}

int
main(void)
{
	test_lines();
	test_longest_line();
	test_json();
	test_round_trip();
	test_refused();
	test_signs();
	return done();
}
