#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "client/exit.h"
#include "client/json.h"

/* Write bytes as a JSON string. */
static void
string(FILE *out, const char *text, size_t len)
{
	size_t	 size = 6 * len + 3;
	char	*json = malloc(size);

	if (json == NULL)
		fatal(EXIT_FAILED, "status");
	text_json(text, len, json, size);
	fputs(json, out);
	free(json);
}

/* Write a member whose value is a text, a comma before it. */
static void
member(FILE *out, const char *name, const struct text *text)
{
	fprintf(out, ",\"%s\":", name);
	string(out, text->at, text->len);
}

/* Write a member whose value is a number, or null for 0. */
static void
nullable(FILE *out, const char *name, uint64_t number)
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
		string(out, arg, len);
		arg += len + 1;
	}
	putc(']', out);
}

static void
put_master(FILE *out, const struct status *st)
{
	fprintf(out, "{\"pid\":%" PRIu32, st->pid);
	member(out, "version", &st->version);
	member(out, "name", &st->name);
	member(out, "socket", &st->socket);
	fprintf(out, ",\"state\":\"%s\",\"workers\":%" PRIu32
	    ",\"generation\":%" PRIu32 ",\"uptime_ms\":%" PRIu64
	    ",\"reloads\":%" PRIu32 ",\"reloads_failed\":%" PRIu32,
	    report_master_state(st->state), st->workers, st->generation,
	    st->uptime_ms, st->reloads, st->reloads_failed);
	put_command(out, &st->command);
	member(out, "directory", &st->directory);
	putc('}', out);
}

static void
put_queues(FILE *out, const struct status *st, uint32_t listener)
{
	const struct status_queue	*q;
	const char			*comma = "";

	for (q = st->queue; q < st->queue + st->nqueue; q++) {
		if (q->listener != listener)
			continue;
		fprintf(out, "%s{\"seat\":%" PRIu32 ",\"depth\":%" PRIu32
		    ",\"steered\":%s}", comma, q->seat, q->depth,
		    q->steered ? "true" : "false");
		comma = ",";
	}
}

static void
put_listener(FILE *out, const struct status *st,
    const struct status_listener *l)
{
	fputs("{\"address\":", out);
	string(out, l->address.at, l->address.len);
	fprintf(out, ",\"type\":\"%s\",\"handed\":%s,\"queues\":[",
	    report_listener_type(l->type), l->handed ? "true" : "false");
	put_queues(out, st, l->index);
	fputs("]}", out);
}

static void
put_worker(FILE *out, const struct status_worker *w)
{
	fprintf(out, "{\"id\":%" PRIu32, w->id);
	nullable(out, "pid", w->pid);
	fprintf(out, ",\"seat\":%" PRIu32 ",\"generation\":%" PRIu32
	    ",\"state\":\"%s\",\"uptime_ms\":%" PRIu64 ",\"state_ms\":%" PRIu64
	    ",\"restarts\":%" PRIu32 ",\"connections\":%" PRIu32
	    ",\"queued\":%" PRIu32, w->seat, w->generation,
	    report_worker_state(w->state), w->uptime_ms, w->state_ms,
	    w->restarts, w->connections, w->queued);
	if (w->last_exit.len == 0)
		fputs(",\"last_exit\":null", out);
	else
		member(out, "last_exit", &w->last_exit);
	nullable(out, "next_start_ms", w->next_start_ms);
	putc('}', out);
}

static void
put_bus(FILE *out, const struct status *st)
{
	const struct status_subscriber *s, *end;

	fprintf(out, "\"bus\":{\"seq\":%" PRIu64 ",\"lost\":%" PRIu64
	    ",\"retained\":%" PRIu32 ",\"retained_bytes\":%" PRIu64
	    ",\"retain_max\":%" PRIu64 ",\"subscribers\":[", st->bus.seq,
	    st->bus.lost, st->bus.nretained, st->bus.retained,
	    st->bus.retain_max);
	end = st->subscriber + st->nsubscriber;
	for (s = st->subscriber; s < end; s++) {
		fputs(s == st->subscriber ? "{\"worker\":" : ",{\"worker\":",
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
json_write(FILE *out, const struct status *st)
{
	size_t i;

	fputs("{\"master\":", out);
	put_master(out, st);
	fputs(",\"listeners\":[", out);
	for (i = 0; i < st->nlistener; i++) {
		if (i > 0)
			putc(',', out);
		put_listener(out, st, &st->listener[i]);
	}
	fputs("],\"workers\":[", out);
	for (i = 0; i < st->nworker; i++) {
		if (i > 0)
			putc(',', out);
		put_worker(out, &st->worker[i]);
	}
	fputs("],", out);
	put_bus(out, st);
	fputs("}\n", out);
}
