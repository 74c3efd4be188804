#include <stddef.h>
#include <stdio.h>

#include "master/worker/reload.h"

static void
begin_run(struct reload *r, struct pool *pool, int64_t now_ms)
{
	r->active = true;
	r->again = false;
	r->soaked = false;
	r->run++;
	r->generation = ++pool->rules.generation;
	r->next_ms = now_ms;
	r->turned_ms = 0;
	r->why[0] = '\0';
}

unsigned
reload_request(struct reload *r, struct pool *pool, int64_t now_ms)
{
	if (r->active) {
		r->again = true;
		return r->run + 1;
	}
	begin_run(r, pool, now_ms);
	return r->run;
}

bool
reload_next(struct reload *r, struct pool *pool, int64_t now_ms)
{
	if (r->active || !r->again)
		return false;
	begin_run(r, pool, now_ms);
	return true;
}

int
reload_new_workers(const struct reload *r, const struct pool *pool)
{
	const struct worker *w;
	int i, n;

	n = 0;
	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		n += worker_serves(w) && w->generation == r->generation;
	}
	return n;
}

/* A candidate that ended, or a new worker that was lost before it was
 * stable; NULL if there is none. */
static const struct worker *
find_failed(const struct reload *r, const struct pool *pool)
{
	const struct worker *w;
	int i;

	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		if (w->candidate && w->state == WORKER_DOWN)
			return w;
		if (w->wanted && w->lost_generation == r->generation)
			return w;
	}
	return NULL;
}

/* The seat of one that has ended may be what a missing worker waits for. */
static void
drop_candidates(struct pool *pool, int64_t now_ms)
{
	enum worker_event how;
	struct worker *w;
	int i;

	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		if (!w->candidate)
			continue;
		w->candidate = false;
		worker_touch(w);
		how = w->state == WORKER_READY ? WORKER_RETIRE : WORKER_KILL;
		worker_step(w, how, &pool->rules, now_ms);
	}
	pool_turn(pool, now_ms);
}

static enum reload_outcome
fail_run(struct reload *r, struct pool *pool, const struct worker *failed,
    int64_t now_ms)
{
	int n = reload_new_workers(r, pool);

	snprintf(r->why, sizeof(r->why), "worker %d: %s; %d of %d worker%s "
	    "%s new", failed->id, failed->ended, n, pool->wanted,
	    pool->wanted == 1 ? "" : "s", n == 1 ? "is" : "are");
	drop_candidates(pool, now_ms);
	r->active = false;
	r->failed++;
	return RELOAD_FAILED;
}

void
reload_end(struct reload *r, struct pool *pool, int64_t now_ms)
{
	drop_candidates(pool, now_ms);
	r->active = false;
	r->again = false;
}

static void
promote_candidate(struct reload *r, struct pool *pool, struct worker *candidate,
    int64_t now_ms)
{
	pool_promote(pool, candidate, now_ms);
	r->next_ms = now_ms + pool->rules.wait_ms;
}

/* When a new worker that is ready will have soaked, or 0. */
static int64_t
soaked_at(const struct reload *r, const struct pool *pool,
    const struct worker *w)
{
	if (w->state != WORKER_READY || w->generation != r->generation)
		return 0;
	return w->ready_ms + pool->rules.soak_ms;
}

static void
note_soaked(struct reload *r, const struct pool *pool, int64_t now_ms)
{
	int64_t soaked;
	int i;

	for (i = 0; !r->soaked && i < pool->nseats; i++) {
		soaked = soaked_at(r, pool, pool->seat[i]);
		if (soaked == 0 || soaked > now_ms)
			continue;
		r->soaked = true;
		r->next_ms = now_ms + pool->rules.wait_ms;
	}
}

/* One whose predecessor has crashed is of use at once. */
static void
promote_ready(struct reload *r, struct pool *pool, int64_t now_ms)
{
	struct worker *w, *holder;
	int id;

	for (id = 0; id < pool->wanted; id++) {
		w = pool_candidate(pool, id);
		if (w == NULL || w->state != WORKER_READY)
			continue;
		holder = pool_holder(pool, id);
		if (r->soaked || holder == NULL || !worker_serves(holder))
			promote_candidate(r, pool, w, now_ms);
	}
}

/* The lowest id whose holder is stale and has no replacement yet. */
static struct worker *
next_stale(const struct reload *r, const struct pool *pool)
{
	struct worker *holder;
	int id;

	for (id = 0; id < pool->wanted; id++) {
		holder = pool_holder(pool, id);
		if (holder != NULL && holder->generation != r->generation &&
		    pool_candidate(pool, id) == NULL)
			return holder;
	}
	return NULL;
}

static int
count_candidates(const struct pool *pool)
{
	int i, n;

	n = 0;
	for (i = 0; i < pool->nseats; i++)
		n += pool->seat[i]->candidate;
	return n;
}

static void
start_candidates(struct reload *r, struct pool *pool, int64_t now_ms)
{
	struct worker *stale, *seat;

	while (now_ms >= r->next_ms && count_candidates(pool) < pool->surge) {
		stale = next_stale(r, pool);
		seat = pool_free_seat(pool);
		if (stale == NULL || seat == NULL)
			return;
		pool_begin(pool, seat, stale->id, true, now_ms);
	}
}

/* Those stopped so far are back and serve; false also while one retires. */
static bool
are_back(struct reload *r, const struct pool *pool)
{
	const struct worker *w;
	int64_t next;
	int i, n;

	n = 0;
	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		if (worker_free(w) ||
		    (w->generation != r->generation && w->wanted))
			continue;
		if (!worker_serves(w) || !w->wanted)
			return false;
		n++;
		next = w->ready_ms + pool->rules.wait_ms;
		if (next > r->next_ms)
			r->next_ms = next;
	}
	return n == 0 || r->soaked;
}

/* One that doesn't serve costs least. */
static struct worker *
next_to_stop(const struct reload *r, const struct pool *pool)
{
	struct worker *holder;
	int id;

	for (id = 0; id < pool->wanted; id++) {
		holder = pool_holder(pool, id);
		if (holder != NULL && holder->generation != r->generation &&
		    !worker_serves(holder))
			return holder;
	}
	return next_stale(r, pool);
}

/* No seat to spare: the next one is stopped when the last one is back, and
 * the pool starts it again; at once, if it waited to start again. */
static void
stop_one(struct reload *r, struct pool *pool, int64_t now_ms)
{
	struct worker *stale;

	if (!are_back(r, pool) || now_ms < r->next_ms)
		return;
	stale = next_to_stop(r, pool);
	if (stale == NULL)
		return;
	worker_step(stale, WORKER_RETIRE, &pool->rules, now_ms);
	pool_turn(pool, now_ms);
}

static void
advance_run(struct reload *r, struct pool *pool, int64_t now_ms)
{
	note_soaked(r, pool, now_ms);
	if (pool->surge > 0) {
		promote_ready(r, pool, now_ms);
		start_candidates(r, pool, now_ms);
	} else
		stop_one(r, pool, now_ms);
}

static bool
is_complete(const struct reload *r, const struct pool *pool)
{
	return r->soaked && pool_settled(pool) && count_candidates(pool) == 0 &&
	    reload_new_workers(r, pool) == pool->wanted;
}

enum reload_outcome
reload_turn(struct reload *r, struct pool *pool, int64_t now_ms)
{
	const struct worker *failed;

	if (!r->active || pool->stopping)
		return RELOAD_GOES_ON;
	r->turned_ms = now_ms;
	failed = find_failed(r, pool);
	if (failed == NULL) {
		advance_run(r, pool, now_ms);
		/* A fork that fails is told by nothing but this. */
		failed = find_failed(r, pool);
	}
	if (failed != NULL)
		return fail_run(r, pool, failed, now_ms);
	if (!is_complete(r, pool))
		return RELOAD_GOES_ON;
	r->active = false;
	r->completed++;
	return RELOAD_COMPLETE;
}

/* Due is what comes after the last turn, not after now_ms: it may have passed
 * since. */
int64_t
reload_deadline(const struct reload *r, const struct pool *pool,
    int64_t now_ms)
{
	int64_t due, soaked;
	int i;

	if (!r->active || pool->stopping)
		return 0;
	due = r->next_ms > r->turned_ms ? r->next_ms : 0;
	for (i = 0; !r->soaked && i < pool->nseats; i++) {
		soaked = soaked_at(r, pool, pool->seat[i]);
		if (soaked > r->turned_ms && (due == 0 || soaked < due))
			due = soaked;
	}
	return due != 0 && due < now_ms ? now_ms : due;
}
