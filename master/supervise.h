/*
 * What the master sees of its workers, made into events of theirs: births,
 * ends, calls that are trapped, deadlines, drains.
 */
#ifndef MASTER_SUPERVISE_H
#define MASTER_SUPERVISE_H

#include "master/state.h"

/* Reap what has ended, workers and strangers. */
void	 supervise_reap(struct master *m, int64_t now_ms);

/* A worker's birth_fd is readable. */
void	 supervise_birth(struct master *m, struct worker *w, int64_t now_ms);

/* A worker's trap_fd is readable, or has hung up. */
void	 supervise_trap(struct master *m, struct worker *w, bool hung_up,
	    int64_t now_ms);

/* Do what is due. */
void	 supervise_deadlines(struct master *m, int64_t now_ms);

/* Nobody has ever been ready and one has ended already: a loop of restarts
 * would only hide why, so the master stops. */
void	 supervise_first_start(struct master *m, int64_t now_ms);

/* When supervise_deadlines has something to do, or 0. */
int64_t	 supervise_next(const struct master *m);

#endif
