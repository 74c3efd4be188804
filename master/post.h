/*
 * The bus for connections: what clients and workers say on theirs, and when
 * what is queued is written. Knows the bus, connections and whose process is
 * which worker's.
 */
#ifndef MASTER_POST_H
#define MASTER_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "ipc.h"
#include "master/bus/bus.h"
#include "master/control/conn.h"
#include "master/worker/pool.h"

struct post {
	struct bus *bus;
	const struct pool *pool;	/* to tell whose a process is */
	uint64_t strangers;		/* who have come to the bus so far */
	uint64_t turned_seq;		/* of the bus, as of the last turn */
	uint64_t written_seq;		/* of the bus, as last written out */
	uint64_t written_end;		/* the same of the stream */
	bool	 stale;			/* what is to be written out in this
					   turn is new */
	bool	 gathering;		/* messages come: more are waited for,
					   not longer than a turn */
	bool	 held;			/* who sends messages, for subscribers
					   that are behind … */
	int64_t	 hold_ms;		/* … until then at most; 0 */
};

/* Tell whether a type is a message or SUBSCRIBE. */
bool	 post_is_for_bus(unsigned type);

/* Answer a request of such a type. */
void	 post_handle(struct post *post, struct conn *c,
	    const struct crr_frame *f);

/* Find out who is at the other end of a connection: c->who. */
void	 post_identify(struct post *post, struct conn *c);

/* A worker on the bus, as its leader speaks for it. */
struct bus_identity post_identity(const struct worker *w);

/*
 * The end of a turn, in three: whether to wait a turn for more before what is
 * queued is written; if not, write it, where there is something new; then drop
 * what is too much, and decide whether senders are held.
 */
bool	 post_gather(struct post *post);
void	 post_write(struct post *post, struct conn *conns);
void	 post_hold(struct post *post, int64_t now_ms);

/* Tell whether subscribers have something new to be written in this turn. */
bool	 post_is_stale(const struct post *post);

/* When post_hold is due though nothing happens, or 0. */
int64_t	 post_next(const struct post *post);

#endif
