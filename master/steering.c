#include <sys/socket.h>

#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "master/socket/diag.h"
#include "master/steering.h"

enum {
	REST_MS = 1000,			/* between two looks while all is well */
	LOOK_MS = 100,			/* while something waits */
	AFTER_MS = 1000,		/* waiting for so long, none accepted */
};

struct oldest {
	const struct listeners *listeners;
	unsigned waited_ms;
};

/* One without a file has not been accepted. */
static void
note(void *arg, const struct diag_socket *s)
{
	struct oldest *o = arg;
	unsigned quiet = s->tcp.acked_ms;

	if (s->inode == 0 && quiet > o->waited_ms &&
	    listeners_have_port(o->listeners, s->local_port))
		o->waited_ms = quiet;
}

/* How long something may have waited that we see for the first time. */
static int64_t
waited(const struct master *m)
{
	struct oldest o = { &m->listeners, 0 };

	diag_visit(1U << DIAG_ESTABLISHED | 1U << DIAG_CLOSE_WAIT, note, &o);
	return o.waited_ms < REST_MS ? o.waited_ms : REST_MS;
}

static int
count_serving(const struct master *m)
{
	int i, n;

	n = 0;
	for (i = 0; i < m->pool.nseats; i++)
		n += worker_serves(m->pool.seat[i]);
	return n;
}

static void
forget(struct worker *w)
{
	w->waiting_ms = 0;
	w->queued = 0;
	w->stuck = false;
}

static void
is_stuck(struct master *m, struct worker *w, int64_t now_ms)
{
	const int64_t hang_ms = m->plan.hang_ms;

	if (!w->stuck && now_ms - w->waiting_ms >= AFTER_MS &&
	    count_serving(m) > 1) {
		w->stuck = true;
		log_warnx("worker %d (%d): %u connection%s waited for a "
		    "second, new ones go elsewhere until it accepts again",
		    w->id, (int)w->process.pid, w->queued,
		    w->queued == 1 ? " has" : "s have");
	}
	if (hang_ms != 0 && now_ms - w->waiting_ms >= hang_ms) {
		w->hung = true;
		forget(w);
		worker_step(w, WORKER_KILL, &m->pool.rules, now_ms);
	}
}

/* A queue that has become shorter is being served. */
static void
look(struct master *m, struct worker *w, int64_t now_ms)
{
	unsigned queued;

	if (!worker_serves(w)) {
		forget(w);
		return;
	}
	queued = listeners_depth(&m->listeners, w->seat);
	if (queued == 0 || queued < w->queued) {
		if (w->stuck)
			log_warnx("worker %d (%d) accepts again", w->id,
			    (int)w->process.pid);
		forget(w);
	}
	/* The first sight may be of one that is just being accepted. */
	if (queued > 0 && w->queued > 0 && w->waiting_ms == 0)
		w->waiting_ms = now_ms - waited(m);
	w->queued = queued;
	if (w->waiting_ms != 0)
		is_stuck(m, w, now_ms);
}

/* Nobody else uses the queue now, so that its O_NONBLOCK is ours. */
static unsigned
close_queued(const struct queue *q)
{
	int flags, fd;
	unsigned n = 0;

	if (queue_depth(q) == 0 || (flags = fcntl(q->fd, F_GETFL)) == -1 ||
	    fcntl(q->fd, F_SETFL, flags | O_NONBLOCK) == -1)
		return 0;
	while ((fd = accept(q->fd, NULL, NULL)) != -1) {
		close(fd);
		n++;
	}
	fcntl(q->fd, F_SETFL, flags);
	return n;
}

void
steering_close_stranded(struct master *m)
{
	const struct listeners *ls = &m->listeners;
	unsigned n = 0;
	int seat, i;

	for (seat = 0; seat < m->pool.nseats; seat++) {
		if (!worker_free(m->pool.seat[seat]) || ls->steered[seat])
			continue;
		for (i = 0; i < ls->n; i++) {
			if (ls->list[i]->nqueues > 1)
				n += close_queued(&ls->list[i]->queue[seat]);
		}
	}
	if (n > 0)
		log_warnx("%u connection%s came too late for a worker that "
		    "had gone, closed", n, n == 1 ? "" : "s");
}

void
steering_look(struct master *m, int64_t now_ms)
{
	bool waiting = false;
	int i;

	if (now_ms < m->stuck_ms)
		return;
	for (i = 0; i < m->pool.nseats; i++) {
		look(m, m->pool.seat[i], now_ms);
		waiting = waiting || m->pool.seat[i]->queued > 0;
	}
	for (i = 0; i < m->pool.nseats; i++)
		listeners_release(&m->listeners, i, false);
	if (!m->reload.active)
		steering_close_stranded(m);
	m->stuck_ms = now_ms + (waiting ? LOOK_MS : REST_MS);
}

int64_t
steering_next(const struct master *m)
{
	if (m->listeners.shared || m->listeners.n == 0 || m->pool.stopping ||
	    (m->plan.hang_ms == 0 && count_serving(m) < 2))
		return 0;
	return m->stuck_ms;
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
void
steering_turn(struct master *m)
{
	bool ready[PLAN_WORKERS_MAX + PLAN_SURGE_MAX];

	if (choose(&m->pool, accepts, ready) == 0 &&
	    choose(&m->pool, worker_serves, ready) == 0)
		choose(&m->pool, comes_back, ready);
	if (listeners_steer(&m->listeners, ready) == -1)
		log_warn("steering");
}
