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
tell(struct master *m, enum crr_event kind, int count, const char *text)
{
	struct event ev;

	event_init(&ev, kind);
	ev.generation = m->pool.rules.generation;
	ev.count = (unsigned)count;
	snprintf(ev.text, sizeof(ev.text), "%s", text);
	clients_tell(&m->clients, &ev);
}

unsigned
master_reload(struct master *m, int64_t now_ms)
{
	bool begins = !m->reload.active;
	unsigned run;

	run = reload_request(&m->reload, &m->pool, now_ms);
	m->clients.run = m->reload.run;
	if (begins)
		tell(m, CRR_EVENT_RELOAD_REQUESTED, m->pool.wanted, "");
	return run;
}

void
master_reset(struct master *m, int64_t now_ms)
{
	if (!m->reload.active)
		return;
	tell(m, CRR_EVENT_RELOAD_RESET, reload_new_workers(&m->reload, &m->pool),
	    "");
	reload_end(&m->reload, &m->pool, now_ms);
	clients_reloaded(&m->clients, m->reload.run + 1, "the reload was reset");
}

int
master_scale(struct master *m, int n, int64_t now_ms)
{
	if (listeners_grow(&m->listeners, n + m->pool.surge) == -1 ||
	    pool_want(&m->pool, n) == -1)
		return -1;
	m->launch.workers = n;
	m->scaling = true;
	pool_turn(&m->pool, now_ms);
	return 0;
}

void
master_stop(struct master *m, bool now, int64_t now_ms)
{
	if (!m->pool.stopping && m->been_ready)
		tell(m, CRR_EVENT_MASTER_STOPPING, 0, "");
	m->reload.active = false;
	pool_stop(&m->pool, now, now_ms);
}

static void
end_reload(struct master *m, enum reload_outcome outcome, int64_t now_ms)
{
	int n = reload_new_workers(&m->reload, &m->pool);
	const char *why = NULL;

	if (outcome == RELOAD_FAILED) {
		why = m->reload.why;
		tell(m, CRR_EVENT_RELOAD_FAILED, n, why);
		log_warnx("reload failed: %s", why);
	} else {
		stuck_close_stranded(m);
		listeners_complete(&m->listeners, m->reload.generation);
		tell(m, CRR_EVENT_RELOAD_COMPLETE, n, "");
	}
	clients_reloaded(&m->clients, m->reload.run, why);
	if (!reload_next(&m->reload, &m->pool, now_ms))
		return;
	m->clients.run = m->reload.run;
	tell(m, CRR_EVENT_RELOAD_REQUESTED, m->pool.wanted, "");
}

static void
check_scaled(struct master *m)
{
	if (!m->scaling || !pool_settled(&m->pool) || m->reload.active)
		return;
	m->scaling = false;
	stuck_close_stranded(m);
	tell(m, CRR_EVENT_SCALED, m->pool.wanted, "");
	clients_scaled(&m->clients, NULL);
}

static bool
accepts(const struct worker *w)
{
	return worker_serves(w) && !w->stuck;
}

static bool
comes_back(const struct worker *w)
{
	return w->wanted && w->state != WORKER_DOWN;
}

static int
choose(const struct pool *pool, bool (*is_good)(const struct worker *),
    bool *ready)
{
	int i, n;

	n = 0;
	for (i = 0; i < pool->nseats; i++) {
		ready[i] = is_good(pool->seat[i]);
		n += ready[i];
	}
	return n;
}

/* The seats that new connections are to go to; nobody ready: those whose
 * worker starts again. */
static void
steer(struct master *m)
{
	bool ready[PLAN_WORKERS_MAX + PLAN_SURGE_MAX];

	if (choose(&m->pool, accepts, ready) == 0 &&
	    choose(&m->pool, worker_serves, ready) == 0)
		choose(&m->pool, comes_back, ready);
	if (listeners_steer(&m->listeners, ready) == -1)
		log_warn("steering");
}

static void
turn(struct master *m, int64_t now_ms)
{
	enum reload_outcome outcome;

	pool_turn(&m->pool, now_ms);
	outcome = reload_turn(&m->reload, &m->pool, now_ms);
	if (outcome != RELOAD_GOES_ON)
		end_reload(m, outcome, now_ms);
	steer(m);
	if (!m->settled && pool_settled(&m->pool)) {
		m->settled = true;
		listeners_complete(&m->listeners, 1);
	}
	check_scaled(m);
}

static void
scale_by(struct master *m, int by, int64_t now_ms)
{
	int n = m->pool.wanted + by;

	if (n < 1 || n > PLAN_WORKERS_MAX || m->pool.stopping)
		return;
	clients_scaled(&m->clients, "another number of workers was asked for");
	if (master_scale(m, n, now_ms) == -1)
		log_warn("can't scale to %d workers", n);
}

/* The terminal that we were started from has been closed: nobody is there any
 * more to type Ctrl-C. */
static void
hang_up(struct master *m, int64_t now_ms)
{
	if (m->had_terminal && !signals_have_terminal())
		master_stop(m, false, now_ms);
	else if (!m->pool.stopping)
		master_reload(m, now_ms);
}

static void
pass_on(struct master *m, int sig)
{
	int i;

	for (i = 0; i < m->pool.nseats; i++) {
		if (worker_runs(m->pool.seat[i]))
			process_signal(&m->pool.seat[i]->process, sig);
	}
}

static void
act_on_signals(struct master *m, int64_t now_ms)
{
	bool term, interrupt;

	signals_drain();
	if (signals_take(SIGCHLD))
		supervise_reap(m, now_ms);
	if (signals_take(SIGHUP))
		hang_up(m, now_ms);
	term = signals_take(SIGTERM);
	interrupt = signals_take(SIGINT);
	if (term || interrupt)
		master_stop(m, m->pool.stopping, now_ms);
	if (signals_take(SIGQUIT))
		master_stop(m, true, now_ms);
	if (signals_take(SIGTTIN))
		scale_by(m, 1, now_ms);
	if (signals_take(SIGTTOU))
		scale_by(m, -1, now_ms);
	if (signals_take(SIGUSR1))
		pass_on(m, SIGUSR1);
}

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
	sooner(&next_ms, stuck_next(m));
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

struct asked {
	struct master *m;
	int64_t	 now_ms;
};

static void
handle(void *arg, struct conn *c, const struct crr_frame *f)
{
	struct asked *a = arg;

	request_handle(a->m, c, f, a->now_ms);
}

static bool
admit(void *arg, struct conn *c, unsigned type)
{
	struct asked *a = arg;

	return request_admits(a->m, c, type);
}

static void
talk(struct master *m, struct conn *c, short revents, int64_t now_ms)
{
	struct asked a = { m, now_ms };
	const struct conn_hooks hooks = { &a, handle, admit };

	if (c->fd != -1 && (revents & POLLOUT) != 0)
		conn_flush(c);
	if (c->fd != -1 && conn_wants_input(c) &&
	    (revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		conn_read(c);
	if (c->fd != -1)
		conn_serve(c, &hooks, now_ms);
	if (conn_is_cut(c)) {
		log_warnx("process %d hung up in the middle of a message: "
		    "passed over", (int)c->pid);
		c->in_used = 0;
	}
	if (c->fd != -1 && !conn_wants_input(c) && (revents & POLLHUP) != 0)
		conn_close(c);
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
			talk(m, set->sources[i].of, set->fds[i].revents,
			    now_ms);
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
			act_on_signals(m, now_ms);
		act_on_workers(m, &set, now_ms);
		supervise_first_start(m, now_ms);
		supervise_deadlines(m, now_ms);
		stuck_look(m, now_ms);
		act_on_clients(m, &set, now_ms);
		turn(m, now_ms);
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
		tell(m, CRR_EVENT_MASTER_STOPPED, 0, "");
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
	tell(&m, CRR_EVENT_MASTER_STARTING, m.plan.workers, "");
	turn(&m, clock_now());
	loop(&m);
	say_goodbye(&m);
	setup_end(&m);
	return m.code;
}
