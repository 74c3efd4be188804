#include <sys/socket.h>

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/socket/diag.h"
#include "master/steering.h"

enum {
	REST_MS = 1000,			/* between looks while all is well */
	LOOK_MS = 15,			/* while something waits, or has of
					   late … */
	LOOKED_AT = 8,			/* … or a millisecond for each of these
					   workers, if that is more */
	LATE_MS = 2000,			/* of late */
	TIDY_MS = 100,			/* between looks for what is left over,
					   while something waits */
	FEW = 3,			/* connections more than in the shortest
					   queue: not behind yet */
	SLOW_MS = 100,			/* behind for this time: not by chance */
	BEHIND_MAX_MS = 500,		/* that one stays behind when it has
					   caught up */
	AFTER_MS = 1000,		/* waiting for so long, none accepted */
};

void
steering_init(struct steering *s, struct pool *pool, struct listeners *ls)
{
	memset(s, 0, sizeof(*s));
	s->pool = pool;
	s->rested = true;
	s->listeners = ls;
}

void
steering_free(struct steering *s)
{
	free(s->seats);
	free(s->ready);
}

/* Make room for the seats that have been added since. The listeners get theirs
 * first, and keep them where the pool could not follow. */
static void
follow_listeners(struct steering *s)
{
	size_t n = (size_t)s->listeners->nseats;
	struct steering_seat *seats;
	bool *ready;

	if (s->nseats == s->listeners->nseats)
		return;
	seats = realloc(s->seats, n * sizeof(*seats));
	if (seats != NULL)
		s->seats = seats;
	ready = realloc(s->ready, n * sizeof(*ready));
	if (ready != NULL)
		s->ready = ready;
	if (seats == NULL || ready == NULL)
		fatal(1, "seats");
	memset(&seats[s->nseats], 0,
	    (n - (size_t)s->nseats) * sizeof(*seats));
	memset(ready, 0, n * sizeof(*ready));
	s->nseats = s->listeners->nseats;
}

struct oldest {
	const struct listeners *listeners;
	unsigned waited_ms;
};

/* One without a file has not been accepted. */
static void
note_oldest(void *arg, const struct diag_socket *d)
{
	struct oldest *o = arg;
	unsigned quiet = d->tcp.acked_ms;

	if (d->inode == 0 && quiet > o->waited_ms &&
	    listeners_have_port(o->listeners, d->local_port))
		o->waited_ms = quiet;
}

/* How long something may have waited that is seen for the first time. */
static int64_t
find_waited(const struct listeners *ls)
{
	struct oldest o = { ls, 0 };

	diag_visit(1U << DIAG_ESTABLISHED | 1U << DIAG_CLOSE_WAIT, note_oldest,
	    &o);
	return o.waited_ms < REST_MS ? o.waited_ms : REST_MS;
}

/* What is queued is being served. */
static void
forget_waiting(struct steering_seat *seat)
{
	seat->stuck = false;
	seat->queued = 0;
	seat->waiting_ms = 0;
}

static void
forget_seat(struct steering_seat *seat, const struct worker *w)
{
	memset(seat, 0, sizeof(*seat));
	seat->pid = w->process.pid;
}

static void
judge_waiting(struct steering *s, struct steering_seat *seat, struct worker *w,
    int64_t now_ms)
{
	const int64_t hang_ms = s->pool->rules.hang_ms;
	int64_t waited_ms = now_ms - seat->waiting_ms;

	if (!seat->stuck && waited_ms >= AFTER_MS && s->nserving > 1) {
		seat->stuck = true;
		s->stale = true;
		log_warnx("worker %d (%d): %u connection%s waited for a "
		    "second, new ones go elsewhere until it accepts again",
		    w->id, (int)w->process.pid, seat->queued,
		    seat->queued == 1 ? " has" : "s have");
	}
	if (hang_ms != 0 && waited_ms >= hang_ms) {
		forget_seat(seat, w);
		worker_step(w, WORKER_HANG, &s->pool->rules, now_ms);
	}
}

/* A queue that has become shorter is being served. */
static void
look_at_seat(struct steering *s, struct worker *w, int64_t now_ms)
{
	struct steering_seat *seat = &s->seats[w->seat];
	unsigned queued;

	if (!worker_serves(w) || w->process.pid != seat->pid)
		forget_seat(seat, w);
	if (!worker_serves(w))
		return;
	queued = listeners_depth(s->listeners, w->seat);
	if (queued == 0 || queued < seat->queued) {
		if (seat->stuck) {
			log_warnx("worker %d (%d) accepts again", w->id,
			    (int)w->process.pid);
			s->stale = true;
		}
		seat->before = seat->queued;
		forget_waiting(seat);
	} else
		seat->before = seat->queued;
	/* The first sight may be of one that is just being accepted. */
	if (queued > 0 && seat->queued > 0 && seat->waiting_ms == 0) {
		seat->waiting_ms = seat->rested ? now_ms -
		    find_waited(s->listeners) : seat->seen_ms;
		/* What was there before the worker is not left by it. */
		if (seat->waiting_ms < w->ready_ms)
			seat->waiting_ms = w->ready_ms;
	}
	if (seat->queued == 0) {
		seat->rested = s->rested || seat->seen_ms == 0;
		seat->seen_ms = now_ms;
	}
	seat->queued = queued;
	if (seat->waiting_ms != 0)
		judge_waiting(s, seat, w, now_ms);
}

/* Nothing was taken since the look before, though others have taken all. One
 * that has been slow of late is trusted with nothing. */
static bool
is_slow(const struct steering_seat *seat, unsigned least, int64_t now_ms)
{
	if (seat->slow_ms != 0 && now_ms - seat->slow_ms < LATE_MS)
		return seat->queued > least;
	return seat->queued > least + FEW || (least == 0 &&
	    seat->queued > 0 && seat->before > 0 &&
	    seat->queued >= seat->before);
}

/* One that has caught up may be busy with what it has taken: it stays behind for
 * as long as it took. */
static bool
is_back(struct steering_seat *seat, unsigned least, int64_t now_ms)
{
	int64_t stays_ms = now_ms - seat->behind_ms;

	if (seat->queued > least) {
		seat->until_ms = 0;
		return false;
	}
	if (stays_ms >= SLOW_MS)
		seat->slow_ms = now_ms;
	if (seat->until_ms == 0)
		seat->until_ms = now_ms + (stays_ms < BEHIND_MAX_MS ? stays_ms :
		    BEHIND_MAX_MS);
	return now_ms >= seat->until_ms;
}

static enum steering_pace
find_pace(struct steering_seat *seat, unsigned least, int64_t now_ms)
{
	if (seat->pace == PACE_EVEN && is_slow(seat, least, now_ms)) {
		seat->behind_ms = now_ms;
		seat->until_ms = 0;
	} else if (seat->pace == PACE_EVEN || is_back(seat, least, now_ms))
		return PACE_EVEN;
	return seat->queued > least + FEW ? PACE_FAR_BEHIND : PACE_BEHIND;
}

static void
judge_pace(struct steering *s, const struct worker *w, unsigned least,
    int64_t now_ms)
{
	struct steering_seat *seat = &s->seats[w->seat];
	enum steering_pace was = seat->pace;

	if (!worker_serves(w))
		return;
	seat->pace = find_pace(seat, least, now_ms);
	s->stale = s->stale || seat->pace != was;
}

/* Nobody else uses the queue now, so its O_NONBLOCK is ours. */
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
steering_close_stranded(struct steering *s)
{
	const struct listeners *ls = s->listeners;
	unsigned n = 0;
	int seat, i;

	for (seat = 0; seat < s->pool->nseats; seat++) {
		if (!worker_free(s->pool->seat[seat]) || ls->steered[seat])
			continue;
		for (i = 0; i < ls->n; i++) {
			if (ls->list[i]->group.nqueues > 1)
				n += close_queued(listener_queue(ls->list[i],
				    seat));
		}
	}
	if (n > 0)
		log_warnx("%u connection%s came too late for a worker that "
		    "had gone, closed", n, n == 1 ? "" : "s");
}

/* What is left over is no worker's. */
static void
tidy_up(struct steering *s, bool idle, bool waiting, int64_t now_ms)
{
	int i;

	if (now_ms < s->tidy_ms)
		return;
	for (i = 0; i < s->pool->nseats; i++)
		listeners_release(s->listeners, i, false);
	if (idle)
		steering_close_stranded(s);
	s->tidy_ms = now_ms + (waiting ? TIDY_MS : REST_MS);
}

static int64_t
find_pause(const struct steering *s, int64_t now_ms)
{
	int64_t pause_ms = s->pool->nseats / LOOKED_AT;

	if (s->waited_ms == 0 || now_ms - s->waited_ms >= LATE_MS)
		return REST_MS;
	return pause_ms > LOOK_MS ? pause_ms : LOOK_MS;
}

bool
steering_look(struct steering *s, bool idle, int64_t now_ms)
{
	bool waiting = false;
	unsigned least = UINT_MAX;
	int i;

	if (now_ms < s->look_ms)
		return false;
	follow_listeners(s);
	for (i = 0; i < s->pool->nseats; i++) {
		look_at_seat(s, s->pool->seat[i], now_ms);
		waiting = waiting || s->seats[i].queued > 0;
		if (worker_serves(s->pool->seat[i]) &&
		    s->seats[i].queued < least)
			least = s->seats[i].queued;
	}
	for (i = 0; i < s->pool->nseats; i++)
		judge_pace(s, s->pool->seat[i], least, now_ms);
	if (waiting)
		s->waited_ms = now_ms;
	tidy_up(s, idle, waiting, now_ms);
	s->look_ms = now_ms + find_pause(s, now_ms);
	s->rested = s->look_ms - now_ms == REST_MS;
	return s->stale || s->listeners->failed;
}

int64_t
steering_next(const struct steering *s)
{
	if (s->listeners->shared || s->listeners->n == 0 ||
	    s->pool->stopping ||
	    (s->pool->rules.hang_ms == 0 && s->nserving < 2))
		return 0;
	return s->look_ms;
}

static bool
is_stuck(const struct steering *s, const struct worker *w)
{
	const struct steering_seat *seat = &s->seats[w->seat];

	return seat->stuck && seat->pid == w->process.pid;
}

static enum steering_pace
pace_of(const struct steering *s, const struct worker *w)
{
	const struct steering_seat *seat = &s->seats[w->seat];

	return seat->pid == w->process.pid ? seat->pace : PACE_EVEN;
}

static bool
comes_back(const struct worker *w)
{
	return w->wanted && w->state != WORKER_DOWN;
}

/* How good it is to steer to a worker; 0: not at all. */
static int
rank_worker(const struct steering *s, const struct worker *w)
{
	if (worker_serves(w) && is_stuck(s, w))
		return 2;
	if (worker_serves(w))
		return 5 - (int)pace_of(s, w);
	/* In a stop nobody else is there. */
	if (s->pool->stopping && w->state == WORKER_DRAINING)
		return 2;
	return comes_back(w) ? 1 : 0;
}

void
steering_turn(struct steering *s)
{
	int i, rank, best = 1;

	follow_listeners(s);
	s->stale = false;
	s->nserving = 0;
	for (i = 0; i < s->pool->nseats; i++) {
		rank = rank_worker(s, s->pool->seat[i]);
		if (rank > best)
			best = rank;
		s->nserving += worker_serves(s->pool->seat[i]);
	}
	for (i = 0; i < s->pool->nseats; i++)
		s->ready[i] = rank_worker(s, s->pool->seat[i]) >= best;
	if (listeners_steer(s->listeners, s->ready) == -1)
		log_warn("steering");
}
