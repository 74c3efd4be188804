/*
 * Which seats new connections go to: those of workers that are ready, not stuck
 * and not behind. A worker is stuck that leaves connections in its queue:
 * stopped, blocked, or busy for seconds. With --hang it is replaced, and its
 * successor serves what is queued. A worker is behind that is slower than others
 * in taking what is queued. Knows workers and listeners, no struct master.
 */
#ifndef MASTER_STEERING_H
#define MASTER_STEERING_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "master/socket/listener.h"
#include "master/worker/pool.h"

/* How a seat's worker takes what is queued, beside the quickest. What is not
 * PACE_EVEN gets nothing new while there is a better one. */
enum steering_pace {
	PACE_EVEN,
	PACE_BEHIND,
	PACE_FAR_BEHIND,		/* by more than a few connections */
};

/* What is known of the queues of a seat. */
struct steering_seat {
	pid_t	 pid;			/* the worker that it is about */
	bool	 stuck;			/* nothing new is steered to it */
	unsigned queued;		/* connections waiting, as last seen */
	unsigned before;		/* … in the look before */
	int64_t	 seen_ms;		/* when they were seen first … */
	bool	 rested;		/* … by a look a second after the last */
	enum steering_pace pace;
	int64_t	 behind_ms;		/* when it fell behind */
	int64_t	 until_ms;		/* it has caught up, and stays behind
					   until then; 0: it has not */
	int64_t	 slow_ms;		/* when it caught up after a while; 0:
					   it has never been slow */
	int64_t	 waiting_ms;		/* since when some have waited, and none
					   was accepted; 0: none waits */
};

struct steering {
	struct pool *pool;
	struct listeners *listeners;
	struct steering_seat *seats;	/* nseats of them, by seat */
	bool	*ready;			/* the same, for listeners_steer */
	int	 nseats;
	int	 nserving;		/* workers, as of the last turn */
	bool	 stale;			/* who is stuck has changed since */
	int64_t	 look_ms;		/* next look at the queues */
	bool	 rested;		/* the last looks were a second apart */
	int64_t	 waited_ms;		/* when something was queued last */
	int64_t	 tidy_ms;		/* when to look for what is left over */
};

/* Begin with what is steered and where to. Grows with them by itself, in
 * steering_turn and steering_look; ends the program if memory runs out. */
void	 steering_init(struct steering *s, struct pool *pool,
	    struct listeners *ls);

void	 steering_free(struct steering *s);

/*
 * Steer new connections to the workers that are ready and neither stuck nor
 * behind. Where there is none, the ones that are behind get them, the least
 * behind first; then the stuck ones; then workers that start again. Does nothing
 * where nothing has changed.
 */
void	 steering_turn(struct steering *s);

/*
 * Look at the queues, if it is time to: find workers that are stuck, and have
 * them replaced after --hang; find who is behind. With idle, close what is stranded, as
 * steering_close_stranded does. Returns whether it is time for steering_turn.
 */
bool	 steering_look(struct steering *s, bool idle, int64_t now_ms);

/*
 * Close what is queued in seats that no worker holds: it came when its worker
 * was past helping it, as the last part of a handshake may. A line says how
 * many connections were closed.
 */
void	 steering_close_stranded(struct steering *s);

/* When steering_look has something to do, or 0: never, as with one queue for
 * all, or with one worker and no --hang. */
int64_t	 steering_next(const struct steering *s);

#endif
