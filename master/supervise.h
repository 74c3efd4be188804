/*
 * What the master sees of its workers, made into events of theirs: births,
 * ends, calls that are trapped, words of readiness, deadlines, drains.
 */
#ifndef MASTER_SUPERVISE_H
#define MASTER_SUPERVISE_H

#include "master/master.h"

enum {
	WATCH_REST_MS = 10000,		/* for processes that outlive SIGKILL */
};

/* Reap what has ended, workers and strangers. */
void	 watch_reap(struct master *m, int64_t now_ms);

/* A worker's birth_fd is readable. */
void	 watch_birth(struct master *m, struct worker *w, int64_t now_ms);

/* A worker's trap_fd is readable, or has hung up. */
void	 watch_trap(struct master *m, struct worker *w, bool hung_up,
	    int64_t now_ms);

/* Do what is due. */
void	 watch_deadlines(struct master *m, int64_t now_ms);

/* Nobody has ever been ready and one has ended already: a loop of restarts
 * would only hide why, so the master stops. */
void	 watch_first_start(struct master *m, int64_t now_ms);

/* When watch_deadlines has something to do, or 0. */
int64_t	 watch_next(const struct master *m);

#endif
