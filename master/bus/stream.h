/*
 * The stream of the bus: messages in their order, each stored once, as the
 * frame that goes out. It is kept in chunks, which live until every subscriber
 * has passed them. Knows where each frame comes from, and not who reads it.
 */
#ifndef MASTER_BUS_STREAM_H
#define MASTER_BUS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ipc.h"

/* Who sends a message, or subscribes. */
struct bus_identity {
	uint64_t origin;		/* messages don't go back to it */
	int	 worker;		/* id; -1: not a worker */
	int	 pid;
};

/*
 * A part of the stream: whole frames, one after another. Under load they
 * usually have one origin, and a subscriber takes or skips the whole chunk.
 */
struct bus_chunk {
	struct bus_chunk *next;
	uint64_t begin;			/* bytes of the stream before it */
	size_t	 used, size;		/* bytes */
	unsigned readers;		/* subscribers whose place is in it */
	uint64_t origin;		/* of all frames, if origins is NULL */
	uint64_t *origins;		/* of each frame; or NULL */
	size_t	 nframes;
	size_t	 norigins;		/* for which origins has room */
	unsigned char bytes[];
};

/* All zero: empty. */
struct bus_stream {
	struct bus_chunk *first, *last;	/* NULL: none is kept */
	uint64_t end;			/* bytes from the start to the end */
	unsigned nsubscribers;		/* 0: nothing need be kept */
};

/*
 * Write a message as the frame that goes out behind the last one, which is not
 * part of the stream until stream_add. type is CRR_BROADCAST, SAVE or DELETE.
 * seq and who are the true ones, whatever payload says of itself. Returns the
 * chunk, with the frame at bytes + used, or NULL with ENOMEM.
 */
struct bus_chunk *stream_write(struct bus_stream *stream, unsigned type,
	    uint64_t seq, const struct bus_identity *who,
	    const unsigned char *payload, size_t len);

/* Make the frame that stream_write has left in its chunk part of the stream;
 * len is the frame's, in bytes, with its header. */
void	 stream_add(struct bus_stream *stream, struct bus_chunk *c, size_t len);

/* Free the chunks that all subscribers have passed. */
void	 stream_trim(struct bus_stream *stream);

/* Return how many bytes the frame at an offset of a chunk has. */
size_t	 stream_frame_len(const struct bus_chunk *c, size_t offset);

/* Tell whether a frame of a chunk, counted from 0, comes from the origin. */
bool	 stream_is_from(const struct bus_chunk *c, size_t frame,
	    uint64_t origin);

#endif
