/*
 * Workers that leave connections in their queues: stopped, blocked, or busy
 * for seconds. Nothing new is steered there until they accept again; with
 * --hang they are replaced, and the successor serves what is queued.
 */
#ifndef MASTER_STEERING_H
#define MASTER_STEERING_H

#include "master/state.h"

/* Look at the queues, if it is time to. */
void	 steering_look(struct master *m, int64_t now_ms);

/*
 * Close what is queued in seats that nobody holds: it came when its worker was
 * past helping it, as the last part of a handshake may. A line says how many.
 */
void	 steering_close_stranded(struct master *m);

/* When steering_look has something to do, or 0: never, as with one worker or one
 * queue for all. */
int64_t	 steering_next(const struct master *m);

/* Steer new connections to the workers that are ready and not stuck; where
 * there is none, to those that start again. Nothing is done where nothing has
 * changed. */
void	 steering_turn(struct master *m);

#endif
