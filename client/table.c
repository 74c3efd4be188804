#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "client/table.h"
#include "proto.h"

enum {
	MINUTE = 60,			/* seconds */
	HOUR = 60 * MINUTE,
	DAY = 24 * HOUR,
	TIME_SIZE = 48,			/* bytes of a time as text */
	STATE_READY = 2,		/* of a worker: doc/protocol.md */
	STATE_DRAINING = 3,
	ADDRESS_COLUMNS = 24,		/* at least */
};

/* Write a span of time in its two largest units. */
static void
format_span(uint64_t ms, char *buf, size_t size)
{
	uint64_t s = ms / 1000;

	if (s < MINUTE)
		snprintf(buf, size, "%" PRIu64 "s", s);
	else if (s < HOUR)
		snprintf(buf, size, "%" PRIu64 "m %" PRIu64 "s",
		    s / MINUTE, s % MINUTE);
	else if (s < DAY)
		snprintf(buf, size, "%" PRIu64 "h %" PRIu64 "m",
		    s / HOUR, s % HOUR / MINUTE);
	else
		snprintf(buf, size, "%" PRIu64 "d %" PRIu64 "h",
		    s / DAY, s % DAY / HOUR);
}

static void
put_master(FILE *out, const struct report *r)
{
	const char *which;
	char up[TIME_SIZE];

	text_clean(r->name.at);
	text_clean(r->socket.at);
	which = *r->name.at != '\0' ? r->name.at : r->socket.at;
	format_span(r->uptime_ms, up, sizeof(up));
	fprintf(out, "master %" PRIu32 " (%s) %s, generation %" PRIu32
	    ", %" PRIu32 " worker%s, up %s\n", r->pid, which,
	    report_master_state(r->state), r->generation, r->workers,
	    r->workers == 1 ? "" : "s", up);
}

/* Write the depth of each queue, in brackets if no new connections are steered
 * to it. */
static void
put_depths(FILE *out, const struct report *r, uint32_t listener)
{
	const struct report_queue *q;

	for (q = r->queue; q < r->queue + r->nqueue; q++)
		if (q->listener == listener)
			fprintf(out, q->steered ? " %" PRIu32 :
			    " (%" PRIu32 ")", q->depth);
}

static void
put_listeners(FILE *out, const struct report *r)
{
	const struct report_listener	*l, *end = r->listener + r->nlistener;
	int				 width = ADDRESS_COLUMNS;

	for (l = r->listener; l < end; l++) {
		text_clean(l->address.at);
		if ((int)l->address.len > width)
			width = (int)l->address.len;
	}
	if (r->nlistener > 0)
		fprintf(out, "\n%-*s  %-8s  %s\n", width, "LISTENER", "TYPE",
		    "QUEUED BY SEAT");
	for (l = r->listener; l < end; l++) {
		fprintf(out, "%-*s  %-8s ", width, l->address.at,
		    report_listener_type(l->type));
		put_depths(out, r, l->index);
		putc('\n', out);
	}
}

/* Write the state, and its age if it is one that should not last. */
static void
format_state(const struct report_worker *w, char *buf, size_t size)
{
	char age[TIME_SIZE];

	format_span(w->state_ms, age, sizeof(age));
	if (w->state == STATE_READY || w->pid == 0)
		*age = '\0';
	snprintf(buf, size, "%s%s%s", report_worker_state(w->state),
	    *age == '\0' ? "" : " ", age);
}

/* Write what follows the columns: the last exit, and work in flight. */
static void
put_rest(FILE *out, const struct report_worker *w)
{
	text_clean(w->last_exit.at);
	fputs(w->last_exit.len == 0 ? "-" : w->last_exit.at, out);
	if (w->next_start_ms != 0)
		fprintf(out, ", again in %" PRIu64 " s",
		    (w->next_start_ms + 999) / 1000);
	if (w->state == STATE_DRAINING)
		fprintf(out, " (%" PRIu32 " in flight, %" PRIu32 " queued)",
		    w->connections, w->queued);
	putc('\n', out);
}

static void
put_worker(FILE *out, const struct report_worker *w)
{
	char pid[16] = "-", up[TIME_SIZE] = "-", state[2 * TIME_SIZE];

	if (w->pid != 0) {
		snprintf(pid, sizeof(pid), "%" PRIu32, w->pid);
		format_span(w->uptime_ms, up, sizeof(up));
	}
	format_state(w, state, sizeof(state));
	fprintf(out, "%-4" PRIu32 "  %-7s  %-4" PRIu32 "  %-16s  %-7s  "
	    "%-8" PRIu32 "  ", w->id, pid, w->generation, state, up,
	    w->restarts);
	put_rest(out, w);
}

static void
put_subscriber(FILE *out, const struct report_subscriber *s)
{
	char worker[16] = "-";

	if (s->worker != -1)
		snprintf(worker, sizeof(worker), "%" PRId32, s->worker);
	fprintf(out, "%-6s  %-7" PRIu32 "  %-12" PRIu64 "  %" PRIu64 "\n",
	    worker, s->pid, s->queued, s->lost);
}

/* Write nothing before a connection has been held. */
static void
put_handoff(FILE *out, const struct report_handoff *h)
{
	if (h->held == 0)
		return;
	fprintf(out, "\nkept connections: %" PRIu64 " held (%" PRIu32
	    " now), %" PRIu64 " requests handed on (%" PRIu32 " now, %" PRIu64
	    " broken off), %" PRIu64 " closed in their quiet\n", h->held,
	    h->holding, h->requests, h->handing, h->broken, h->quiet);
}

/* Write nothing if nobody uses the bus. */
static void
put_bus(FILE *out, const struct report *r)
{
	size_t i;

	if (r->bus.seq == 0 && r->nsubscriber == 0)
		return;
	fprintf(out, "\nbus: %" PRIu64 " messages, %" PRIu64 " lost, %" PRIu32
	    " values kept (%" PRIu64 " of %" PRIu64 " bytes)\n", r->bus.seq,
	    r->bus.lost, r->bus.nretained, r->bus.retained,
	    r->bus.retain_max);
	if (r->nsubscriber > 0)
		fputs("WORKER  PID      BYTES QUEUED  LOST\n", out);
	for (i = 0; i < r->nsubscriber; i++)
		put_subscriber(out, &r->subscriber[i]);
}

void
table_write(FILE *out, const struct report *r)
{
	size_t i;

	put_master(out, r);
	put_listeners(out, r);
	fprintf(out, "\n%-4s  %-7s  %-4s  %-16s  %-7s  %-8s  %s\n", "ID",
	    "PID", "GEN", "STATE", "UPTIME", "RESTARTS", "LAST EXIT");
	for (i = 0; i < r->nworker; i++)
		put_worker(out, &r->worker[i]);
	put_handoff(out, &r->handoff);
	put_bus(out, r);
}
