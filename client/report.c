#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "client/exit.h"
#include "client/report.h"
#include "ipc.h"

/* Read from here on; moved on by what was read. */
struct cursor {
	const unsigned char *p;
	size_t	 left;			/* bytes */
};

/* The n-th of a number of names. */
static const char *
pick(const char *const *names, size_t count, uint32_t n)
{
	return n < count ? names[n] : "unknown";
}

const char *
report_master_state(uint32_t state)
{
	static const char *const names[] = {
		[CRR_STATE_STARTING] = "starting",
		[CRR_STATE_SERVING] = "serving",
		[CRR_STATE_RELOADING] = "reloading",
		[CRR_STATE_STOPPING] = "stopping",
	};

	return pick(names, sizeof(names) / sizeof(names[0]), state);
}

const char *
report_worker_state(uint32_t state)
{
	static const char *const names[] = {
#define X(symbol, name, number) [number] = name,
		CRR_WORKER_STATES(X)
#undef X
	};

	return pick(names, sizeof(names) / sizeof(names[0]), state);
}

const char *
report_listener_type(uint32_t type)
{
	static const char *const names[] = {
		[CRR_LISTENER_TCP] = "tcp",
		[CRR_LISTENER_UDP] = "udp",
		[CRR_LISTENER_UNIX] = "unix",
		[CRR_LISTENER_UNIXGRAM] = "unixgram",
	};

	return pick(names, sizeof(names) / sizeof(names[0]), type);
}

/* Move over n bytes and return where they are. */
static const unsigned char *
take(struct cursor *c, size_t n)
{
	const unsigned char *p = c->p;

	if (n > c->left)
		fatalx(EXIT_FAILED, "the master's answer makes no sense");
	c->p += n;
	c->left -= n;
	return p;
}

static uint32_t
take32(struct cursor *c)
{
	return crr_get32(take(c, 4));
}

static uint64_t
take64(struct cursor *c)
{
	return crr_get64(take(c, 8));
}

static struct text
take_text(struct cursor *c, size_t len)
{
	struct text text = { .at = malloc(len + 1), .len = len };

	if (text.at == NULL)
		fatal(EXIT_FAILED, "status");
	memcpy(text.at, take(c, len), len);
	text.at[len] = '\0';
	return text;
}

/* Take a text with its length before it. */
static struct text
take_short_text(struct cursor *c)
{
	return take_text(c, crr_get16(take(c, 2)));
}

/* Make room for one element more. */
static void *
grow(void *array, size_t n, size_t size)
{
	if ((array = realloc(array, (n + 1) * size)) == NULL)
		fatal(EXIT_FAILED, "status");
	return array;
}

static void
decode_master(struct status *st, struct cursor *c)
{
	st->pid = take32(c);
	st->state = take32(c);
	st->workers = take32(c);
	st->generation = take32(c);
	st->reloads = take32(c);
	st->reloads_failed = take32(c);
	st->uptime_ms = take64(c);
	st->version = take_short_text(c);
	st->name = take_short_text(c);
	st->socket = take_short_text(c);
	st->directory = take_short_text(c);
	st->command = take_short_text(c);
}

static void
decode_listener(struct status *st, struct cursor *c)
{
	struct status_listener *l;

	st->listener = grow(st->listener, st->nlistener, sizeof(*l));
	l = &st->listener[st->nlistener++];
	l->index = take32(c);
	l->type = take32(c);
	l->handed = take32(c);
	l->nqueues = take32(c);
	l->address = take_text(c, c->left);
}

static void
decode_queue(struct status *st, struct cursor *c)
{
	struct status_queue *q;

	st->queue = grow(st->queue, st->nqueue, sizeof(*q));
	q = &st->queue[st->nqueue++];
	q->listener = take32(c);
	q->seat = take32(c);
	q->depth = take32(c);
	q->steered = take32(c);
}

static void
decode_worker(struct status *st, struct cursor *c)
{
	struct status_worker *w;

	st->worker = grow(st->worker, st->nworker, sizeof(*w));
	w = &st->worker[st->nworker++];
	w->id = take32(c);
	w->pid = take32(c);
	w->seat = take32(c);
	w->generation = take32(c);
	w->state = take32(c);
	w->restarts = take32(c);
	w->uptime_ms = take64(c);
	w->state_ms = take64(c);
	w->next_start_ms = take64(c);
	w->connections = take32(c);
	w->queued = take32(c);
	w->last_exit = take_text(c, c->left);
}

static void
decode_bus(struct status *st, struct cursor *c)
{
	st->bus.seq = take64(c);
	st->bus.lost = take64(c);
	st->bus.retained = take64(c);
	st->bus.retain_max = take64(c);
	st->bus.nretained = take32(c);
}

static void
decode_subscriber(struct status *st, struct cursor *c)
{
	struct status_subscriber *s;

	st->subscriber = grow(st->subscriber, st->nsubscriber, sizeof(*s));
	s = &st->subscriber[st->nsubscriber++];
	s->worker = (int32_t)take32(c);
	s->pid = take32(c);
	s->queued = take64(c);
	s->lost = take64(c);
}

void
report_decode(struct status *st, const struct crr_frame *f)
{
	struct cursor c = { .p = f->payload, .left = f->len };

	switch (f->type) {
	case CRR_STATUS_MASTER:
		if (st->version.at == NULL)
			decode_master(st, &c);
		break;
	case CRR_STATUS_LISTENER:
		decode_listener(st, &c);
		break;
	case CRR_STATUS_QUEUE:
		decode_queue(st, &c);
		break;
	case CRR_STATUS_WORKER:
		decode_worker(st, &c);
		break;
	case CRR_STATUS_BUS:
		decode_bus(st, &c);
		break;
	case CRR_STATUS_SUBSCRIBER:
		decode_subscriber(st, &c);
		break;
	}
}

void
report_free(struct status *st)
{
	size_t i;

	for (i = 0; i < st->nlistener; i++)
		free(st->listener[i].address.at);
	for (i = 0; i < st->nworker; i++)
		free(st->worker[i].last_exit.at);
	free(st->listener);
	free(st->queue);
	free(st->worker);
	free(st->subscriber);
	free(st->version.at);
	free(st->name.at);
	free(st->socket.at);
	free(st->directory.at);
	free(st->command.at);
}
