/*
 * One connection of a draining worker, from look to look: what it has in hand,
 * whether it is held, and whether the worker's end must wait for it. Linux.
 */
#ifndef MASTER_DRAIN_KEPT_H
#define MASTER_DRAIN_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "master/drain/cork.h"
#include "master/drain/hold.h"
#include "master/drain/inhand.h"

struct handoff;

struct kept {
	uint64_t inode;
	unsigned first_pass, pass;	/* of the drain, that have seen it */
	bool	 is_connection;		/* not any other socket */
	int	 fd;			/* a duplicate while it is held; -1 */
	int	 mark;			/* its own; 0: not known yet */
	bool	 known;			/* the next two are known */
	bool	 local;			/* its client is of this machine */
	bool	 may;			/* its requests may be handed on */
	bool	 ended;			/* its worker was told that its client
					   has */
	bool	 waits;			/* the stop signal waits for it */
	enum inhand_state state;	/* as of the last look */
	struct inhand hand;
	struct hold hold;
	struct cork cork;
	struct kept *next;		/* in the drain's hash */
	struct kept *next_held;		/* in the drain's list */
};

/* What a drain knows that its connections go by. */
struct kept_rules {
	struct inhand_drain drain;	/* as it stands */
	struct handoff *handoff;	/* NULL: nothing is handed on */
	bool	 any;			/* other machines' requests, too */
	bool	 last;			/* there will be no new worker */
	bool	 ends;			/* the stop signal has been sent … */
	int64_t	 ends_ms;		/* … this time ago */
	int64_t	 now_ms;
};

/*
 * Look at a connection by a duplicate of its descriptor, and do what is due.
 * fd is ours from here on: kept as k->fd while the connection is held, or
 * closed.
 */
void	 kept_look(struct kept *k, int fd, const struct kept_rules *rules);

/* Look again at one that is held. */
void	 kept_look_again(struct kept *k, const struct kept_rules *rules);

/* When to look at one that is held again, or 0: as usual. */
int64_t	 kept_next(const struct kept *k, int64_t now_ms);

/* The porter has said what became of it: taken is false where it was not. */
void	 kept_replied(struct kept *k, bool taken, int64_t now_ms);

/*
 * Its worker has closed it, or has gone: hand on what is proven, and have the
 * porter watch it; close the rest. It is not held any more afterwards.
 */
void	 kept_end(struct kept *k, const struct kept_rules *rules);

/* Give it back to its worker for good. */
void	 kept_release(struct kept *k);

#endif
