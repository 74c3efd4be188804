/*
 * The bus: one order for all messages, who gets them, and the values that are
 * kept for those who come later. Each subscriber has a place of its own in one
 * stream; what is dropped for one that is too far behind is dropped for it
 * alone. Knows frames and sockets, and neither connections nor workers nor who
 * may send. Nothing here blocks.
 */
#ifndef MASTER_BUS_BUS_H
#define MASTER_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc.h"
#include "master/bus/retain.h"
#include "master/bus/stream.h"
#include "master/bus/subscriber.h"

enum {
	BUS_QUEUE_MAX = 8 << 20,	/* bytes for one that is too slow for
					   senders to wait for */
	BUS_QUEUE_HARD = 64 << 20,	/* bytes for any */
};

struct bus {
	uint64_t seq;			/* of the last message; 0: none yet */
	uint64_t lost;			/* messages, once for each subscriber
					   that has lost them */
	struct bus_stream stream;	/* what somebody has yet to be sent */
	struct bus_subscriber *subscribers;
	bool	 busy;			/* something has come since the last
					   bus_turn, or was pending then */
	struct retain *retained;	/* NULL: no value is kept */
};

/* What status tells. */
struct bus_counts {
	uint64_t retained, retain_max;	/* bytes; retain_max 0: none is kept */
	unsigned nretained;		/* values */
	unsigned nsubscribers;
};

/* Begin, with values kept up to retain_max bytes (0: none). Returns 0, or -1
 * with ENOMEM. bus_free frees what it holds. */
int	 bus_init(struct bus *bus, uint64_t retain_max);

/* Unsubscribe all subscribers, and forget all messages and values. */
void	 bus_free(struct bus *bus);

/* Return why a payload makes no message of the type, which is CRR_BROADCAST,
 * SAVE or DELETE: static text; or NULL. len is at least CRR_BUS_FIXED. */
const char *bus_check(unsigned type, const unsigned char *payload, size_t len);

/*
 * Queue a message for all subscribers, except those of who's origin, and keep
 * its value if it is a SAVE. payload is copied and must be right: bus_check
 * finds no fault with what a client sends. Returns 0 with *seq, or -1 with
 * ENOMEM and nothing queued. A value for which there is no memory is not kept,
 * and that is no error.
 */
int	 bus_publish(struct bus *bus, unsigned type,
	    const struct bus_identity *who, const unsigned char *payload,
	    size_t len, uint64_t *seq);

/* Return how many workers a message of who's goes to, each counted once. */
unsigned bus_receivers(const struct bus *bus, const struct bus_identity *who);

/*
 * Begin to queue messages for somebody, if messages says so: after the values
 * that are kept, if retained says so, and in any case a SYNCED that answers id.
 * Returns NULL with ENOMEM. bus_unsubscribe frees the subscriber.
 */
struct bus_subscriber *bus_subscribe(struct bus *bus,
	    const struct bus_identity *who, bool messages, bool retained,
	    uint32_t id);

/* Drop what is queued for a subscriber, and free it. */
void	 bus_unsubscribe(struct bus *bus, struct bus_subscriber *s);

/*
 * Drop what is queued beyond the limits, and free what nobody has yet to be
 * sent; to be called when all subscribers have been written to. Looks at each
 * subscriber if the bus is busy, else at none. Returns whether senders should
 * wait now, for a subscriber that is behind: then *due_ms is when to call it
 * again at the latest, else 0.
 */
bool	 bus_turn(struct bus *bus, int64_t now_ms, int64_t *due_ms);

/* Return how much is kept, and for how many. */
struct bus_counts bus_counts(const struct bus *bus);

/*
 * Return the subscriber after s, or the first if s is NULL; NULL behind the
 * last. Says who it is, what is queued for it in bytes, and how many messages
 * it has lost.
 */
struct bus_subscriber *bus_next(const struct bus *bus,
	    struct bus_subscriber *s, struct bus_identity *who,
	    uint64_t *queued, uint64_t *lost);

#endif
