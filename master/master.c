#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master.h"
#include "master/node/channel.h"
#include "master/nodes.h"
#include "master/order.h"
#include "master/post.h"
#include "master/ready.h"
#include "master/request.h"
#include "master/setup.h"
#include "master/signals.h"
#include "master/steering.h"
#include "master/supervise.h"

enum {
	LAST_WORDS_MS = 1000,		/* for clients to take the last answer */
};

/* What a descriptor in the poll set stands for. */
enum source_kind {
	SOURCE_SIGNAL,
	SOURCE_CONTROL,
	SOURCE_NOTIFY,
	SOURCE_BIRTH,
	SOURCE_TRAP,
	SOURCE_NODE,
	SOURCE_CONN,
};

struct source {
	enum source_kind kind;
	void	*of;			/* worker or connection, or NULL */
};

struct pollset {
	struct pollfd *fds;
	struct source *sources;
	size_t	 n, size;
};

static void
watch_fd(struct pollset *set, int fd, short events, enum source_kind kind,
    void *of)
{
	if (set->n == set->size) {
		set->size = set->size == 0 ? 32 : set->size * 2;
		set->fds = realloc(set->fds, set->size * sizeof(*set->fds));
		set->sources = realloc(set->sources,
		    set->size * sizeof(*set->sources));
		if (set->fds == NULL || set->sources == NULL)
			fatal(1, "poll set");
	}
	set->fds[set->n] = (struct pollfd){ .fd = fd, .events = events };
	set->sources[set->n] = (struct source){ kind, of };
	set->n++;
}

static void
fill(struct pollset *set, const struct master *m)
{
	struct worker *w;
	struct conn *c;
	int i;

	set->n = 0;
	watch_fd(set, m->signal_fd, POLLIN, SOURCE_SIGNAL, NULL);
	for (i = 0; i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->process.birth_fd != -1)
			watch_fd(set, w->process.birth_fd, POLLIN,
			    SOURCE_BIRTH, w);
		if (w->process.trap_fd != -1)
			watch_fd(set, w->process.trap_fd, POLLIN,
			    SOURCE_TRAP, w);
		if (w->node != NULL)
			watch_fd(set, node_fd(w->node),
			    (short)((m->post.held ? 0 : POLLIN) |
			    (node_pending(w->node) && !m->post.gathering ?
			    POLLOUT : 0)),
			    SOURCE_NODE, w);
	}
	if (m->notify_fd != -1)
		watch_fd(set, m->notify_fd, POLLIN, SOURCE_NOTIFY, NULL);
	if (m->clients.accept_ms == 0)
		watch_fd(set, m->control.fd, POLLIN, SOURCE_CONTROL, NULL);
	for (c = m->clients.conns; c != NULL; c = c->next)
		watch_fd(set, c->fd,
		    (short)((conn_wants_output(c) && !m->post.gathering ?
		    POLLOUT : 0) |
		    (conn_wants_input(c) && !post_is_held(&m->post, c) ? POLLIN : 0)),
		    SOURCE_CONN, c);
}

static void
sooner(int64_t *next_ms, int64_t due_ms)
{
	if (due_ms != 0 && (*next_ms == 0 || due_ms < *next_ms))
		*next_ms = due_ms;
}

/* Milliseconds until something is due, for poll(2); -1: nothing is. */
static int
timeout(const struct master *m)
{
	int64_t next_ms = 0, now_ms = clock_now();

	sooner(&next_ms, supervise_next(m));
	sooner(&next_ms, steering_next(&m->steering));
	sooner(&next_ms, reload_deadline(&m->reload, &m->pool, now_ms));
	sooner(&next_ms, clients_next(&m->clients));
	sooner(&next_ms, post_next(&m->post));
	sooner(&next_ms, nodes_next(m));
	if (m->post.gathering)
		return 0;
	if (next_ms == 0)
		return -1;
	return next_ms <= now_ms ? 0 : (int)(next_ms - now_ms);
}

/* Workers first: what they say now may decide what is answered to clients. */
static void
act_on_workers(struct master *m, const struct pollset *set, int64_t now_ms)
{
	struct worker *w;
	short revents;
	size_t i;

	for (i = 0; i < set->n; i++) {
		revents = set->fds[i].revents;
		w = set->sources[i].of;
		if (revents == 0)
			continue;
		if (set->sources[i].kind == SOURCE_BIRTH &&
		    set->fds[i].fd == w->process.birth_fd)
			supervise_birth(m, w, now_ms);
		if (set->sources[i].kind == SOURCE_TRAP &&
		    set->fds[i].fd == w->process.trap_fd)
			supervise_trap(m, w, (revents & POLLIN) == 0, now_ms);
		if (set->sources[i].kind == SOURCE_NODE &&
		    (revents & (POLLIN | POLLHUP | POLLERR)) != 0)
			nodes_read(m, w, now_ms);
		if (set->sources[i].kind == SOURCE_NOTIFY)
			ready_notified(m, now_ms);
	}
}

static void
act_on_clients(struct master *m, const struct pollset *set, int64_t now_ms)
{
	size_t i;

	for (i = 0; i < set->n; i++) {
		if (set->fds[i].revents == 0)
			continue;
		if (set->sources[i].kind == SOURCE_CONTROL)
			clients_accept(&m->clients, m->control.fd, now_ms);
		if (set->sources[i].kind == SOURCE_CONN)
			request_talk(m, set->sources[i].of,
			    set->fds[i].revents, now_ms);
	}
}

/* Ends come first, so that nobody is signalled who has gone; the reload comes
 * last, when all that is known has been noted. */
static void
loop(struct master *m)
{
	struct pollset set = { NULL, NULL, 0, 0 };
	int64_t now_ms;

	while (!m->pool.stopping || !pool_empty(&m->pool)) {
		fill(&set, m);
		if (poll(set.fds, set.n, timeout(m)) == -1 && errno != EINTR)
			fatal(1, "poll");
		now_ms = clock_now();
		if (set.fds[0].revents != 0)
			signals_act(m, now_ms);
		act_on_workers(m, &set, now_ms);
		supervise_first_start(m, now_ms);
		supervise_deadlines(m, now_ms);
		steering_look(&m->steering, !m->reload.active, now_ms);
		act_on_clients(m, &set, now_ms);
		order_turn(m, now_ms);
		if (!post_gather(&m->post)) {
			post_write(m->clients.conns);
			nodes_write(m, now_ms);
		}
		post_hold(&m->post, now_ms);
		clients_sweep(&m->clients, now_ms);
	}
	free(set.fds);
	free(set.sources);
}

/* Give clients a moment to take the last answer. */
static void
say_goodbye(struct master *m)
{
	struct pollset set = { NULL, NULL, 0, 0 };
	int64_t end_ms;
	struct conn *c;
	size_t i;

	if (m->been_ready)
		order_tell(m, CRR_EVENT_MASTER_STOPPED, 0, "");
	clients_stopped(&m->clients);
	end_ms = clock_now() + LAST_WORDS_MS;
	for (;;) {
		set.n = 0;
		for (c = m->clients.conns; c != NULL; c = c->next) {
			if (conn_wants_output(c))
				watch_fd(&set, c->fd, POLLOUT, SOURCE_CONN, c);
		}
		if (set.n == 0 || clock_now() >= end_ms)
			break;
		if (poll(set.fds, set.n, (int)(end_ms - clock_now())) == -1)
			break;
		for (i = 0; i < set.n; i++)
			conn_flush(set.sources[i].of);
	}
	/* Not closed but by our end: that is what `crr stop` waits for. */
	for (c = m->clients.conns; c != NULL; c = c->next) {
		if (c->subscriber != NULL)
			bus_unsubscribe(&m->bus, c->subscriber);
		c->fd = -1;
	}
	conn_sweep(&m->clients.conns);
	free(set.fds);
	free(set.sources);
}

int
master_main(int argc, char **argv)
{
	struct master m;

	memset(&m, 0, sizeof(m));
	plan_read(&m.plan, argc, argv);
	log_set_dropping();
	m.clients.quiet = m.plan.quiet;
	setup_begin(&m);
	order_tell(&m, CRR_EVENT_MASTER_STARTING, m.plan.launch.workers, "");
	order_turn(&m, clock_now());
	loop(&m);
	say_goodbye(&m);
	setup_end(&m);
	return m.code;
}
