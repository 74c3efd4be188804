#include <stdlib.h>

#include "master/worker/pool.h"

static int
add_seats(struct pool *pool, int nseats)
{
	struct worker **seat, *w;

	seat = realloc(pool->seat, (size_t)nseats * sizeof(*seat));
	if (seat == NULL)
		return -1;
	pool->seat = seat;
	while (pool->nseats < nseats) {
		w = malloc(sizeof(*w));
		if (w == NULL)
			return -1;
		worker_init(w, pool->nseats);
		pool->seat[pool->nseats++] = w;
	}
	return 0;
}

int
pool_init(struct pool *pool, const struct launch *launch, int wanted,
    int surge)
{
	pool->seat = NULL;
	pool->nseats = 0;
	pool->surge = surge;
	pool->stopping = false;
	pool->rules.launch = launch;
	pool->rules.generation = 1;
	return pool_want(pool, wanted);
}

int
pool_want(struct pool *pool, int wanted)
{
	if (wanted + pool->surge > pool->nseats &&
	    add_seats(pool, wanted + pool->surge) == -1)
		return -1;
	pool->wanted = wanted;
	return 0;
}

void
pool_free(struct pool *pool)
{
	int i;

	for (i = 0; i < pool->nseats; i++)
		free(pool->seat[i]);
	free(pool->seat);
}

struct worker *
pool_holder(const struct pool *pool, int id)
{
	struct worker *w;
	int i;

	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		if (w->id == id && w->wanted && w->state != WORKER_DOWN)
			return w;
	}
	return NULL;
}

struct worker *
pool_candidate(const struct pool *pool, int id)
{
	int i;

	for (i = 0; i < pool->nseats; i++) {
		if (pool->seat[i]->candidate && pool->seat[i]->id == id)
			return pool->seat[i];
	}
	return NULL;
}

/* More seats are there than may be taken, where more workers were wanted. */
struct worker *
pool_free_seat(const struct pool *pool)
{
	struct worker *seat = NULL;
	int i, taken;

	taken = 0;
	for (i = 0; i < pool->nseats; i++) {
		if (!worker_free(pool->seat[i]))
			taken++;
		else if (seat == NULL)
			seat = pool->seat[i];
	}
	return taken < pool->wanted + pool->surge ? seat : NULL;
}

void
pool_stop(struct pool *pool, bool now, int64_t now_ms)
{
	int i;

	pool->stopping = true;
	for (i = 0; i < pool->nseats; i++) {
		pool->seat[i]->wanted = false;
		worker_step(pool->seat[i], now ? WORKER_KILL : WORKER_STOP,
		    &pool->rules, now_ms);
	}
}

static void
retire_surplus(struct pool *pool, int64_t now_ms)
{
	struct worker *w;
	int i;

	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		if (w->id < pool->wanted || w->state == WORKER_DOWN)
			continue;
		if (w->wanted || w->candidate) {
			w->candidate = false;
			worker_step(w, WORKER_RETIRE, &pool->rules, now_ms);
		}
	}
}

/* With no surge, the seat of the one that has just been stopped. */
static void
start_missing(struct pool *pool, int64_t now_ms)
{
	struct worker *w;
	int id;

	for (id = 0; id < pool->wanted; id++) {
		if (pool_holder(pool, id) != NULL)
			continue;
		w = pool_free_seat(pool);
		if (w == NULL)
			return;
		worker_begin(w, id, false, &pool->rules, now_ms);
	}
}

void
pool_turn(struct pool *pool, int64_t now_ms)
{
	if (pool->stopping)
		return;
	retire_surplus(pool, now_ms);
	start_missing(pool, now_ms);
}

bool
pool_empty(const struct pool *pool)
{
	int i;

	for (i = 0; i < pool->nseats; i++) {
		if (worker_runs(pool->seat[i]) || pool->seat[i]->rest_ms != 0)
			return false;
	}
	return true;
}

bool
pool_settled(const struct pool *pool)
{
	const struct worker *w;
	int i, serving;

	serving = 0;
	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		if (worker_serves(w) && w->wanted && w->id < pool->wanted)
			serving++;
		else if (!worker_free(w))
			return false;
	}
	return serving == pool->wanted;
}

struct worker *
pool_leader(const struct pool *pool, pid_t pid)
{
	int i;

	for (i = 0; i < pool->nseats; i++) {
		if (pool->seat[i]->process.pid == pid)
			return pool->seat[i];
	}
	return NULL;
}

struct worker *
pool_owner(const struct pool *pool, pid_t pid)
{
	struct worker *w;
	int i;

	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		if (worker_runs(w) && process_owns(&w->process, pid))
			return w;
	}
	return NULL;
}

bool
pool_has_twin(const struct pool *pool, const struct worker *w)
{
	const struct worker *other;
	int i;

	for (i = 0; i < pool->nseats; i++) {
		other = pool->seat[i];
		if (other != w && worker_runs(other) && other->id == w->id &&
		    other->generation == w->generation)
			return true;
	}
	return false;
}
