#include <string.h>

#include "base/log.h"
#include "master/post.h"

enum {
	GATHER_MAX = 64 << 10,		/* bytes */
};

/* Below it, origins are the process groups of workers. */
#define FIRST_STRANGER (UINT64_C(1) << 32)

bool
post_is_for_bus(unsigned type)
{
	return type == CRR_BROADCAST || type == CRR_SAVE ||
	    type == CRR_DELETE || type == CRR_SUBSCRIBE;
}

/* A worker on the bus, as its leader speaks for it. */
struct bus_identity
post_identity(const struct worker *w)
{
	const struct bus_identity who = {
		.origin = (uint64_t)w->process.group,
		.worker = w->id,
		.pid = (int)w->process.pid,
	};

	return who;
}

void
post_identify(struct post *post, struct conn *c)
{
	const struct worker *w;

	if (c->who.origin != 0)
		return;
	w = pool_owner(post->pool, c->pid);
	if (w != NULL)
		c->who = post_identity(w);
	else {
		c->who.worker = -1;
		c->who.origin = FIRST_STRANGER + ++post->strangers;
	}
	c->who.pid = (int)c->pid;
}

static void
publish_message(struct post *post, struct conn *c, const struct crr_frame *f)
{
	const char *why = bus_check(f->type, f->payload, f->len);
	unsigned char answer[12];
	uint64_t seq;

	c->sends = true;
	if (why != NULL) {
		log_warnx("process %d: %s: ignored", (int)c->pid, why);
		conn_error(c, f->id, "%s", why);
		return;
	}
	if (bus_publish(post->bus, f->type, &c->who, f->payload, f->len,
	    &seq) == -1) {
		conn_error(c, f->id, "out of memory: the message was not sent");
		return;
	}
	if (f->id == 0)
		return;
	crr_put32(answer, bus_receivers(post->bus, &c->who));
	crr_put64(answer + 4, seq);
	conn_send(c, CRR_QUEUED, f->id, answer, sizeof(answer));
}

static void
subscribe_conn(struct post *post, struct conn *c, const struct crr_frame *f)
{
	uint32_t flags = crr_get32(f->payload);
	const uint32_t known = CRR_SUBSCRIBE_MESSAGES |
	    CRR_SUBSCRIBE_RETAINED | CRR_SUBSCRIBE_EVENTS;
	struct bus_subscriber *s;

	if ((flags & ~known) != 0) {
		conn_error(c, f->id, "SUBSCRIBE has no flags %#x", flags);
		return;
	}
	if (c->subscriber != NULL) {
		conn_error(c, f->id, "this connection has subscribed already");
		return;
	}
	s = bus_subscribe(post->bus, &c->who,
	    (flags & CRR_SUBSCRIBE_MESSAGES) != 0,
	    (flags & CRR_SUBSCRIBE_RETAINED) != 0, f->id);
	if (s == NULL) {
		conn_error(c, f->id, "out of memory: not subscribed");
		return;
	}
	c->events = (flags & CRR_SUBSCRIBE_EVENTS) != 0;
	conn_subscribe(c, post->bus, s);
	conn_flush(c);
}

void
post_handle(struct post *post, struct conn *c, const struct crr_frame *f)
{
	post_identify(post, c);
	if (f->type == CRR_SUBSCRIBE)
		subscribe_conn(post, c, f);
	else
		publish_message(post, c, f);
}

/*
 * While senders go on sending, what is queued is gathered: a call for many
 * messages costs little more than one for one.
 */
bool
post_gather(struct post *post)
{
	const struct bus *bus = post->bus;
	bool fresh = bus->seq != post->turned_seq;

	post->turned_seq = bus->seq;
	post->gathering = fresh &&
	    bus->stream.end - post->written_end < GATHER_MAX;
	if (post->gathering)
		return true;
	post->stale = post->written_seq != bus->seq;
	post->written_seq = bus->seq;
	post->written_end = bus->stream.end;
	return false;
}

bool
post_is_stale(const struct post *post)
{
	return post->stale;
}

void
post_write(struct post *post, struct conn *conns)
{
	struct conn *c;

	for (c = post->stale ? conns : NULL; c != NULL; c = c->next) {
		if (c->subscriber == NULL || !subscriber_pending(c->subscriber))
			continue;
		conn_flush(c);
		conn_touch(c);
	}
}

void
post_hold(struct post *post, int64_t now_ms)
{
	post->held = bus_turn(post->bus, now_ms, &post->hold_ms);
}

int64_t
post_next(const struct post *post)
{
	return post->hold_ms;
}
