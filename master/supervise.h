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

/* Do what is due for workers: deadlines of their states, drains, goodbyes. */
void	 supervise_deadlines(struct master *m, int64_t now_ms);

/*
 * The end of a turn: have the poller and the timers follow the workers that
 * have changed in it. Where one ends before any has been ready, the master
 * stops.
 */
void	 supervise_settle(struct master *m, int64_t now_ms);

/* The porter has said something, or has ended. */
void	 supervise_porter(struct master *m, int64_t now_ms);

#endif
