#include <stdlib.h>
#include <string.h>

#include "master/bus/stream.h"

enum {
	CHUNK_SIZE = 65536,		/* bytes, unless one frame is longer */
	ORIGINS_MIN = 128,		/* frames that get one of their own */
};

static void
free_chunk(struct bus_chunk *c)
{
	free(c->origins);
	free(c);
}

/* The last chunk is kept for the next frames while anybody may read them. */
void
stream_trim(struct bus_stream *stream)
{
	struct bus_chunk *c;

	while ((c = stream->first) != NULL && c->readers == 0 &&
	    (c != stream->last || c->used == c->size ||
	    stream->nsubscribers == 0)) {
		stream->first = c->next;
		if (c == stream->last)
			stream->last = NULL;
		free_chunk(c);
	}
}

/* The last chunk, with room for a frame; NULL with ENOMEM. */
static struct bus_chunk *
find_room(struct bus_stream *stream, size_t len)
{
	size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;
	struct bus_chunk *c = stream->last;

	if (c != NULL && c->size - c->used >= len)
		return c;
	c = malloc(sizeof(*c) + size);
	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->begin = stream->end;
	c->size = size;
	if (stream->last != NULL)
		stream->last->next = c;
	else
		stream->first = c;
	stream->last = c;
	return c;
}

/* Make room for one more origin. Without a list, all frames had the same. */
static int
grow_origins(struct bus_chunk *c)
{
	uint64_t *origins;
	size_t i, n;

	n = c->nframes < ORIGINS_MIN / 2 ? ORIGINS_MIN : 2 * c->nframes;
	origins = realloc(c->origins, n * sizeof(*origins));
	if (origins == NULL)
		return -1;
	for (i = 0; c->origins == NULL && i < c->nframes; i++)
		origins[i] = c->origin;
	c->origins = origins;
	c->norigins = n;
	return 0;
}

/* Note the origin of a chunk's next frame. */
static int
note_origin(struct bus_chunk *c, uint64_t origin)
{
	if (c->nframes == 0)
		c->origin = origin;
	if (c->origins == NULL && c->origin == origin)
		return 0;
	if ((c->origins == NULL || c->nframes >= c->norigins) &&
	    grow_origins(c) == -1)
		return -1;
	c->origins[c->nframes] = origin;
	return 0;
}

struct bus_chunk *
stream_write(struct bus_stream *stream, unsigned type, uint64_t seq,
    const struct bus_identity *who, const unsigned char *payload, size_t len)
{
	struct bus_chunk *c;
	unsigned char *frame, *p;

	c = find_room(stream, CRR_HEADER + len);
	if (c == NULL || note_origin(c, who->origin) == -1)
		return NULL;
	frame = c->bytes + c->used;
	crr_header(frame, type == CRR_BROADCAST ? CRR_MESSAGE :
	    type == CRR_SAVE ? CRR_SAVED : CRR_DELETED, (uint32_t)len, 0);
	p = frame + CRR_HEADER;
	memcpy(p, payload, len);
	crr_put64(p + CRR_BUS_SEQ, seq);
	crr_put32(p + CRR_BUS_PID, (uint32_t)who->pid);
	crr_put32(p + CRR_BUS_WORKER, (uint32_t)who->worker);
	return c;
}

void
stream_add(struct bus_stream *stream, struct bus_chunk *c, size_t len)
{
	c->used += len;
	c->nframes++;
	stream->end += len;
}

size_t
stream_frame_len(const struct bus_chunk *c, size_t offset)
{
	return CRR_HEADER + crr_get32(c->bytes + offset + 8);
}

bool
stream_is_from(const struct bus_chunk *c, size_t frame, uint64_t origin)
{
	return (c->origins == NULL ? c->origin : c->origins[frame]) == origin;
}
