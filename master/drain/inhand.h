/*
 * What one connection of a draining worker has in hand, as the kernel's
 * figures for it tell from look to look, and whether its worker's end must
 * wait for it. Makes no system call.
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
	bool	 server_last, client_last;	/* who spoke between the last two
					   looks; neither: both did */
	bool	 sends;			/* a request that comes in pieces */
};

enum inhand_state {
	INHAND_BUSY,			/* a request or part of an answer */
	INHAND_SILENT,			/* nobody has spoken yet */
	INHAND_ANSWERED,		/* the server spoke last */
};

/* A drain, as it stands. */
struct inhand_drain {
	int64_t	 drained_ms;		/* since it began */
	int64_t	 limit_ms;		/* that it may take */
	int64_t	 idle_ms;		/* of quiet that make idle: --idle */
};

/* Judge a look, and remember it. */
enum inhand_state inhand_look(struct inhand *h, const struct inhand_seen *s);

/* Tell whether it is idle: the server spoke last, and it has been quiet for
 * longer than the pauses that it is known to make. */
bool	 inhand_is_idle(const struct inhand *h, const struct inhand_seen *s,
	    enum inhand_state state, const struct inhand_drain *d);

/* What a connection whose answer seems to be whole is waited for, from half of
 * the drain on. */
enum inhand_care {
	INHAND_UNTIL_IDLE,
	INHAND_UNTIL_ACKED,		/* its client has all of it */
	INHAND_UNTIL_ANSWERED,		/* its server says good-bye itself */
};

/*
 * Tell whether the stop signal must wait for it: until it is idle; from half
 * of the drain on, as care says; where nobody has spoken, until half of the
 * drain.
 */
bool	 inhand_waits(const struct inhand *h, const struct inhand_seen *s,
	    enum inhand_state state, const struct inhand_drain *d,
	    enum inhand_care care);

#endif
