/*
 * The bus: one order for all messages, a queue for each subscriber, and the
 * values that are kept for those that come later. A message is stored once, as
 * the frame that goes out, whoever many it is for. Knows frames and
 * descriptors, nothing of connections, workers or who may send.
 */
#ifndef MASTER_BUS_BUS_H
#define MASTER_BUS_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc.h"

struct bus_chunk;
struct bus_subscriber;
struct retain;

enum {
	BUS_QUEUE_MAX = 8 << 20,	/* bytes for one that does not read */
	BUS_QUEUE_HARD = 64 << 20,	/* bytes for any */
	BUS_HOLD_MS = 200,		/* the most that senders wait for one */
};

struct bus {
	uint64_t seq;			/* of the last message */
	uint64_t lost;			/* messages, by all subscribers */
	struct bus_chunk *first, *last;	/* of the stream that is not sent yet */
	uint64_t end;			/* of the stream, bytes from the start */
	struct bus_subscriber *subscribers;
	unsigned nsubscribers;
	struct retain *retained;	/* NULL: none is kept */
};

/* Who a subscriber is. */
struct bus_identity {
	uint64_t origin;		/* never gets messages of the same */
	int	 worker;		/* id; -1: none, and not counted */
	int	 pid;
};

/* Begin, with values kept up to retain_max bytes (0: none). Returns 0 or -1
 * with ENOMEM. */
int	 bus_init(struct bus *bus, uint64_t retain_max);

/* Forget all. */
void	 bus_free(struct bus *bus);

/*
 * Send a message to all subscribers but those of who's origin: type is
 * CRR_BROADCAST, SAVE or DELETE, payload one of theirs, checked by
 * bus_check. Returns 0 with *seq, or -1 with ENOMEM, nothing sent.
 */
int	 bus_publish(struct bus *bus, unsigned type,
	    const struct bus_identity *who, const unsigned char *payload,
	    size_t len, uint64_t *seq);

/* Why a payload makes no message of the type, a line; or NULL. */
const char *bus_check(unsigned type, const unsigned char *payload, size_t len);

/* How many workers a message of who's goes to. */
unsigned bus_receivers(const struct bus *bus, const struct bus_identity *who);

/*
 * Begin to queue messages for somebody, after the values that are kept if
 * retained says so, and a SYNCED that answers id. Returns NULL with ENOMEM.
 */
struct bus_subscriber *bus_subscribe(struct bus *bus,
	    const struct bus_identity *who, bool messages, bool retained,
	    uint32_t id);

void	 bus_unsubscribe(struct bus *bus, struct bus_subscriber *s);

/* There is something to write. */
bool	 bus_pending(struct bus_subscriber *s);

/* A frame has been written in part: nothing else may be written now. */
bool	 bus_is_within(const struct bus_subscriber *s);

/*
 * Write what the descriptor, a socket, takes without blocking. Returns 0, or
 * -1 and errno of sendmsg(2) but for EAGAIN.
 */
int	 bus_write(struct bus *bus, struct bus_subscriber *s, int fd);

/* The same for the rest of a frame that has been written in part. */
int	 bus_finish(struct bus_subscriber *s, int fd);

/*
 * For who writes in another form than frames: the next frame, whole, valid
 * until bus_taken, which is to be called when it has been written; or NULL.
 */
const unsigned char *bus_peek(struct bus_subscriber *s, size_t *len);
void	 bus_taken(struct bus *bus, struct bus_subscriber *s);

/*
 * To be called when all have been written to: drops what is too much, frees
 * what all have. Returns whether senders should be held, for some subscriber
 * that reads but is behind; *due_ms is when to ask again, or 0.
 */
bool	 bus_turn(struct bus *bus, int64_t now_ms, int64_t *due_ms);

/* What status tells. */
struct bus_counts {
	uint64_t retained, retain_max;	/* bytes */
	unsigned nretained;
};

struct bus_counts bus_counts(const struct bus *bus);

/* The next subscriber (NULL: the first), who it is, what is queued for it in
 * bytes and how many messages it has lost. */
struct bus_subscriber *bus_next(const struct bus *bus,
	    struct bus_subscriber *s, struct bus_identity *who,
	    uint64_t *queued, uint64_t *lost);

#endif
