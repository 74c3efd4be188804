#include <stdlib.h>
#include <string.h>

#include "master/worker/pool.h"

enum { DEPTH_MAX = 64 };		/* ancestors that are looked at */

static struct worker **
find_list(const struct pool *pool, pid_t group)
{
	return &pool->group[group & (pool->ngroups - 1)];
}

/* Have the table find a worker by its process group of today. */
static void
note_group(struct pool *pool, struct worker *w)
{
	struct worker **at;

	if (w->noted_group == w->process.group)
		return;
	if (w->noted_group != 0) {
		at = find_list(pool, w->noted_group);
		while (*at != w)
			at = &(*at)->next_in_group;
		*at = w->next_in_group;
	}
	w->noted_group = w->process.group;
	if (w->noted_group == 0)
		return;
	at = find_list(pool, w->noted_group);
	w->next_in_group = *at;
	*at = w;
}

/* Double the table until each list has one worker or so. */
static int
grow_groups(struct pool *pool, int nseats)
{
	struct worker **group;
	int i, n = pool->ngroups == 0 ? 16 : pool->ngroups;

	while (n < nseats)
		n *= 2;
	if (n == pool->ngroups)
		return 0;
	group = calloc((size_t)n, sizeof(*group));
	if (group == NULL)
		return -1;
	free(pool->group);
	pool->group = group;
	pool->ngroups = n;
	for (i = 0; i < pool->nseats; i++) {
		pool->seat[i]->noted_group = 0;
		note_group(pool, pool->seat[i]);
	}
	return 0;
}

static struct worker **
grow_list(struct worker **list, int had, int n)
{
	list = realloc(list, (size_t)n * sizeof(*list));
	for (; list != NULL && had < n; had++)
		list[had] = NULL;
	return list;
}

static int
add_seats(struct pool *pool, int nseats)
{
	struct worker **seat, **holder, **candidate, *w;

	seat = realloc(pool->seat, (size_t)nseats * sizeof(*seat));
	if (seat != NULL)
		pool->seat = seat;
	holder = grow_list(pool->holder, pool->nseats, nseats);
	if (holder != NULL)
		pool->holder = holder;
	candidate = grow_list(pool->candidate, pool->nseats, nseats);
	if (candidate != NULL)
		pool->candidate = candidate;
	if (seat == NULL || holder == NULL || candidate == NULL ||
	    grow_groups(pool, nseats) == -1)
		return -1;
	while (pool->nseats < nseats) {
		w = malloc(sizeof(*w));
		if (w == NULL)
			return -1;
		worker_init(w, pool->nseats, &pool->changed);
		pool->seat[pool->nseats++] = w;
	}
	return 0;
}

int
pool_init(struct pool *pool, const struct launch *launch,
    const struct worker_rules *rules, int wanted, int surge)
{
	memset(pool, 0, sizeof(*pool));
	pool->surge = surge;
	pool->rules = *rules;
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
	free(pool->holder);
	free(pool->candidate);
	free(pool->group);
}

struct worker *
pool_holder(const struct pool *pool, int id)
{
	struct worker *w = id < pool->nseats ? pool->holder[id] : NULL;

	return w != NULL && w->id == id && w->wanted &&
	    w->state != WORKER_DOWN ? w : NULL;
}

struct worker *
pool_candidate(const struct pool *pool, int id)
{
	struct worker *w = id < pool->nseats ? pool->candidate[id] : NULL;

	return w != NULL && w->id == id && w->candidate ? w : NULL;
}

void
pool_begin(struct pool *pool, struct worker *seat, int id, bool candidate,
    int64_t now_ms)
{
	if (candidate)
		pool->candidate[id] = seat;
	else
		pool->holder[id] = seat;
	worker_begin(seat, id, candidate, &pool->rules, now_ms);
}

void
pool_promote(struct pool *pool, struct worker *candidate, int64_t now_ms)
{
	struct worker *was = pool_holder(pool, candidate->id);

	if (was != NULL)
		worker_step(was, WORKER_RETIRE, &pool->rules, now_ms);
	candidate->candidate = false;
	candidate->wanted = true;
	pool->holder[candidate->id] = candidate;
	worker_touch(candidate);
}

struct worker *
pool_take_changed(struct pool *pool)
{
	struct worker *w = pool->changed;

	if (w == NULL)
		return NULL;
	pool->changed = w->next_changed;
	w->next_changed = NULL;
	w->is_changed = false;
	note_group(pool, w);
	return w;
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
		worker_touch(pool->seat[i]);
		worker_step(pool->seat[i], now ? WORKER_KILL : WORKER_RETIRE,
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
		pool_begin(pool, w, id, false, now_ms);
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

static struct worker *
find_group(const struct pool *pool, pid_t group)
{
	struct worker *w;

	if (group <= 0)
		return NULL;
	for (w = *find_list(pool, group); w != NULL; w = w->next_in_group) {
		if (w->process.group == group)
			return w;
	}
	return NULL;
}

struct worker *
pool_leader(const struct pool *pool, pid_t pid)
{
	struct worker *w = find_group(pool, pid);

	return w != NULL && w->process.pid == pid ? w : NULL;
}

/* One that has left its group, and the ancestors that it had there. */
static struct worker *
find_stray(const struct pool *pool, pid_t pid)
{
	struct worker *w;
	int i;

	for (i = 0; i < pool->nseats; i++) {
		w = pool->seat[i];
		if (worker_runs(w) && process_is_stray(&w->process, pid))
			return w;
	}
	return NULL;
}

struct worker *
pool_owner(const struct pool *pool, pid_t pid)
{
	struct worker *w;
	pid_t top = pid;
	int depth;

	for (depth = 0; depth < DEPTH_MAX && pid > 1; depth++) {
		w = find_group(pool, process_group(pid));
		if (w != NULL && worker_runs(w))
			return w;
		top = pid;
		pid = process_parent(pid);
		if (process_is_us(pid))
			return find_stray(pool, top);
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
