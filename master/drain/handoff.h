/*
 * The master's side of the porter: starts it when it is first needed, gives it
 * connections, hears what became of them. Knows sockets, nothing of workers'
 * states. Linux.
 */
#ifndef MASTER_DRAIN_HANDOFF_H
#define MASTER_DRAIN_HANDOFF_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/porting.h"
#include "master/worker/launch.h"

enum { HANDOFF_PENDING = 4096 };	/* orders not replied to, at most */

struct handoff_counts {
	uint64_t held;			/* connections, at some time */
	uint64_t unheld;		/* that could not be, whose readers
					   block, when their worker stopped */
	uint64_t remote;		/* that were held, but whose requests
					   may not be handed on, the same */
	uint64_t handed_on;		/* requests, since the start */
	uint64_t broken;		/* of these, not answered to the end */
	uint64_t quiet;			/* closed in their quiet */
};

/* Begin with zeros and handoff_init. */
struct handoff {
	const struct launch *launch;
	int	 fd;			/* to the porter; -1: there is none */
	pid_t	 pid;
	int	 failures;		/* porters in a row that ended without a
					   word */
	int64_t	 idle_ms;		/* since when it has held none; 0 */
	struct handoff_counts counts;
	uint64_t pending[HANDOFF_PENDING];	/* ids of TAKE not replied to */
	size_t	 npending;
	size_t	 with_porter;		/* connections */
};

/* launch says as whom the porter runs. */
void	 handoff_init(struct handoff *h, const struct launch *launch);

/* Let go of the porter, which finishes what it carries. */
void	 handoff_end(struct handoff *h);

/*
 * Give the porter a connection. order.id is the caller's; a TAKE is replied to
 * by handoff_hear: PORTING_TAKEN or PORTING_REFUSED. The caller keeps fd.
 * Returns 0, or -1 and errno, nothing given.
 */
int	 handoff_send(struct handoff *h, int fd,
	    const struct porting_order *order);

/*
 * The next thing that the porter has said, if there is any. Where it has died,
 * each TAKE that it has not replied to is PORTING_REFUSED: whether its bytes
 * have been read shows in the connection. Returns false if there is nothing.
 */
bool	 handoff_hear(struct handoff *h, struct porting_reply *reply);

/* Let it go when it has held nothing for a while. Returns when to call again,
 * or 0. */
int64_t	 handoff_turn(struct handoff *h, int64_t now_ms);

/* A connection's client has an address of this machine. */
bool	 handoff_is_local(int fd);

/*
 * Its server would see the same as it does now: the connection is of our
 * network namespace and bound to no device, its local address is this
 * machine's; and its client is local, or any may be handed on.
 */
bool	 handoff_may(int fd, bool any);

#endif
