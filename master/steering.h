/*
 * Workers that leave connections in their queues: stopped, blocked, or busy
 * for seconds. Nothing new is steered there until they accept again; with
 * --hang they are replaced, and the successor serves what is queued.
 */
#ifndef MASTER_STEERING_H
#define MASTER_STEERING_H

#include "master/master.h"

enum {
	STUCK_REST_MS = 1000,		/* between two looks while all is well */
	STUCK_LOOK_MS = 100,		/* while something waits */
	STUCK_AFTER_MS = 1000,		/* waiting for so long, none accepted */
};

/* Look at the queues, if it is time to. */
void	 stuck_look(struct master *m, int64_t now_ms);

/*
 * Close what is queued in seats that nobody holds: it came when its worker was
 * past helping it, as the last part of a handshake may. A line says how many.
 */
void	 stuck_close_stranded(struct master *m);

/* When stuck_look has something to do, or 0: never, as with one worker or one
 * queue for all. */
int64_t	 stuck_next(const struct master *m);

#endif
