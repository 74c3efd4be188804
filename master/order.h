/*
 * What is asked of all workers at once: reload, reset, scale, stop; and how
 * each of them ends.
 */
#ifndef MASTER_ORDER_H
#define MASTER_ORDER_H

#include "master/state.h"

/* Tell everybody of an event of no worker's; count is what its kind counts. */
void	 order_tell(struct master *m, enum crr_event kind, int count,
	    const char *text);

/* Begin a reload, or have one follow the one in progress. Returns the number
 * of the run that answers who asked. */
unsigned order_reload(struct master *m, int64_t now_ms);

/* End a reload in progress where it stands. */
void	 order_reset(struct master *m, int64_t now_ms);

/* Want n workers. Returns 0, or -1 and errno with as many wanted as before;
 * queues and seats that have been made for more stay. */
int	 order_scale(struct master *m, int n, int64_t now_ms);

/*
 * Stop all workers, then end the master: after --stop-delay they drain, get the
 * stop signal, and new clients are kept out as --stop-new says. now: without any
 * of it.
 */
void	 order_stop(struct master *m, bool now, int64_t now_ms);

/* The end has been asked for. */
bool	 order_is_stopping(const struct master *m);

/*
 * Tell whether a worker that drains is to be sent the stop signal: clean says
 * whether nothing was found in hand. In a stop in which new clients are served
 * on, all workers wait for what any of them had in hand when it began, and then
 * new clients are kept out for a second at most.
 */
bool	 order_is_drained(struct master *m, bool clean, int64_t now_ms);

/* Note that something has changed that order_turn is to look at: no worker of
 * the pool, since these tell by themselves. */
void	 order_note(struct master *m);

/* Do the next thing that what was asked needs, if anything has changed or is
 * due. To be called when all that has happened in a turn is known, and before
 * what is queued is written and supervise_settle. */
void	 order_turn(struct master *m, int64_t now_ms);

/* When order_turn has something to do though nothing happens, or 0. */
int64_t	 order_next(const struct master *m);

#endif
