#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "base/log.h"
#include "base/out.h"
#include "base/text.h"
#include "base/usage.h"
#include "client/client.h"
#include "client/talk.h"
#include "ipc.h"

enum {
	SHOWN_MAX = 512,		/* bytes of data in a line for people */

	JSON = USAGE_LONG,
	RETAINED,
	TYPE,
};

/* What --type may name besides the kinds of events. */
static const char *const messages[] = {
	"message", "saved", "deleted", "lagged",
};

enum { NMESSAGES = sizeof(messages) / sizeof(messages[0]) };

struct watch {
	struct talk t;
	bool	 json;
	uint32_t flags;			/* enum crr_subscribe */
	char	*types;			/* --type between commas; NULL: all */
};

static bool
is_type(const char *name, size_t len)
{
	size_t i;
	int kind;

	for (i = 0; i < NMESSAGES; i++)
		if (strlen(messages[i]) == len &&
		    strncmp(messages[i], name, len) == 0)
			return true;
	for (kind = CRR_EVENT_MASTER_STARTING;
	    kind <= CRR_EVENT_MASTER_STOPPED; kind++)
		if (strlen(event_name((enum crr_event)kind)) == len &&
		    strncmp(event_name((enum crr_event)kind), name, len) == 0)
			return true;
	return false;
}

static void
take_types(struct watch *w, const char *list)
{
	const char *name;
	size_t len;

	for (name = list;; name += len + 1) {
		len = strcspn(name, ",");
		if (!is_type(name, len))
			fatalx(EXIT_USAGE, "--type %.*s: no such type; crr "
			    "help watch lists them", (int)len, name);
		if (name[len] == '\0')
			break;
	}
	len = strlen(list) + 3;
	free(w->types);
	w->types = malloc(len);
	if (w->types == NULL)
		fatal(EXIT_FAILED, "--type %s", list);
	snprintf(w->types, len, ",%s,", list);
}

static bool
is_wanted(const struct watch *w, const char *type)
{
	char with_commas[32];

	if (w->types == NULL)
		return true;
	snprintf(with_commas, sizeof(with_commas), ",%s,", type);
	return strstr(w->types, with_commas) != NULL;
}

/* Write bytes as base64 (RFC 4648), in quotes. */
static void
put_base64(const unsigned char *p, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	    "abcdefghijklmnopqrstuvwxyz0123456789+/";
	uint32_t bits;
	size_t i, n;

	putchar('"');
	for (; len > 0; p += n, len -= n) {
		n = len < 3 ? len : 3;
		bits = (uint32_t)p[0] << 16;
		if (n > 1)
			bits |= (uint32_t)p[1] << 8;
		if (n > 2)
			bits |= p[2];
		for (i = 0; i < 4; i++)
			putchar(i > n ? '=' : letters[bits >> (18 - 6 * i) &
			    63]);
	}
	putchar('"');
}

/* Write a member: name as text, or name64 if it is not UTF-8. */
static void
put_member(const char *name, const void *bytes, size_t len)
{
	char *json;

	if (!text_is_utf8(bytes, len)) {
		printf(",\"%s64\":", name);
		put_base64(bytes, len);
		return;
	}
	json = malloc(6 * len + 3);
	if (json == NULL)
		fatal(EXIT_FAILED, "can't write a text of %zu bytes", len);
	text_json(bytes, len, json, 6 * len + 3);
	printf(",\"%s\":%s", name, json);
	free(json);
}

static void
put_message_json(const char *type, const struct crr_message *m)
{
	printf("{\"event\":\"%s\",\"seq\":%" PRIu64 ",\"pid\":%" PRId32,
	    type, m->seq, m->pid);
	if (m->worker != -1)
		printf(",\"worker\":%" PRId32, m->worker);
	if ((m->flags & CRR_MESSAGE_RETAINED) != 0)
		fputs(",\"retained\":true", stdout);
	put_member("name", m->name, m->name_len);
	if (m->id_len > 0)
		put_member("id", m->id, m->id_len);
	put_member("data", m->data, m->data_len);
	fputs("}", stdout);
	out_line("");
}

/* Write bytes for people: a question mark for what a terminal must not see. */
static void
put_text(const char *before, const void *bytes, size_t len)
{
	char text[SHOWN_MAX + 1];
	size_t n = len < SHOWN_MAX ? len : SHOWN_MAX, i;

	if (len == 0)
		return;
	memcpy(text, bytes, n);
	for (i = 0; i < n; i++)
		if (text[i] == '\0')
			text[i] = '?';
	text[n] = '\0';
	text_clean(text);
	printf("%s%s%s", before, text, len > n ? " ..." : "");
}

static void
put_message(const char *type, const struct crr_message *m)
{
	printf("%s %" PRId32, type, m->pid);
	put_text(" ", m->name, m->name_len);
	put_text(" ", m->id, m->id_len);
	put_text(": ", m->data, m->data_len);
	out_line("");
}

static void
show_message(const struct watch *w, const char *type,
    const struct crr_frame *f)
{
	struct crr_message m;

	if (!is_wanted(w, type) || crr_message(f, &m) == -1)
		return;
	if (w->json)
		put_message_json(type, &m);
	else
		put_message(type, &m);
}

static void
show_lagged(const struct watch *w, const struct crr_frame *f)
{
	char line[80];

	if (!is_wanted(w, "lagged"))
		return;
	snprintf(line, sizeof(line), w->json ?
	    "{\"event\":\"lagged\",\"count\":%" PRIu64 "}" :
	    "lagged: %" PRIu64 " messages lost", crr_get64(f->payload));
	out_line(line);
}

static void
show_event(struct watch *w, const struct crr_frame *f)
{
	char json[EVENT_JSON_MAX];
	struct event ev;

	if (event_decode(&ev, f->payload, f->len) == -1)
		return;
	w->t.stopped = w->t.stopped || ev.kind == CRR_EVENT_MASTER_STOPPED;
	if (!is_wanted(w, event_name(ev.kind)))
		return;
	if (w->json)
		event_json(&ev, json, sizeof(json));
	else
		event_line(&ev, event_signs(), json, sizeof(json));
	out_line(json);
}

static void
show_frame(struct watch *w, const struct crr_frame *f)
{
	switch (f->type) {
	case CRR_EVENT:
		show_event(w, f);
		break;
	case CRR_MESSAGE:
		show_message(w, "message", f);
		break;
	case CRR_SAVED:
		show_message(w, "saved", f);
		break;
	case CRR_DELETED:
		show_message(w, "deleted", f);
		break;
	case CRR_LAGGED:
		show_lagged(w, f);
		break;
	}
}

/* Wait for a frame, or end when the reader of our lines has gone: as long as
 * there is nothing to write, nothing else would notice. */
static void
wait_for_more(const struct watch *w)
{
	struct pollfd fds[] = {
		{ .fd = w->t.crr.fd, .events = POLLIN },
		{ .fd = STDOUT_FILENO, .events = 0 },
	};

	if (poll(fds, 2, -1) > 0 && (fds[1].revents & POLLERR) != 0)
		exit(EXIT_FAILED);
}

static void
follow_master(struct watch *w)
{
	struct crr_frame f;

	/* This is in the past, so that talk_next does not wait. */
	w->t.until_ms = 1;
	for (;;) {
		switch (talk_next(&w->t, &f)) {
		case TALK_FRAME:
			if (!w->t.quiet)
				show_frame(w, &f);
			break;
		case TALK_END:
			return;
		case TALK_LATE:
			wait_for_more(w);
			break;
		}
	}
}

static void
keep_option(void *own, int option)
{
	struct watch *w = own;

	switch (option) {
	case JSON:
		w->json = true;
		break;
	case RETAINED:
		w->flags |= CRR_SUBSCRIBE_RETAINED;
		break;
	case TYPE:
		take_types(w, optarg);
		break;
	}
}

int
client_watch(int argc, char **argv)
{
	static const struct option options[] = {
		TALK_OPTIONS,
		{ "json", no_argument, NULL, JSON },
		{ "retained", no_argument, NULL, RETAINED },
		{ "type", required_argument, NULL, TYPE },
		{ NULL, 0, NULL, 0 },
	};
	struct watch w = {
		.flags = CRR_SUBSCRIBE_MESSAGES | CRR_SUBSCRIBE_EVENTS,
	};
	unsigned char payload[4];

	talk_options(&w.t, argc, argv, options, keep_option, &w);
	talk_no_operand(argc, argv);
	crr_put32(payload, w.flags);
	talk_ask(&w.t, CRR_SUBSCRIBE, payload, sizeof(payload));
	follow_master(&w);
	free(w.types);
	talk_end(&w.t);
	if (!w.t.stopped)
		fatalx(EXIT_FAILED, "the master ended without stopping first");
	return EXIT_DONE;
}
