/*
 * What a worker still has in hand, seen from outside: its queues, its
 * connections, handshakes half done; and the end of connections that are
 * idle. Linux; a stand-in elsewhere sees queues alone. Knows sockets and
 * /proc, nothing of worker states.
 */
#ifndef MASTER_DRAIN_DRAIN_H
#define MASTER_DRAIN_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "master/drain/halfopen.h"
#include "master/socket/listener.h"
#include "master/worker/process.h"

struct drain;

struct drain_counts {
	unsigned connections;		/* open ones */
	unsigned in_hand;		/* of those, not answered yet */
	unsigned queued;		/* not accepted yet */
};

/*
 * Begin to drain a worker that has been steered away from; limit_ms is the
 * most that it may take. What is learnt of handshakes is kept in calm, which
 * all drains share and which begins with zeros. Returns NULL with ENOMEM.
 */
struct drain *drain_begin(const struct process *p, struct family *family,
	    const struct listeners *ls, int seat, struct calm *calm,
	    int64_t limit_ms, int64_t now_ms);

/*
 * Look at a slice of the worker's sockets, and end what is idle. Takes a few
 * milliseconds at most. Returns true when nothing is in hand any more.
 */
bool	 drain_look(struct drain *d, const struct listeners *ls,
	    int64_t now_ms);

/* When to look again. */
int64_t	 drain_next(const struct drain *d);

/* What the last look at everything has found. */
struct drain_counts drain_counts(const struct drain *d);

/* NULL is ignored. */
void	 drain_free(struct drain *d);

#endif
