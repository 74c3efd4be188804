/*
 * What one connection of a draining worker has in hand, as the kernel's
 * figures for it tell from look to look, and what is to be done about it.
 * Makes no system call.
 */
#ifndef MASTER_DRAIN_INHAND_H
#define MASTER_DRAIN_INHAND_H

#include <stdbool.h>
#include <stdint.h>

#include "master/socket/diag.h"

/* One look at a connection. */
struct inhand_seen {
	struct diag_tcp tcp;
	int	 unread, unsent, unacked;	/* bytes */
	bool	 prompt;		/* the last answer came before the
					   delayed ACK */
};

/* What is known of it from look to look. Begin with zeros. */
struct inhand {
	uint64_t received, sent;	/* bytes */
	unsigned quiet_ms;		/* as of the last look */
	unsigned paused_ms;		/* longest pause seen in an answer */
	unsigned rounds;		/* requests that came after an answer */
	bool	 seen;			/* the fields above are of a look */
	bool	 answered;		/* as of the last look */
	bool	 sends;			/* a request that comes in pieces */
	int64_t	 ended_ms;		/* since the drain began; 0: not */
	int64_t	 gated_ms;		/* the same; 0: gate is open */
	int64_t	 gate_after_ms;		/* not again before */
};

enum inhand_state {
	INHAND_BUSY,			/* a request or part of an answer */
	INHAND_SILENT,			/* its client has not spoken yet */
	INHAND_ANSWERED,
};

enum inhand_deed {
	INHAND_WAIT,
	INHAND_GATE,			/* keep the next request out: its client
					   leaves no gap to end it in */
	INHAND_OPEN,			/* let it in again */
	INHAND_END,
};

enum { INHAND_ENDED_MS = 500 };		/* for a server to notice the end */

/* Judge a look, and remember it. */
enum inhand_state inhand_look(struct inhand *h, const struct inhand_seen *s);

/*
 * What to do about a connection that has just been looked at, drained_ms (from
 * 1) after the drain began, which may take limit_ms. It is for the caller to
 * do it, and to note so with inhand_done.
 */
enum inhand_deed inhand_decide(const struct inhand *h,
	    const struct inhand_seen *s, enum inhand_state state,
	    int64_t drained_ms, int64_t limit_ms);

void	 inhand_done(struct inhand *h, enum inhand_deed deed,
	    int64_t drained_ms);

/* Tell whether the stop signal must wait for it. */
bool	 inhand_waits(const struct inhand *h, enum inhand_state state,
	    int64_t drained_ms);

/* The same where nothing can be done about it: until it is idle. */
bool	 inhand_is_idle(const struct inhand *h, const struct inhand_seen *s,
	    enum inhand_state state);

#endif
