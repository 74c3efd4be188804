/*
 * One reader of the stream: its place, what it takes, what it loses, and what
 * it is told beside the stream (values kept, SYNCED, LAGGED). It writes frames
 * to a socket, or hands them out to a caller that writes another form; one
 * subscriber is used in one of the two ways. Knows no other subscriber.
 */
#ifndef MASTER_BUS_SUBSCRIBER_H
#define MASTER_BUS_SUBSCRIBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc.h"
#include "master/bus/retain.h"
#include "master/bus/stream.h"

/* A small frame for this subscriber alone. */
struct bus_note {
	unsigned char bytes[CRR_HEADER + 8];
	size_t	 len, sent;		/* bytes; the same: there is none */
};

struct bus_subscriber {
	struct bus_subscriber *next;	/* the bus's list */
	struct bus_stream *stream;
	struct bus_identity who;
	bool	 messages;		/* takes them */
	bool	 counts;		/* as a receiver: first of its origin */

	struct bus_chunk *chunk;	/* its place; NULL: at the end */
	size_t	 offset, frame;		/* the next frame's in the chunk */
	size_t	 within;		/* bytes of that frame sent */

	struct retain_frame **replay;	/* values kept, sent first */
	long	 nreplay, replayed;
	size_t	 replay_within;		/* bytes of the next one sent */
	struct bus_note note;		/* SYNCED or LAGGED */
	uint64_t synced;		/* seq that SYNCED tells */
	uint32_t synced_id;		/* of the request that it answers */
	bool	 syncing;		/* SYNCED is due after the replay */

	unsigned char *rest;		/* of a frame whose chunk it has left;
					   or NULL */
	size_t	 rest_len, rest_sent;	/* bytes */
	uint64_t lost;			/* messages */
	uint64_t untold;		/* of them, not told by LAGGED yet */

	int64_t	 held_ms;		/* senders are held since; 0: not */
	bool	 slow;			/* senders have waited long enough */
};

/*
 * Make a subscriber at the end of the stream that is to send frames first, as
 * retain_all gives them (NULL: none), and then a SYNCED that answers id with
 * seq. Takes replay over, which the caller keeps on failure. Returns NULL with
 * ENOMEM. subscriber_free frees it.
 */
struct bus_subscriber *subscriber_new(struct bus_stream *stream,
	    const struct bus_identity *who, struct retain_frame **replay,
	    long nreplay, uint64_t seq, uint32_t id);

/* Leave the stream and free the subscriber. */
void	 subscriber_free(struct bus_subscriber *s);

/* Set the place of a subscriber at the end to the frame that is about to be
 * added to a chunk. */
void	 subscriber_arrive(struct bus_subscriber *s, struct bus_chunk *c);

/* Tell whether there is anything to send. */
bool	 subscriber_pending(struct bus_subscriber *s);

/* Tell whether a frame has been sent in part, so that nothing else may be
 * written to its socket now. */
bool	 subscriber_is_within(const struct bus_subscriber *s);

/*
 * Write what fd, a socket, takes without blocking. Returns 0, or -1 and errno
 * of sendmsg(2), but 0 for EAGAIN.
 */
int	 subscriber_write(struct bus_subscriber *s, int fd);

/* The same, but only the rest of a frame that has been sent in part. */
int	 subscriber_finish(struct bus_subscriber *s, int fd);

/*
 * Return the next frame, whole, and its length in bytes, or NULL if there is
 * none. It is the subscriber's, and valid until subscriber_take, bus_turn or
 * bus_unsubscribe.
 */
const unsigned char *subscriber_peek(struct bus_subscriber *s, size_t *len);

/* Take off the frame that subscriber_peek has returned. */
void	 subscriber_take(struct bus_subscriber *s);

/* Return how many bytes of the stream are queued for it. */
uint64_t subscriber_queued(struct bus_subscriber *s);

/*
 * Return when senders need no longer wait for it, or 0 if they need not wait.
 * They wait for 200 ms at most, then not until it has taken all; queued is
 * what subscriber_queued has returned.
 */
int64_t	 subscriber_hold(struct bus_subscriber *s, uint64_t queued,
	    int64_t now_ms);

/*
 * Drop the messages that are queued; a frame that has been sent in part still
 * goes out whole. Returns how many were lost: 0 also if memory is short, when
 * nothing is dropped.
 */
uint64_t subscriber_drop(struct bus_subscriber *s);

#endif
