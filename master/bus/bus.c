#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "master/bus/bus.h"
#include "master/bus/retain.h"

enum {
	CHUNK_SIZE = 65536,		/* bytes, but for a longer frame */
	HOLD_FROM = 1 << 20,		/* bytes behind: senders are held … */
	HOLD_TO = 256 << 10,		/* … until so few are left */
	RANGES = 32,			/* written by one call */
};

/*
 * A part of the stream: frames one behind the other, as they go out. Where
 * they come from one origin, which is the rule under load, a subscriber takes
 * or passes over a chunk as a whole.
 */
struct bus_chunk {
	struct bus_chunk *next;
	uint64_t begin;			/* in the stream */
	size_t	 used, size;		/* bytes */
	unsigned readers;		/* subscribers that have come to it */
	uint64_t origin;		/* of all frames, but where … */
	uint64_t *origins;		/* … each has its own; else NULL */
	size_t	 nframes, norigins;
	unsigned char bytes[];
};

/* A small frame of a subscriber's own. */
struct note {
	unsigned char bytes[CRR_HEADER + 8];
	size_t	 len, sent;
};

struct bus_subscriber {
	struct bus_subscriber *next;
	struct bus_identity who;
	bool	 messages;
	bool	 counts;		/* the first one of its origin */

	struct bus_chunk *chunk;	/* where it is: NULL, at the end */
	size_t	 offset, frame;		/* the next frame's, in the chunk */
	size_t	 within;		/* bytes of it that are written */

	struct retain_frame **replay;	/* values kept, before all else */
	long	 nreplay, replayed;
	size_t	 replay_within;
	struct note note;		/* SYNCED, LAGGED */
	uint64_t synced;		/* its seq, to be told … */
	uint32_t synced_id;
	bool	 syncing;		/* … when the replay is over */

	unsigned char *rest;		/* of a frame whose chunk it has left */
	size_t	 rest_len, rest_sent;
	uint64_t lost, untold;		/* messages, of them not yet told */

	int64_t	 held_ms;		/* since when senders are held; 0 */
	bool	 slow;			/* they are not any more */
};

int
bus_init(struct bus *bus, uint64_t max)
{
	memset(bus, 0, sizeof(*bus));
	if (max == 0)
		return 0;
	bus->retained = retain_new(max);
	return bus->retained == NULL ? -1 : 0;
}

static void
free_chunk(struct bus_chunk *c)
{
	free(c->origins);
	free(c);
}

/* Let go of chunks that everybody has behind him. */
static void
trim(struct bus *bus)
{
	struct bus_chunk *c;

	while ((c = bus->first) != NULL && c->readers == 0 &&
	    (c != bus->last || c->used == c->size || bus->nsubscribers == 0)) {
		bus->first = c->next;
		if (c == bus->last)
			bus->last = NULL;
		free_chunk(c);
	}
}

void
bus_free(struct bus *bus)
{
	while (bus->subscribers != NULL)
		bus_unsubscribe(bus, bus->subscribers);
	trim(bus);
	retain_free(bus->retained);
}

const char *
bus_check(unsigned type, const unsigned char *payload, size_t len)
{
	size_t name_len = crr_get16(payload + CRR_BUS_NAME_LEN);
	size_t id_len = crr_get16(payload + CRR_BUS_ID_LEN);
	size_t fixed = CRR_BUS_FIXED + name_len + id_len;

	if (fixed > len)
		return "name and id are longer than the message";
	if (len - fixed > CRR_DATA_MAX)
		return "data of a message has at most 16777216 bytes";
	if (crr_get16(payload + CRR_BUS_FLAGS) != 0 ||
	    crr_get16(payload + CRR_BUS_ZERO) != 0)
		return "a message's flags are not for its sender to set";
	if (type != CRR_BROADCAST && id_len == 0)
		return type == CRR_SAVE ? "a SAVE needs an id" :
		    "a DELETE needs an id";
	return NULL;
}

/* The last chunk, with room for a frame. */
static struct bus_chunk *
room(struct bus *bus, size_t len)
{
	size_t size = len > CHUNK_SIZE ? len : CHUNK_SIZE;
	struct bus_chunk *c = bus->last;

	if (c != NULL && c->size - c->used >= len)
		return c;
	c = malloc(sizeof(*c) + size);
	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof(*c));
	c->begin = bus->end;
	c->size = size;
	if (bus->last != NULL)
		bus->last->next = c;
	else
		bus->first = c;
	bus->last = c;
	return c;
}

/* Make room for one origin more; the first time, all before had the same. */
static int
grow_origins(struct bus_chunk *c)
{
	uint64_t *origins;
	size_t i, n;

	n = c->nframes < 64 ? 128 : 2 * c->nframes;
	origins = realloc(c->origins, n * sizeof(*origins));
	if (origins == NULL)
		return -1;
	for (i = 0; c->origins == NULL && i < c->nframes; i++)
		origins[i] = c->origin;
	c->origins = origins;
	c->norigins = n;
	return 0;
}

/* Note whose a chunk's next frame is. */
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

static unsigned
outgoing(unsigned type)
{
	return type == CRR_BROADCAST ? CRR_MESSAGE :
	    type == CRR_SAVE ? CRR_SAVED : CRR_DELETED;
}

/* What the sender says of itself is not taken for true. */
static void
write_frame(unsigned char *frame, unsigned type, uint64_t seq,
    const struct bus_identity *who, const unsigned char *payload, size_t len)
{
	unsigned char *p = frame + CRR_HEADER;

	crr_header(frame, (enum crr_type)outgoing(type), (uint32_t)len, 0);
	memcpy(p, payload, len);
	crr_put64(p + CRR_BUS_SEQ, seq);
	crr_put32(p + CRR_BUS_PID, (uint32_t)who->pid);
	crr_put32(p + CRR_BUS_WORKER, (uint32_t)who->worker);
}

static void
keep(struct bus *bus, unsigned type, const unsigned char *frame, size_t len)
{
	if (bus->retained == NULL)
		return;
	if (type == CRR_SAVE)
		retain_save(bus->retained, frame, len);
	else if (type == CRR_DELETE)
		retain_delete(bus->retained, frame);
}

/* One that had come to the end is at the new frame. */
static void
arrive(struct bus *bus, struct bus_chunk *c)
{
	struct bus_subscriber *s;

	for (s = bus->subscribers; s != NULL; s = s->next) {
		if (s->chunk != NULL || !s->messages)
			continue;
		s->chunk = c;
		s->offset = c->used;
		s->frame = c->nframes;
		s->within = 0;
		c->readers++;
	}
}

int
bus_publish(struct bus *bus, unsigned type, const struct bus_identity *who,
    const unsigned char *payload, size_t len, uint64_t *seq)
{
	struct bus_chunk *c;
	unsigned char *frame;

	c = room(bus, CRR_HEADER + len);
	if (c == NULL || note_origin(c, who->origin) == -1)
		return -1;
	*seq = ++bus->seq;
	frame = c->bytes + c->used;
	write_frame(frame, type, *seq, who, payload, len);
	keep(bus, type, frame, CRR_HEADER + len);
	if (bus->nsubscribers == 0)
		return 0;		/* written over by the next one */
	arrive(bus, c);
	c->used += CRR_HEADER + len;
	c->nframes++;
	bus->end += CRR_HEADER + len;
	return 0;
}

unsigned
bus_receivers(const struct bus *bus, const struct bus_identity *who)
{
	const struct bus_subscriber *s;
	unsigned n = 0;

	for (s = bus->subscribers; s != NULL; s = s->next)
		n += s->counts && s->who.origin != who->origin;
	return n;
}

static struct bus_subscriber *
find_worker(const struct bus *bus, uint64_t origin)
{
	struct bus_subscriber *s;

	for (s = bus->subscribers; s != NULL; s = s->next) {
		if (s->messages && s->who.worker != -1 &&
		    s->who.origin == origin)
			return s;
	}
	return NULL;
}

struct bus_subscriber *
bus_subscribe(struct bus *bus, const struct bus_identity *who, bool messages,
    bool retained, uint32_t id)
{
	struct bus_subscriber *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	if (retained && bus->retained != NULL) {
		s->nreplay = retain_all(bus->retained, &s->replay);
		if (s->nreplay == -1) {
			free(s);
			return NULL;
		}
	}
	s->who = *who;
	s->messages = messages;
	s->counts = messages && who->worker != -1 &&
	    find_worker(bus, who->origin) == NULL;
	s->syncing = true;
	s->synced = bus->seq;
	s->synced_id = id;
	s->next = bus->subscribers;
	bus->subscribers = s;
	bus->nsubscribers++;
	return s;
}

static void
leave(struct bus_subscriber *s)
{
	if (s->chunk != NULL)
		s->chunk->readers--;
	s->chunk = NULL;
	s->within = 0;
}

void
bus_unsubscribe(struct bus *bus, struct bus_subscriber *s)
{
	struct bus_subscriber **at, *heir;

	for (at = &bus->subscribers; *at != s; at = &(*at)->next)
		continue;
	*at = s->next;
	bus->nsubscribers--;
	leave(s);
	if (s->counts && (heir = find_worker(bus, s->who.origin)) != NULL)
		heir->counts = true;
	while (s->replayed < s->nreplay)
		retain_drop(s->replay[s->replayed++]);
	free(s->replay);
	free(s->rest);
	free(s);
	trim(bus);
}

static size_t
frame_size(const struct bus_chunk *c, size_t offset)
{
	return CRR_HEADER + crr_get32(c->bytes + offset + 8);
}

static bool
is_own(const struct bus_subscriber *s, const struct bus_chunk *c, size_t frame)
{
	return (c->origins == NULL ? c->origin : c->origins[frame]) ==
	    s->who.origin;
}

static void
next_chunk(struct bus_subscriber *s)
{
	s->chunk->readers--;
	s->chunk = s->chunk->next;
	s->offset = s->frame = 0;
	if (s->chunk != NULL)
		s->chunk->readers++;
}

/* Pass over the ends of chunks and over what comes from the subscriber's own
 * worker, up to a frame for it or to the end. */
static void
settle(struct bus_subscriber *s)
{
	struct bus_chunk *c;

	while (s->within == 0 && (c = s->chunk) != NULL) {
		if (s->offset == c->used)
			next_chunk(s);
		else if (!is_own(s, c, s->frame))
			return;
		else if (c->origins == NULL) {
			s->offset = c->used;
			s->frame = c->nframes;
		} else {
			s->offset += frame_size(c, s->offset);
			s->frame++;
		}
	}
}

/* What may go out from the offset on: to the end of the chunk, or to the next
 * frame that the subscriber does not get. */
static size_t
range_end(const struct bus_subscriber *s, const struct bus_chunk *c,
    size_t offset, size_t frame)
{
	if (c->origins == NULL)
		return c->used;
	while (offset < c->used && !is_own(s, c, frame)) {
		offset += frame_size(c, offset);
		frame++;
	}
	return offset;
}

/* Ranges of the stream, from where the subscriber is. */
static int
gather(const struct bus_subscriber *s, struct iovec *iov)
{
	const struct bus_chunk *c = s->chunk;
	size_t offset = s->offset, frame = s->frame, within = s->within, end;
	int n = 0;

	while (c != NULL && n < RANGES) {
		end = range_end(s, c, offset, frame);
		if (end > offset) {
			iov[n].iov_base = (void *)(uintptr_t)(c->bytes +
			    offset + within);
			iov[n].iov_len = end - offset - within;
			n++;
		}
		/* What begins behind another's frame is for the next call. */
		if (end < c->used)
			break;
		c = c->next;
		offset = frame = within = 0;
		if (c != NULL && c->origins == NULL && is_own(s, c, 0))
			break;
	}
	return n;
}

static void
advance(struct bus_subscriber *s, size_t n)
{
	struct bus_chunk *c;
	size_t left;

	while (n > 0) {
		c = s->chunk;
		left = frame_size(c, s->offset) - s->within;
		if (n < left) {
			s->within += n;
			return;
		}
		n -= left;
		s->offset += s->within + left;
		s->within = 0;
		s->frame++;
		if (s->offset == c->used)
			next_chunk(s);
	}
}

/* As sendmsg(2) returns, 0 for EAGAIN. */
static ssize_t
send_ranges(int fd, struct iovec *iov, int n)
{
	struct msghdr msg;
	ssize_t sent;

	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = iov;
	msg.msg_iovlen = (size_t)n;
	do {
		sent = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (sent == -1 && errno == EINTR);
	if (sent == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	return sent;
}

static ssize_t
send_bytes(int fd, const unsigned char *bytes, size_t len)
{
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)bytes,
		.iov_len = len,
	};

	return send_ranges(fd, &iov, 1);
}

static void
set_note(struct bus_subscriber *s, enum crr_type type, uint32_t id,
    uint64_t value)
{
	crr_header(s->note.bytes, type, 8, id);
	crr_put64(s->note.bytes + CRR_HEADER, value);
	s->note.len = sizeof(s->note.bytes);
	s->note.sent = 0;
}

/* What is to be said next beside the stream, at the end of a frame. */
static void
next_note(struct bus_subscriber *s)
{
	if (s->syncing && s->replayed == s->nreplay) {
		set_note(s, CRR_SYNCED, s->synced_id, s->synced);
		s->syncing = false;
	} else if (!s->syncing && s->untold > 0) {
		set_note(s, CRR_LAGGED, 0, s->untold);
		s->untold = 0;
	}
}

enum source { NOTHING, REST, NOTE, REPLAY, STREAM };

/* Where the next bytes come from. */
static enum source
source(struct bus_subscriber *s)
{
	if (s->rest != NULL)
		return REST;
	if (s->note.sent == s->note.len && s->within == 0 &&
	    s->replay_within == 0)
		next_note(s);
	if (s->note.sent < s->note.len)
		return NOTE;
	if (s->replayed < s->nreplay)
		return REPLAY;
	settle(s);
	return s->chunk == NULL ? NOTHING : STREAM;
}

bool
bus_pending(struct bus_subscriber *s)
{
	return source(s) != NOTHING;
}

bool
bus_is_within(const struct bus_subscriber *s)
{
	return s->rest != NULL || s->within > 0 || s->replay_within > 0 ||
	    (s->note.sent > 0 && s->note.sent < s->note.len);
}

static ssize_t
write_rest(struct bus_subscriber *s, int fd)
{
	ssize_t n;

	n = send_bytes(fd, s->rest + s->rest_sent, s->rest_len - s->rest_sent);
	if (n <= 0)
		return n;
	s->rest_sent += (size_t)n;
	if (s->rest_sent == s->rest_len) {
		free(s->rest);
		s->rest = NULL;
	}
	return n;
}

static ssize_t
write_replay(struct bus_subscriber *s, int fd)
{
	struct retain_frame *f = s->replay[s->replayed];
	ssize_t n;

	n = send_bytes(fd, f->bytes + s->replay_within,
	    f->len - s->replay_within);
	if (n <= 0)
		return n;
	s->replay_within += (size_t)n;
	if (s->replay_within == f->len) {
		retain_drop(f);
		s->replayed++;
		s->replay_within = 0;
	}
	return n;
}

static ssize_t
write_stream(struct bus_subscriber *s, int fd, bool one)
{
	struct iovec iov[RANGES];
	ssize_t n;
	int ranges;

	ranges = gather(s, iov);
	if (one) {
		ranges = 1;
		iov[0].iov_len = frame_size(s->chunk, s->offset) - s->within;
	}
	n = send_ranges(fd, iov, ranges);
	if (n > 0)
		advance(s, (size_t)n);
	return n;
}

/* Returns as sendmsg(2) does; 0: nothing is taken, or there is nothing. */
static ssize_t
write_some(struct bus_subscriber *s, int fd, bool one)
{
	ssize_t n = 0;

	switch (source(s)) {
	case NOTHING:
		break;
	case REST:
		return write_rest(s, fd);
	case NOTE:
		n = send_bytes(fd, s->note.bytes + s->note.sent,
		    s->note.len - s->note.sent);
		if (n > 0)
			s->note.sent += (size_t)n;
		break;
	case REPLAY:
		return write_replay(s, fd);
	case STREAM:
		return write_stream(s, fd, one);
	}
	return n;
}

/* Something has been read: if it was all there is, senders may wait for the
 * subscriber again. */
static void
note_read(struct bus *bus, struct bus_subscriber *s)
{
	if (source(s) == NOTHING)
		s->slow = false;
	trim(bus);
}

int
bus_write(struct bus *bus, struct bus_subscriber *s, int fd)
{
	ssize_t n;

	while ((n = write_some(s, fd, false)) > 0)
		continue;
	note_read(bus, s);
	return n == -1 ? -1 : 0;
}

int
bus_finish(struct bus_subscriber *s, int fd)
{
	ssize_t n = 0;

	while (bus_is_within(s) && (n = write_some(s, fd, true)) > 0)
		continue;
	return n == -1 ? -1 : 0;
}

const unsigned char *
bus_peek(struct bus_subscriber *s, size_t *len)
{
	switch (source(s)) {
	case NOTHING:
	case REST:
		break;
	case NOTE:
		*len = s->note.len;
		return s->note.bytes;
	case REPLAY:
		*len = s->replay[s->replayed]->len;
		return s->replay[s->replayed]->bytes;
	case STREAM:
		*len = frame_size(s->chunk, s->offset);
		return s->chunk->bytes + s->offset;
	}
	return NULL;
}

void
bus_taken(struct bus *bus, struct bus_subscriber *s)
{
	switch (source(s)) {
	case NOTHING:
	case REST:
		break;
	case NOTE:
		s->note.sent = s->note.len;
		break;
	case REPLAY:
		retain_drop(s->replay[s->replayed++]);
		break;
	case STREAM:
		advance(s, frame_size(s->chunk, s->offset));
		break;
	}
	note_read(bus, s);
}

static uint64_t
behind(const struct bus *bus, struct bus_subscriber *s)
{
	settle(s);
	if (s->chunk == NULL)
		return 0;
	return bus->end - (s->chunk->begin + s->offset + s->within);
}

/* The rest of a frame that is half out; -1 with ENOMEM. */
static int
save_rest(struct bus_subscriber *s)
{
	const struct bus_chunk *c = s->chunk;
	size_t size;

	if (s->within == 0)
		return 0;
	size = frame_size(c, s->offset);
	s->rest = malloc(size - s->within);
	if (s->rest == NULL)
		return -1;
	memcpy(s->rest, c->bytes + s->offset + s->within, size - s->within);
	s->rest_len = size - s->within;
	s->rest_sent = 0;
	s->offset += size;
	s->frame++;
	s->within = 0;
	return 0;
}

static uint64_t
count_left(const struct bus_subscriber *s)
{
	const struct bus_chunk *c;
	size_t frame = s->frame;
	uint64_t n = 0;

	for (c = s->chunk; c != NULL; c = c->next) {
		for (; frame < c->nframes; frame++)
			n += !is_own(s, c, frame);
		frame = 0;
	}
	return n;
}

/* Drop all that is queued; what has begun goes out whole. One that can't be
 * served even so is dropped later, when there is memory again. */
static void
drop(struct bus *bus, struct bus_subscriber *s)
{
	uint64_t n;

	if (s->rest == NULL && save_rest(s) == -1)
		return;
	n = count_left(s);
	s->lost += n;
	s->untold += n;
	bus->lost += n;
	leave(s);
}

/* Senders wait for one that reads, not for one that doesn't. */
static bool
holds(struct bus_subscriber *s, uint64_t queued, int64_t now_ms)
{
	if (queued <= HOLD_TO || s->slow) {
		s->held_ms = 0;
		return false;
	}
	if (s->held_ms == 0 && queued <= HOLD_FROM)
		return false;
	if (s->held_ms == 0)
		s->held_ms = now_ms;
	s->slow = now_ms - s->held_ms >= BUS_HOLD_MS;
	return !s->slow;
}

bool
bus_turn(struct bus *bus, int64_t now_ms, int64_t *due_ms)
{
	struct bus_subscriber *s;
	bool hold = false;
	uint64_t queued;

	*due_ms = 0;
	for (s = bus->subscribers; s != NULL; s = s->next) {
		queued = behind(bus, s);
		if (holds(s, queued, now_ms)) {
			hold = true;
			if (*due_ms == 0 || s->held_ms + BUS_HOLD_MS < *due_ms)
				*due_ms = s->held_ms + BUS_HOLD_MS;
		}
		if (queued > (s->slow ? BUS_QUEUE_MAX : BUS_QUEUE_HARD))
			drop(bus, s);
	}
	trim(bus);
	return hold;
}

struct bus_counts
bus_counts(const struct bus *bus)
{
	struct bus_counts c = { 0, 0, 0 };

	if (bus->retained != NULL) {
		c.retained = retain_bytes(bus->retained);
		c.retain_max = retain_max(bus->retained);
		c.nretained = retain_count(bus->retained);
	}
	return c;
}

struct bus_subscriber *
bus_next(const struct bus *bus, struct bus_subscriber *s,
    struct bus_identity *who, uint64_t *queued, uint64_t *lost)
{
	s = s == NULL ? bus->subscribers : s->next;
	if (s == NULL)
		return NULL;
	*who = s->who;
	*queued = behind(bus, s);
	*lost = s->lost;
	return s;
}
