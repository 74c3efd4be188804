/*
 * What a worker still has in hand, seen from outside: its queues, its
 * connections and handshakes half done. Ends connections that are idle. Knows
 * sockets and the descriptors of processes, nothing of workers' states. Linux:
 * drain.c. The stand-in elsewhere, drain_none.c, sees queues alone.
 */
#ifndef MASTER_DRAIN_DRAIN_H
#define MASTER_DRAIN_DRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "master/drain/halfopen.h"
#include "master/socket/listener.h"
#include "master/worker/family.h"
#include "master/worker/process.h"

struct drain;

struct drain_counts {
	unsigned connections;		/* open ones */
	unsigned in_hand;		/* of these, with a request or a part of
					   an answer in flight */
	unsigned queued;		/* not accepted yet */
};

/*
 * Begin to drain a worker when connections have been steered away from its
 * seat. The drain may take limit_ms at most. Keeps p, whose leader is not
 * waited for meanwhile, family and handshakes. Returns NULL with ENOMEM; the
 * caller frees the drain by drain_free.
 */
struct drain *drain_begin(const struct process *p, struct family *family,
	    const struct listeners *ls, int seat, struct handshakes *handshakes,
	    int64_t limit_ms, int64_t now_ms);

/*
 * Look at the next 256 of the worker's descriptors, and end what is idle; at
 * the beginning of a pass also look at queues and handshakes and list the
 * worker's processes. Does nothing before drain_next. Returns true when
 * nothing has been in hand for two passes.
 */
bool	 drain_look(struct drain *d, const struct listeners *ls,
	    int64_t now_ms);

/* When to look again. */
int64_t	 drain_next(const struct drain *d);

/* What the last complete pass has found; zeros before there was one. */
struct drain_counts drain_counts(const struct drain *d);

/* End a drain where it stands. NULL is ignored. */
void	 drain_free(struct drain *d);

#endif
