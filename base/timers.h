/*
 * Deadlines, the nearest first: a pairing heap whose nodes stand in their
 * owners, so that setting one never fails. Pure.
 */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdint.h>

/* Zero at the beginning, but for owner. Must be stopped before it is freed. */
struct timer {
	int64_t	 due_ms;		/* 0: not set */
	void	*owner;			/* the caller's */
	struct timer *child, *next;	/* in the heap */
	struct timer *prev;		/* the parent, of a first child */
};

/* Zero at the beginning. */
struct timers {
	struct timer *first;
};

/* Set a timer, or change when it is due; 0 stops it. */
void	 timers_set(struct timers *ts, struct timer *t, int64_t due_ms);

/* Return when the next one is due, or 0 if none is set. */
int64_t	 timers_next(const struct timers *ts);

/* Stop one timer that is due by now_ms, the earliest. Returns its owner, or
 * NULL if none is due. */
void	*timers_expired(struct timers *ts, int64_t now_ms);

/* Make *next_ms the earlier of itself and due_ms; 0 is none in both. */
void	 timers_sooner(int64_t *next_ms, int64_t due_ms);

#endif
