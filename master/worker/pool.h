/*
 * All workers, by seat: how many are wanted, who is missing or too many. Makes
 * no system call of its own.
 */
#ifndef MASTER_WORKER_POOL_H
#define MASTER_WORKER_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "master/worker/worker.h"

struct pool {
	struct worker **seat;		/* nseats of them */
	struct worker **holder;		/* the same, by id: who was made its
					   holder last, and may not be now */
	struct worker **candidate;	/* the same of candidates */
	struct worker **group;		/* by process group, ngroups lists */
	struct worker *changed;		/* whose state or deadline has changed:
					   pool_take_changed */
	int	 ngroups;		/* a power of 2 */
	int	 nseats;
	int	 wanted;		/* workers */
	int	 surge;			/* seats beyond those wanted */
	bool	 stopping;		/* nobody is started any more */
	struct worker_rules rules;
};

/*
 * Begin with wanted + surge free seats and generation 1. Copies the rules, of
 * which launch and generation are filled in here; keeps launch. Returns 0 or
 * -1 with ENOMEM.
 */
int	 pool_init(struct pool *pool, const struct launch *launch,
	    const struct worker_rules *rules, int wanted, int surge);

/* Make seats for a number of workers, and want that many. Returns 0, or -1
 * with ENOMEM and as many wanted as before; seats made so far stay. */
int	 pool_want(struct pool *pool, int wanted);

void	 pool_free(struct pool *pool);

/* Start who is missing; retire who is too many. */
void	 pool_turn(struct pool *pool, int64_t now_ms);

/* The worker that holds an id, or will when it has started again: not a
 * candidate, not one that retires. NULL if there is none. */
struct worker *pool_holder(const struct pool *pool, int id);

/* The candidate for an id, or NULL. */
struct worker *pool_candidate(const struct pool *pool, int id);

/* Start a worker of an id in a free seat, as its holder or as a candidate. */
void	 pool_begin(struct pool *pool, struct worker *seat, int id,
	    bool candidate, int64_t now_ms);

/* Put a candidate in its predecessor's place, which retires. */
void	 pool_promote(struct pool *pool, struct worker *candidate,
	    int64_t now_ms);

/*
 * Take a worker off the list of changed ones, and note its process group for
 * pool_leader and pool_owner; NULL: none has changed since.
 */
struct worker *pool_take_changed(struct pool *pool);

/* A seat that can be taken, or NULL. */
struct worker *pool_free_seat(const struct pool *pool);

/* Retire all, and start nobody any more; now: by SIGKILL. */
void	 pool_stop(struct pool *pool, bool now, int64_t now_ms);

/* Nobody has a process, and nothing is left of any. */
bool	 pool_empty(const struct pool *pool);

/* Each id is held by a worker that is ready, and nobody else is there. */
bool	 pool_settled(const struct pool *pool);

/* The worker whose leader has the pid, or NULL. */
struct worker *pool_leader(const struct pool *pool, pid_t pid);

/* The running worker that a process belongs to, or NULL. */
struct worker *pool_owner(const struct pool *pool, pid_t pid);

/* Tell whether another worker runs under the same id and generation: during a
 * reload, the replacement of one that has crashed and started again. */
bool	 pool_has_twin(const struct pool *pool, const struct worker *w);

#endif
