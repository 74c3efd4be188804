#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/node/channel.h"
#include "master/nodes.h"
#include "master/order.h"
#include "master/ready.h"

enum {
	GOODBYE_MS = 500,		/* from the stop signal to the end of
					   Node's channel */
};

/* A process that has just been started may speak. */
static void
join_bus(struct master *m, struct worker *w)
{
	const struct bus_identity who = post_identity(w);

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
	const struct bus_identity who = post_identity(w);
	uint64_t seq;

	if (bus_publish(&m->bus, said->word == NODE_SAVE ? CRR_SAVE :
	    CRR_DELETE, &who, said->payload, said->len, &seq) == -1)
		log_warnx("worker %d: out of memory: a message was not sent",
		    w->id);
}

static void
answer_primary(struct master *m, struct worker *w, const struct node_said *said,
    int64_t now_ms)
{
	const struct cluster_worker asker = {
		.node = w->node,
		.seat = w->seat,
		.generation = w->generation,
		.may_bind_low = m->plan.launch.uid == geteuid() || m->plan.launch.uid == 0,
	};
	struct listener *l;

	l = cluster_hear(&m->cluster, &m->listeners, &asker, &said->object);
	if (l != NULL)
		ready_listens(m, w, l, w->process.pid, now_ms);
}

static void
act_on(struct master *m, struct worker *w, const struct node_said *said,
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
			order_reload(m, now_ms);
		break;
	case NODE_RESET:
		order_reset(m, now_ms);
		break;
	case NODE_SAVE:
	case NODE_DELETE:
		publish_node(m, w, said);
		break;
	case NODE_CLUSTER:
		if (m->plan.launch.node_cluster)
			answer_primary(m, w, said, now_ms);
		break;
	case NODE_WRONG:
		log_warnx("worker %d: on Node's channel %s: passed over", w->id,
		    said->why);
		break;
	}
}

/* Returns -1 at the channel's end. */
static int
read_lines(struct master *m, struct worker *w, int64_t now_ms)
{
	struct node_said said;
	int rc;

	rc = node_read(w->node);
	do {
		node_next(w->node, &said);
		act_on(m, w, &said, now_ms);
	} while (said.word != NODE_NOTHING);
	return rc;
}

void
nodes_read(struct master *m, struct worker *w, int64_t now_ms)
{
	if (w->node != NULL && read_lines(m, w, now_ms) == -1)
		hang_up(m, w);
}

void
nodes_leave(struct master *m, struct worker *w, int64_t now_ms)
{
	if (w->node == NULL)
		return;
	while (read_lines(m, w, now_ms) == 0 && node_is_readable(w->node))
		continue;
	hang_up(m, w);
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
	    m->plan.rules.drain_ms == 0 || node_is_dismissed(w->node))
		return 0;
	return w->since_ms + GOODBYE_MS;
}

int64_t
nodes_next(const struct master *m)
{
	int64_t next = 0, at;
	int i;

	for (i = 0; m->plan.launch.node && i < m->pool.nseats; i++) {
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

	if (!m->plan.launch.node_cluster) {
		hang_up(m, w);
		return;
	}
	node_dismiss(w->node);
	node_say(w->node, line, strlen(line), -1);
}

void
nodes_write(struct master *m, int64_t now_ms)
{
	struct worker *w;
	int64_t goodbye;
	int i;

	for (i = 0; m->plan.launch.node && i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->process.channel_fd != -1)
			join_bus(m, w);
		if (w->node != NULL && node_pending(w->node) &&
		    node_write(&m->bus, w->node) == -1)
			hang_up(m, w);
		goodbye = goodbye_at(m, w);
		if (goodbye != 0 && goodbye <= now_ms)
			say_goodbye(m, w);
	}
}
