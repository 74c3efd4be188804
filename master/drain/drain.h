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
					   an answer in flight, or not idle */
	unsigned held;			/* of these, whose next request the
					   worker does not get to know of */
	unsigned waiting;		/* that the stop signal waits for */
	unsigned waiting_old;		/* of these, that were there when the
					   drain began */
	unsigned queued;		/* not accepted yet */
	unsigned raised;		/* that have been held at some time */
	unsigned unheld;		/* that could not be: their readers
					   block */
	unsigned remote;		/* of HTTP/1 whose requests may not be
					   handed on */
};

struct drain_rules {
	int64_t	 limit_ms;		/* that it may take: --drain */
	int64_t	 idle_ms;		/* of quiet: --idle */
	struct handoff *handoff;	/* NULL: nothing is handed on */
	bool	 any;			/* other machines' requests, too */
	bool	 leaves_queue;		/* to its successor in the same seat */
};

/*
 * Begin to drain a worker when connections have been steered away from its
 * seat. Keeps p, whose leader is not waited for meanwhile, family, handshakes
 * and handoff. Returns NULL with ENOMEM; the caller frees the drain by
 * drain_free.
 */
struct drain *drain_begin(const struct process *p, struct family *family,
	    const struct listeners *ls, int seat, struct handshakes *handshakes,
	    const struct drain_rules *rules, int64_t now_ms);

/*
 * Look at the next 256 of the worker's descriptors, and at all connections
 * that are held; at the beginning of a pass also look at queues and handshakes
 * and list the worker's processes. Does nothing before drain_next. Returns true
 * when nothing has been in hand for two passes: the time for the stop signal.
 * May be called afterwards, as long as the worker lives.
 */
bool	 drain_look(struct drain *d, const struct listeners *ls,
	    int64_t now_ms);

/* When to look again. */
int64_t	 drain_next(const struct drain *d);

/* What the last complete pass has found; zeros before there was one. */
struct drain_counts drain_counts(const struct drain *d);

/* Nothing is in hand of what was there when the drain began, as far as was
 * seen; what has come since may be. */
bool	 drain_only_new(const struct drain *d);

/* Find nothing in hand two passes long once more: what comes in has changed. */
void	 drain_again(struct drain *d);

/* No new worker will come: nothing is handed on, and from half of the drain on
 * a request whose beginning is proven is not begun. */
void	 drain_last(struct drain *d);

/* The stop signal has been sent: what is held stays so, nothing more is.
 * Returns false if that was known. */
bool	 drain_stopping(struct drain *d, int64_t now_ms);

/* The porter has taken a connection's request, or not. Returns false if the
 * connection is not of this drain. */
bool	 drain_reply(struct drain *d, uint64_t inode, bool taken,
	    int64_t now_ms);

/* The worker has gone: pass on what is held and may be handed on, and close
 * the rest. */
void	 drain_end(struct drain *d, int64_t now_ms);

/* End a drain where it stands: what is held is given back. NULL is ignored. */
void	 drain_free(struct drain *d);

#endif
