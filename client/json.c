#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "client/exit.h"
#include "client/json.h"

/* Write bytes as a JSON string. */
static void
put_string(FILE *out, const char *text, size_t len)
{
	size_t	 size = 6 * len + 3;
	char	*json = malloc(size);

	if (json == NULL)
		fatal(EXIT_FAILED, "can't write a text of %zu bytes", len);
	text_json(text, len, json, size);
	fputs(json, out);
	free(json);
}

/* Write a comma and a member whose value is a text. */
static void
put_text(FILE *out, const char *name, const struct text *text)
{
	fprintf(out, ",\"%s\":", name);
	put_string(out, text->at, text->len);
}

/* Write a comma and a member whose value is a number, or null for 0. */
static void
put_number(FILE *out, const char *name, uint64_t number)
{
	if (number == 0)
		fprintf(out, ",\"%s\":null", name);
	else
		fprintf(out, ",\"%s\":%" PRIu64, name, number);
}

static void
put_command(FILE *out, const struct text *command)
{
	const char	*arg = command->at;
	const char	*end = arg + command->len;
	size_t		 len;

	fputs(",\"command\":[", out);
	/* An empty last argument begins where the text ends. */
	while (command->len > 0 && arg <= end) {
		if (arg > command->at)
			putc(',', out);
		len = strlen(arg);
		put_string(out, arg, len);
		arg += len + 1;
	}
	putc(']', out);
}

static void
put_master(FILE *out, const struct report *r)
{
	fprintf(out, "{\"pid\":%" PRIu32, r->pid);
	put_text(out, "version", &r->version);
	put_text(out, "name", &r->name);
	put_text(out, "socket", &r->socket);
	fprintf(out, ",\"state\":\"%s\",\"workers\":%" PRIu32
	    ",\"generation\":%" PRIu32 ",\"uptime_ms\":%" PRIu64
	    ",\"reloads\":%" PRIu32 ",\"reloads_failed\":%" PRIu32,
	    report_master_state(r->state), r->workers, r->generation,
	    r->uptime_ms, r->reloads, r->reloads_failed);
	put_command(out, &r->command);
	put_text(out, "directory", &r->directory);
	putc('}', out);
}

static void
put_queues(FILE *out, const struct report *r, uint32_t listener)
{
	const struct report_queue	*q;
	const char			*comma = "";

	for (q = r->queue; q < r->queue + r->nqueue; q++) {
		if (q->listener != listener)
			continue;
		fprintf(out, "%s{\"seat\":%" PRIu32 ",\"depth\":%" PRIu32
		    ",\"steered\":%s}", comma, q->seat, q->depth,
		    q->steered ? "true" : "false");
		comma = ",";
	}
}

static void
put_listener(FILE *out, const struct report *r,
    const struct report_listener *l)
{
	fputs("{\"address\":", out);
	put_string(out, l->address.at, l->address.len);
	fprintf(out, ",\"type\":\"%s\",\"handed\":%s,\"queues\":[",
	    report_listener_type(l->type), l->handed ? "true" : "false");
	put_queues(out, r, l->index);
	fputs("]}", out);
}

static void
put_worker(FILE *out, const struct report_worker *w)
{
	fprintf(out, "{\"id\":%" PRIu32, w->id);
	put_number(out, "pid", w->pid);
	fprintf(out, ",\"seat\":%" PRIu32 ",\"generation\":%" PRIu32
	    ",\"state\":\"%s\",\"uptime_ms\":%" PRIu64 ",\"state_ms\":%" PRIu64
	    ",\"restarts\":%" PRIu32 ",\"connections\":%" PRIu32
	    ",\"queued\":%" PRIu32, w->seat, w->generation,
	    report_worker_state(w->state), w->uptime_ms, w->state_ms,
	    w->restarts, w->connections, w->queued);
	if (w->last_exit.len == 0)
		fputs(",\"last_exit\":null", out);
	else
		put_text(out, "last_exit", &w->last_exit);
	put_number(out, "next_start_ms", w->next_start_ms);
	putc('}', out);
}

static void
put_handoff(FILE *out, const struct report_handoff *h)
{
	fprintf(out, "\"kept\":{\"held\":%" PRIu64 ",\"handed_on\":%" PRIu64
	    ",\"broken\":%" PRIu64 ",\"closed\":%" PRIu64
	    ",\"held_now\":%" PRIu32 ",\"handed_on_now\":%" PRIu32 "},",
	    h->held, h->requests, h->broken, h->quiet, h->holding, h->handing);
}

static void
put_bus(FILE *out, const struct report *r)
{
	const struct report_subscriber *s, *end;

	fprintf(out, "\"bus\":{\"seq\":%" PRIu64 ",\"lost\":%" PRIu64
	    ",\"retained\":%" PRIu32 ",\"retained_bytes\":%" PRIu64
	    ",\"retain_max\":%" PRIu64 ",\"subscribers\":[", r->bus.seq,
	    r->bus.lost, r->bus.nretained, r->bus.retained,
	    r->bus.retain_max);
	end = r->subscriber + r->nsubscriber;
	for (s = r->subscriber; s < end; s++) {
		fputs(s == r->subscriber ? "{\"worker\":" : ",{\"worker\":",
		    out);
		if (s->worker == -1)
			fputs("null", out);
		else
			fprintf(out, "%" PRId32, s->worker);
		fprintf(out, ",\"pid\":%" PRIu32 ",\"queued_bytes\":%" PRIu64
		    ",\"lost\":%" PRIu64 "}", s->pid, s->queued, s->lost);
	}
	fputs("]}", out);
}

void
json_write(FILE *out, const struct report *r)
{
	size_t i;

	fputs("{\"master\":", out);
	put_master(out, r);
	fputs(",\"listeners\":[", out);
	for (i = 0; i < r->nlistener; i++) {
		if (i > 0)
			putc(',', out);
		put_listener(out, r, &r->listener[i]);
	}
	fputs("],\"workers\":[", out);
	for (i = 0; i < r->nworker; i++) {
		if (i > 0)
			putc(',', out);
		put_worker(out, &r->worker[i]);
	}
	fputs("],", out);
	put_handoff(out, &r->handoff);
	put_bus(out, r);
	fputs("}\n", out);
}
