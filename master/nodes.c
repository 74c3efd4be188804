#include <poll.h>
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

static int
watch_channel(struct master *m, struct worker *w)
{
	short events = m->post.held ? 0 : POLLIN;

	if (channel_pending(w->channel) && !m->post.gathering)
		events |= POLLOUT;
	return poller_watch(m->poller, channel_fd(w->channel), events,
	    SOURCE_NODE, w);
}

int
nodes_join(struct master *m, struct worker *w)
{
	const struct bus_identity who = post_identity(w);

	if (w->process.channel_fd == -1)
		return w->channel == NULL ? 0 : watch_channel(m, w);
	w->channel = channel_open(&m->bus, &who, w->process.channel_fd);
	w->process.channel_fd = -1;
	if (w->channel == NULL) {
		log_warn("worker %d: Node's channel", w->id);
		return 0;
	}
	return watch_channel(m, w);
}

static void
hang_up(struct master *m, struct worker *w)
{
	if (channel_is_cut(w->channel))
		log_warnx("worker %d: Node's channel ended in the middle of a "
		    "line: ignored", w->id);
	poller_forget(m->poller, channel_fd(w->channel), w);
	channel_close(&m->bus, w->channel);
	w->channel = NULL;
}

static void
publish_node(struct master *m, const struct worker *w,
    const struct words *said)
{
	const struct bus_identity who = post_identity(w);
	uint64_t seq;

	if (bus_publish(&m->bus, said->kind == WORDS_SAVE ? CRR_SAVE :
	    CRR_DELETE, &who, said->payload, said->len, &seq) == -1)
		log_warnx("worker %d: out of memory: a message was not sent",
		    w->id);
}

static void
answer_primary(struct master *m, struct worker *w, const struct words *said,
    int64_t now_ms)
{
	const struct cluster_worker asker = {
		.channel = w->channel,
		.pid = w->process.pid,
		.seat = w->seat,
		.generation = w->generation,
		.may_bind_low = m->plan.launch.uid == geteuid() ||
		    m->plan.launch.uid == 0,
	};
	struct listener *l;

	l = cluster_hear(&m->cluster, &m->listeners, &asker, &said->object);
	if (l != NULL)
		ready_listens(m, w, l, w->process.pid, now_ms);
}

static void
act_on(struct master *m, struct worker *w, const struct words *said,
    int64_t now_ms)
{
	switch (said->kind) {
	case WORDS_NONE:
	case WORDS_OTHER:
		break;
	case WORDS_READY:
		ready_said(m, w->process.pid, now_ms);
		break;
	case WORDS_RELOAD:
		if (!order_is_stopping(m))
			order_reload(m, now_ms);
		break;
	case WORDS_RESET:
		order_reset(m, now_ms);
		break;
	case WORDS_SAVE:
	case WORDS_DELETE:
		publish_node(m, w, said);
		break;
	case WORDS_CLUSTER:
		if (m->plan.launch.node_cluster)
			answer_primary(m, w, said, now_ms);
		break;
	case WORDS_WRONG:
		log_warnx("worker %d: on Node's channel %s: ignored", w->id,
		    said->why);
		break;
	}
}

/* Returns -1 at the channel's end. */
static int
read_lines(struct master *m, struct worker *w, int64_t now_ms)
{
	struct words said;
	int rc;

	rc = channel_read(w->channel);
	do {
		channel_next(w->channel, &said);
		act_on(m, w, &said, now_ms);
	} while (said.kind != WORDS_NONE);
	return rc;
}

/* Write what the channel takes, and wait for it to take the rest. */
static void
write_channel(struct master *m, struct worker *w)
{
	if (channel_pending(w->channel) && !m->post.gathering &&
	    channel_write(w->channel) == -1)
		hang_up(m, w);
	else if (watch_channel(m, w) == -1)
		log_warn("worker %d: Node's channel", w->id);
}

void
nodes_talk(struct master *m, struct worker *w, short revents, int64_t now_ms)
{
	if (w->channel == NULL)
		return;
	if ((revents & (POLLIN | POLLHUP | POLLERR)) != 0 &&
	    read_lines(m, w, now_ms) == -1)
		hang_up(m, w);
	else
		write_channel(m, w);
}

void
nodes_leave(struct master *m, struct worker *w, int64_t now_ms)
{
	if (w->channel == NULL)
		return;
	while (read_lines(m, w, now_ms) == 0 && channel_is_readable(w->channel))
		continue;
	hang_up(m, w);
}

int64_t
nodes_goodbye_at(const struct master *m, const struct worker *w)
{
	if (w->channel == NULL || w->state != WORKER_STOPPING ||
	    m->plan.rules.drain_ms == 0 || channel_is_dismissed(w->channel))
		return 0;
	return w->since_ms + GOODBYE_MS;
}

/* The cluster module takes the channel's end for the primary's, and ends at
 * once; told to disconnect, it closes its servers first and hangs up itself. */
void
nodes_say_goodbye(struct master *m, struct worker *w)
{
	static const char line[] =
	    "{\"cmd\":\"NODE_CLUSTER\",\"act\":\"disconnect\"}\n";

	if (!m->plan.launch.node_cluster) {
		hang_up(m, w);
		return;
	}
	channel_dismiss(w->channel);
	channel_say(w->channel, line, strlen(line), -1);
	write_channel(m, w);
}

void
nodes_settle(struct master *m)
{
	struct worker *w;
	int i;

	if (m->nodes_held == m->post.held)
		return;
	m->nodes_held = m->post.held;
	for (i = 0; m->plan.launch.node && i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->channel != NULL && watch_channel(m, w) == -1)
			log_warn("worker %d: Node's channel", w->id);
	}
}

void
nodes_write(struct master *m)
{
	struct worker *w;
	int i;

	if (!m->plan.launch.node || !post_is_stale(&m->post))
		return;
	for (i = 0; i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->channel != NULL)
			write_channel(m, w);
	}
}
