#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/event.h"
#include "base/text.h"
#include "ipc.h"

enum {
	FIXED = 28,			/* bytes before the text on the wire */
};

#define TIME_MAX_MS INT64_C(253402300799999)	/* the end of the year 9999 */

static const struct words {
	const char	*line;
	const char	*sign;
	bool		 pid, workers, worker;	/* follow the line */
	bool		 count;		/* in JSON */
} words[] = {
	[CRR_EVENT_MASTER_STARTING] = { "master starting", "\U0001F30E",
	    .workers = true, .count = true },
	[CRR_EVENT_WORKER_UP] = { "worker up", .pid = true },
	[CRR_EVENT_WORKER_DOWN] = { "worker down", .pid = true },
	[CRR_EVENT_RELOAD_REQUESTED] = { "reload requested", "\U0001F44D",
	    .count = true },
	[CRR_EVENT_RELOAD_PENDING] = { .line = "reload already in progress" },
	[CRR_EVENT_RELOAD_COMPLETE] = { "reload complete", "\u2705",
	    .count = true },
	[CRR_EVENT_RELOAD_FAILED] = { "reload failed", .count = true },
	[CRR_EVENT_RELOAD_RESET] = { "reload reset", .count = true },
	[CRR_EVENT_SCALED] = { "scaled to", .workers = true, .count = true },
	[CRR_EVENT_MASTER_STOPPING] = { .line = "master stopping" },
	[CRR_EVENT_MASTER_STOPPED] = { .line = "master stopped" },
	[CRR_EVENT_WAITING] = { "waiting for worker", .worker = true,
	    .count = true },
	[CRR_EVENT_DRAIN_OVER] = { "worker", .worker = true, .count = true },
};

static const char names[][20] = {
#define X(symbol, name, number) [CRR_EVENT_##symbol] = name,
	CRR_EVENTS(X)
#undef X
};

const char *
event_name(enum crr_event kind)
{
	return names[kind];
}

void
event_init(struct event *ev, enum crr_event kind)
{
	struct timespec ts;

	memset(ev, 0, sizeof(*ev));
	clock_gettime(CLOCK_REALTIME, &ts);
	ev->kind = kind;
	ev->worker = -1;
	ev->pid = -1;
	ev->time_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void
event_line(const struct event *ev, bool signs, char *line, size_t size)
{
	const struct words	*w = &words[ev->kind];
	char			 about[32] = "";

	if (w->pid && ev->pid != -1)
		snprintf(about, sizeof(about), " %d", ev->pid);
	if (w->worker)
		snprintf(about, sizeof(about), " %d", ev->worker);
	if (w->workers)
		snprintf(about, sizeof(about), " %u worker%s", ev->count,
		    ev->count == 1 ? "" : "s");
	signs = signs && w->sign != NULL;
	snprintf(line, size, "%s%s%s%s%s%s", w->line, about,
	    *ev->text == '\0' ? "" : ": ", ev->text,
	    signs ? " " : "", signs ? w->sign : "");
	text_clean(line);
}

/* Write the time as in RFC 3339, in UTC with milliseconds. */
static void
format_time(int64_t time_ms, char *buf, size_t size)
{
	time_t		seconds = (time_t)(time_ms / 1000);
	struct tm	tm;
	size_t		len;

	gmtime_r(&seconds, &tm);
	len = strftime(buf, size, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + len, size - len, ".%03dZ", (int)(time_ms % 1000));
}

void
event_json(const struct event *ev, char *json, size_t size)
{
	char when[48], worker[32] = "", pid[32] = "", generation[32] = "";
	char count[32] = "", text[6 * CRR_TEXT_MAX + 3];

	if (ev->worker != -1)
		snprintf(worker, sizeof(worker), ",\"worker\":%d", ev->worker);
	if (ev->pid != -1)
		snprintf(pid, sizeof(pid), ",\"pid\":%d", ev->pid);
	if (ev->generation != 0)
		snprintf(generation, sizeof(generation), ",\"generation\":%u",
		    ev->generation);
	if (words[ev->kind].count)
		snprintf(count, sizeof(count), ",\"count\":%u", ev->count);
	format_time(ev->time_ms, when, sizeof(when));
	text_json(ev->text, strlen(ev->text), text, sizeof(text));
	snprintf(json, size, "{\"event\":\"%s\"%s%s%s%s,\"time\":\"%s\"%s%s}",
	    names[ev->kind], worker, pid, generation, count, when,
	    *ev->text == '\0' ? "" : ",\"text\":",
	    *ev->text == '\0' ? "" : text);
}

bool
event_signs(void)
{
	static const char *const	 variables[] = {
		"LC_ALL", "LC_CTYPE", "LANG"
	};
	const char			*value;
	size_t				 i;

	for (i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		value = getenv(variables[i]);
		if (value == NULL || *value == '\0')
			continue;
		return strcasestr(value, "utf-8") != NULL ||
		    strcasestr(value, "utf8") != NULL;
	}
	return false;
}

size_t
event_encode(const struct event *ev, unsigned char *buf)
{
	size_t len = strnlen(ev->text, CRR_TEXT_MAX);

	crr_put16(buf, (uint16_t)ev->kind);
	crr_put16(buf + 2, 0);
	crr_put32(buf + 4, (uint32_t)ev->worker);
	crr_put32(buf + 8, (uint32_t)ev->pid);
	crr_put32(buf + 12, ev->generation);
	crr_put32(buf + 16, ev->count);
	crr_put64(buf + 20, (uint64_t)ev->time_ms);
	memcpy(buf + FIXED, ev->text, len);
	return FIXED + len;
}

/* Tell whether what was decoded can have happened. */
static bool
is_valid(const struct event *ev)
{
	size_t kind = ev->kind;

	return kind < sizeof(names) / sizeof(names[0]) &&
	    names[kind][0] != '\0' &&
	    ev->worker >= -1 && ev->pid >= -1 && ev->pid != 0 &&
	    ev->time_ms >= 0 && ev->time_ms <= TIME_MAX_MS;
}

int
event_decode(struct event *ev, const unsigned char *buf, size_t len)
{
	memset(ev, 0, sizeof(*ev));
	errno = EPROTO;
	if (len < FIXED || len > EVENT_WIRE_MAX || crr_get16(buf + 2) != 0)
		return -1;
	ev->kind = (enum crr_event)crr_get16(buf);
	ev->worker = (int)crr_get32(buf + 4);
	ev->pid = (int)crr_get32(buf + 8);
	ev->generation = crr_get32(buf + 12);
	ev->count = crr_get32(buf + 16);
	ev->time_ms = (int64_t)crr_get64(buf + 20);
	memcpy(ev->text, buf + FIXED, len - FIXED);
	if (!is_valid(ev) || strlen(ev->text) != len - FIXED)
		return -1;
	return 0;
}
