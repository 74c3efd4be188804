/*
 * What workers and clients say to the bus, and what it says to them: the bus
 * on one side, connections and workers on the other.
 */
#ifndef MASTER_POST_H
#define MASTER_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc.h"
#include "master/master.h"

/* Tell whether a type is a message or SUBSCRIBE. */
bool	 post_is_for_bus(unsigned type);

/* Answer a request of such a type. */
void	 post_handle(struct master *m, struct conn *c,
	    const struct crr_frame *f);

/* Find out who is at the other end of a connection: c->who. */
void	 post_identify(struct master *m, struct conn *c);

/* Node's channel of a worker: act on what it says, and drop it at its end. */
void	 post_node(struct master *m, struct worker *w, int64_t now_ms);

/* The worker has ended: act on its last words, and hang up. */
void	 post_leave(struct master *m, struct worker *w, int64_t now_ms);

/*
 * Write what is queued to all who take it, drop what is too much, and decide
 * whether senders are held. At the end of a turn of the loop.
 */
void	 post_turn(struct master *m, int64_t now_ms);

/* When post_turn is due though nothing happens, or 0. */
int64_t	 post_next(const struct master *m);

/* Tell whether a connection is not to be read from now. */
bool	 post_is_held(const struct master *m, const struct conn *c);

#endif
