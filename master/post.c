#include <string.h>

#include "post.h"
#include "watch.h"

/* Below it, origins are the process groups of workers. */
#define FIRST_STRANGER (UINT64_C(1) << 32)

bool
post_is_for_bus(unsigned type)
{
	return type == PROTO_BROADCAST || type == PROTO_SAVE ||
	    type == PROTO_DELETE || type == PROTO_SUBSCRIBE;
}

void
post_identify(struct master *m, struct conn *c)
{
	const struct worker *w;

	if (c->who.origin != 0)
		return;
	w = watch_find(m, c->pid);
	c->who.pid = (int)c->pid;
	c->who.worker = w == NULL ? -1 : w->id;
	c->who.origin = w == NULL ? FIRST_STRANGER + ++m->strangers :
	    (uint64_t)w->process.group;
}

static void
publish(struct master *m, struct conn *c, const struct ipc_frame *f)
{
	const char *why = bus_check(f->type, f->payload, f->len);
	unsigned char answer[12];
	uint64_t seq;

	c->sends = true;
	if (why != NULL) {
		conn_error(c, f->id, "%s", why);
		return;
	}
	if (bus_publish(&m->bus, f->type, &c->who, f->payload, f->len,
	    &seq) == -1) {
		conn_error(c, f->id, "out of memory: the message was not sent");
		return;
	}
	if (f->id == 0)
		return;
	ipc_put32(answer, bus_receivers(&m->bus, &c->who));
	ipc_put64(answer + 4, seq);
	conn_send(c, PROTO_QUEUED, f->id, answer, sizeof(answer));
}

static void
subscribe(struct master *m, struct conn *c, const struct ipc_frame *f)
{
	uint32_t flags = ipc_get32(f->payload);
	const uint32_t known = PROTO_SUBSCRIBE_MESSAGES |
	    PROTO_SUBSCRIBE_RETAINED | PROTO_SUBSCRIBE_EVENTS;
	struct bus_subscriber *s;

	if ((flags & ~known) != 0) {
		conn_error(c, f->id, "SUBSCRIBE has no flags %#x", flags);
		return;
	}
	if (c->subscriber != NULL) {
		conn_error(c, f->id, "this connection has subscribed already");
		return;
	}
	s = bus_subscribe(&m->bus, &c->who,
	    (flags & PROTO_SUBSCRIBE_MESSAGES) != 0,
	    (flags & PROTO_SUBSCRIBE_RETAINED) != 0, f->id);
	if (s == NULL) {
		conn_error(c, f->id, "out of memory: not subscribed");
		return;
	}
	c->events = (flags & PROTO_SUBSCRIBE_EVENTS) != 0;
	conn_subscribe(c, &m->bus, s);
}

void
post_handle(struct master *m, struct conn *c, const struct ipc_frame *f)
{
	post_identify(m, c);
	if (f->type == PROTO_SUBSCRIBE)
		subscribe(m, c, f);
	else
		publish(m, c, f);
}

void
post_turn(struct master *m, int64_t now_ms)
{
	struct conn *c;

	for (c = m->conns; c != NULL; c = c->next) {
		if (c->subscriber != NULL && bus_pending(c->subscriber))
			conn_flush(c);
	}
	m->held = bus_turn(&m->bus, now_ms, &m->hold_ms);
}

bool
post_is_held(const struct master *m, const struct conn *c)
{
	return m->held && c->sends;
}
