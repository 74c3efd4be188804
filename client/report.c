#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "client/exit.h"
#include "client/report.h"
#include "ipc.h"

/* What is left to read of a payload. */
struct cursor {
	const unsigned char *p;
	size_t	 left;			/* bytes */
};

/* Find the name of number n, which a later master may have added. */
static const char *
find_name(const char *const *names, size_t count, uint32_t n)
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

	return find_name(names, sizeof(names) / sizeof(names[0]), state);
}

const char *
report_worker_state(uint32_t state)
{
	static const char *const names[] = {
#define X(symbol, name, number) [number] = name,
		CRR_WORKER_STATES(X)
#undef X
	};

	return find_name(names, sizeof(names) / sizeof(names[0]), state);
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

	return find_name(names, sizeof(names) / sizeof(names[0]), type);
}

/* Move past n bytes and return where they begin. */
static const unsigned char *
take_bytes(struct cursor *c, size_t n)
{
	const unsigned char *p = c->p;

	if (n > c->left)
		fatalx(EXIT_FAILED, "the master's answer makes no sense");
	c->p += n;
	c->left -= n;
	return p;
}

static uint32_t
take_u32(struct cursor *c)
{
	return crr_get32(take_bytes(c, 4));
}

static uint64_t
take_u64(struct cursor *c)
{
	return crr_get64(take_bytes(c, 8));
}

static struct text
take_text(struct cursor *c, size_t len)
{
	struct text text = { .at = malloc(len + 1), .len = len };

	if (text.at == NULL)
		fatal(EXIT_FAILED, "can't keep the master's answer");
	memcpy(text.at, take_bytes(c, len), len);
	text.at[len] = '\0';
	return text;
}

/* Take a text that follows its length. */
static struct text
take_short_text(struct cursor *c)
{
	return take_text(c, crr_get16(take_bytes(c, 2)));
}

/* Make room for one more element. */
static void *
grow_array(void *array, size_t n, size_t size)
{
	if ((array = realloc(array, (n + 1) * size)) == NULL)
		fatal(EXIT_FAILED, "can't keep the master's answer");
	return array;
}

static void
decode_master(struct report *r, struct cursor *c)
{
	r->pid = take_u32(c);
	r->state = take_u32(c);
	r->workers = take_u32(c);
	r->generation = take_u32(c);
	r->reloads = take_u32(c);
	r->reloads_failed = take_u32(c);
	r->uptime_ms = take_u64(c);
	r->version = take_short_text(c);
	r->name = take_short_text(c);
	r->socket = take_short_text(c);
	r->directory = take_short_text(c);
	r->command = take_short_text(c);
}

static void
decode_listener(struct report *r, struct cursor *c)
{
	struct report_listener *l;

	r->listener = grow_array(r->listener, r->nlistener, sizeof(*l));
	l = &r->listener[r->nlistener++];
	l->index = take_u32(c);
	l->type = take_u32(c);
	l->handed = take_u32(c);
	l->nqueues = take_u32(c);
	l->address = take_text(c, c->left);
}

static void
decode_queue(struct report *r, struct cursor *c)
{
	struct report_queue *q;

	r->queue = grow_array(r->queue, r->nqueue, sizeof(*q));
	q = &r->queue[r->nqueue++];
	q->listener = take_u32(c);
	q->seat = take_u32(c);
	q->depth = take_u32(c);
	q->steered = take_u32(c);
}

static void
decode_worker(struct report *r, struct cursor *c)
{
	struct report_worker *w;

	r->worker = grow_array(r->worker, r->nworker, sizeof(*w));
	w = &r->worker[r->nworker++];
	w->id = take_u32(c);
	w->pid = take_u32(c);
	w->seat = take_u32(c);
	w->generation = take_u32(c);
	w->state = take_u32(c);
	w->restarts = take_u32(c);
	w->uptime_ms = take_u64(c);
	w->state_ms = take_u64(c);
	w->next_start_ms = take_u64(c);
	w->connections = take_u32(c);
	w->queued = take_u32(c);
	w->last_exit = take_text(c, c->left);
}

static void
decode_handoff(struct report *r, struct cursor *c)
{
	r->handoff.held = take_u64(c);
	r->handoff.requests = take_u64(c);
	r->handoff.broken = take_u64(c);
	r->handoff.quiet = take_u64(c);
	r->handoff.holding = take_u32(c);
	r->handoff.handing = take_u32(c);
}

static void
decode_bus(struct report *r, struct cursor *c)
{
	r->bus.seq = take_u64(c);
	r->bus.lost = take_u64(c);
	r->bus.retained = take_u64(c);
	r->bus.retain_max = take_u64(c);
	r->bus.nretained = take_u32(c);
}

static void
decode_subscriber(struct report *r, struct cursor *c)
{
	struct report_subscriber *s;

	r->subscriber = grow_array(r->subscriber, r->nsubscriber, sizeof(*s));
	s = &r->subscriber[r->nsubscriber++];
	s->worker = (int32_t)take_u32(c);
	s->pid = take_u32(c);
	s->queued = take_u64(c);
	s->lost = take_u64(c);
}

void
report_decode(struct report *r, const struct crr_frame *f)
{
	struct cursor c = { .p = f->payload, .left = f->len };

	switch (f->type) {
	case CRR_STATUS_MASTER:
		if (r->version.at == NULL)
			decode_master(r, &c);
		break;
	case CRR_STATUS_LISTENER:
		decode_listener(r, &c);
		break;
	case CRR_STATUS_QUEUE:
		decode_queue(r, &c);
		break;
	case CRR_STATUS_WORKER:
		decode_worker(r, &c);
		break;
	case CRR_STATUS_HANDOFF:
		decode_handoff(r, &c);
		break;
	case CRR_STATUS_BUS:
		decode_bus(r, &c);
		break;
	case CRR_STATUS_SUBSCRIBER:
		decode_subscriber(r, &c);
		break;
	}
}

void
report_free(struct report *r)
{
	size_t i;

	for (i = 0; i < r->nlistener; i++)
		free(r->listener[i].address.at);
	for (i = 0; i < r->nworker; i++)
		free(r->worker[i].last_exit.at);
	free(r->listener);
	free(r->queue);
	free(r->worker);
	free(r->subscriber);
	free(r->version.at);
	free(r->name.at);
	free(r->socket.at);
	free(r->directory.at);
	free(r->command.at);
}
