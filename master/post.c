#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/node/channel.h"
#include "master/post.h"
#include "master/ready.h"

enum {
	GATHER_MAX = 64 << 10,		/* bytes */
	GOODBYE_MS = 500,		/* from the stop signal to the end of
					   Node's channel */
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
static struct bus_identity
identity(const struct worker *w)
{
	const struct bus_identity who = {
		.origin = (uint64_t)w->process.group,
		.worker = w->id,
		.pid = (int)w->process.pid,
	};

	return who;
}

void
post_identify(struct master *m, struct conn *c)
{
	const struct worker *w;

	if (c->who.origin != 0)
		return;
	w = pool_owner(&m->pool, c->pid);
	if (w != NULL)
		c->who = identity(w);
	else {
		c->who.worker = -1;
		c->who.origin = FIRST_STRANGER + ++m->strangers;
	}
	c->who.pid = (int)c->pid;
}

static void
publish(struct master *m, struct conn *c, const struct crr_frame *f)
{
	const char *why = bus_check(f->type, f->payload, f->len);
	unsigned char answer[12];
	uint64_t seq;

	c->sends = true;
	if (why != NULL) {
		log_warnx("process %d: %s: passed over", (int)c->pid, why);
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
	crr_put32(answer, bus_receivers(&m->bus, &c->who));
	crr_put64(answer + 4, seq);
	conn_send(c, CRR_QUEUED, f->id, answer, sizeof(answer));
}

static void
subscribe(struct master *m, struct conn *c, const struct crr_frame *f)
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
	s = bus_subscribe(&m->bus, &c->who,
	    (flags & CRR_SUBSCRIBE_MESSAGES) != 0,
	    (flags & CRR_SUBSCRIBE_RETAINED) != 0, f->id);
	if (s == NULL) {
		conn_error(c, f->id, "out of memory: not subscribed");
		return;
	}
	c->events = (flags & CRR_SUBSCRIBE_EVENTS) != 0;
	conn_subscribe(c, &m->bus, s);
}

void
post_handle(struct master *m, struct conn *c, const struct crr_frame *f)
{
	post_identify(m, c);
	if (f->type == CRR_SUBSCRIBE)
		subscribe(m, c, f);
	else
		publish(m, c, f);
}

/* A process that has just been started may speak. */
static void
join(struct master *m, struct worker *w)
{
	const struct bus_identity who = identity(w);

	w->node = node_open(&m->bus, &who, w->process.channel_fd);
	w->process.channel_fd = -1;
	if (w->node == NULL)
		log_warn("worker %d: Node's channel", w->id);
}

static void
hang_up(struct master *m, struct worker *w)
{
	if (node_is_cut(w->node))
		log_warnx("worker %d: Node's channel ended in the middle of a "
		    "line: passed over", w->id);
	node_close(&m->bus, w->node);
	w->node = NULL;
}

static void
publish_node(struct master *m, const struct worker *w,
    const struct node_said *said)
{
	const struct bus_identity who = identity(w);
	uint64_t seq;

	if (bus_publish(&m->bus, said->word == NODE_SAVE ? CRR_SAVE :
	    CRR_DELETE, &who, said->payload, said->len, &seq) == -1)
		log_warnx("worker %d: out of memory: a message was not sent",
		    w->id);
}

static void
play_primary(struct master *m, struct worker *w, const struct node_said *said,
    int64_t now_ms)
{
	const struct cluster_worker asker = {
		.node = w->node,
		.seat = w->seat,
		.generation = w->generation,
		.may_bind_low = m->plan.uid == geteuid() || m->plan.uid == 0,
	};
	struct listener *l;

	l = cluster_hear(&m->cluster, &m->listeners, &asker, &said->object);
	if (l != NULL)
		ready_listens(m, w, l, w->process.pid, now_ms);
}

static void
obey(struct master *m, struct worker *w, const struct node_said *said,
    int64_t now_ms)
{
	switch (said->word) {
	case NODE_NOTHING:
	case NODE_OTHER:
		break;
	case NODE_READY:
		ready_said(m, w->process.pid, now_ms);
		break;
	case NODE_RELOAD:
		if (!m->pool.stopping)
			master_reload(m, now_ms);
		break;
	case NODE_RESET:
		master_reset(m, now_ms);
		break;
	case NODE_SAVE:
	case NODE_DELETE:
		publish_node(m, w, said);
		break;
	case NODE_CLUSTER:
		if (m->plan.node_cluster)
			play_primary(m, w, said, now_ms);
		break;
	case NODE_WRONG:
		log_warnx("worker %d: on Node's channel %s: passed over", w->id,
		    said->why);
		break;
	}
}

/* Returns -1 at the channel's end. */
static int
listen_to(struct master *m, struct worker *w, int64_t now_ms)
{
	struct node_said said;
	int rc;

	rc = node_read(w->node);
	do {
		node_next(w->node, &said);
		obey(m, w, &said, now_ms);
	} while (said.word != NODE_NOTHING);
	return rc;
}

void
post_node(struct master *m, struct worker *w, int64_t now_ms)
{
	if (w->node != NULL && listen_to(m, w, now_ms) == -1)
		hang_up(m, w);
}

void
post_leave(struct master *m, struct worker *w, int64_t now_ms)
{
	if (w->node == NULL)
		return;
	while (listen_to(m, w, now_ms) == 0 && node_is_readable(w->node))
		continue;
	hang_up(m, w);
}

/*
 * While senders go on sending, what is queued is gathered: a call for many
 * messages costs little more than one for one.
 */
static bool
gathers(struct master *m)
{
	bool fresh = m->bus.seq != m->turned_seq;

	m->turned_seq = m->bus.seq;
	if (fresh && m->bus.end - m->written_end < GATHER_MAX)
		return true;
	m->written_end = m->bus.end;
	return false;
}

/*
 * When to say goodbye to a worker, or 0. Node does not end while it listens to
 * the channel, though its server be closed. Not where the server is left to
 * finish its work by itself.
 */
static int64_t
goodbye_at(const struct master *m, const struct worker *w)
{
	if (w->node == NULL || w->state != WORKER_STOPPING ||
	    m->plan.drain_ms == 0 || node_is_dismissed(w->node))
		return 0;
	return w->since_ms + GOODBYE_MS;
}

int64_t
post_next(const struct master *m)
{
	int64_t next = m->hold_ms, at;
	int i;

	for (i = 0; m->plan.node && i < m->pool.nseats; i++) {
		at = goodbye_at(m, m->pool.seat[i]);
		if (at != 0 && (next == 0 || at < next))
			next = at;
	}
	return next;
}

/* The cluster module takes the channel's end for the primary's, and ends at
 * once; told to disconnect, it closes its servers first and hangs up itself. */
static void
say_goodbye(struct master *m, struct worker *w)
{
	static const char line[] =
	    "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"disconnect\"}\n";

	if (!m->plan.node_cluster) {
		hang_up(m, w);
		return;
	}
	node_dismiss(w->node);
	node_say(w->node, line, strlen(line), -1);
}

static void
turn_nodes(struct master *m, int64_t now_ms)
{
	struct worker *w;
	int64_t goodbye;
	int i;

	for (i = 0; i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->process.channel_fd != -1)
			join(m, w);
		if (w->node != NULL && node_pending(w->node) &&
		    node_write(&m->bus, w->node) == -1)
			hang_up(m, w);
		goodbye = goodbye_at(m, w);
		if (goodbye != 0 && goodbye <= now_ms)
			say_goodbye(m, w);
	}
}

static void
turn_conns(struct master *m)
{
	struct conn *c;

	for (c = m->clients.conns; c != NULL; c = c->next) {
		if (c->subscriber != NULL && bus_pending(c->subscriber))
			conn_flush(c);
	}
}

void
post_turn(struct master *m, int64_t now_ms)
{
	m->gathering = gathers(m);
	if (!m->gathering) {
		turn_conns(m);
		if (m->plan.node)
			turn_nodes(m, now_ms);
	}
	m->held = bus_turn(&m->bus, now_ms, &m->hold_ms);
}

bool
post_is_held(const struct master *m, const struct conn *c)
{
	return m->held && c->sends;
}
