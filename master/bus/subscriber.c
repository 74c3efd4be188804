#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "master/bus/subscriber.h"

enum {
	HOLD_FROM = 1 << 20,		/* bytes queued: senders are held … */
	HOLD_TO = 256 << 10,		/* … until no more than these are */
	HOLD_MS = 200,			/* at most */
	RANGES = 32,			/* written by one call */
};

/* Where the next bytes come from. */
enum source { NOTHING, REST, NOTE, REPLAY, STREAM };

struct bus_subscriber *
subscriber_new(struct bus_stream *stream, const struct bus_identity *who,
    struct retain_frame **replay, long nreplay, uint64_t seq, uint32_t id)
{
	struct bus_subscriber *s;

	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->stream = stream;
	s->who = *who;
	s->replay = replay;
	s->nreplay = nreplay;
	s->syncing = true;
	s->synced = seq;
	s->synced_id = id;
	return s;
}

static void
leave_stream(struct bus_subscriber *s)
{
	if (s->chunk != NULL)
		s->chunk->readers--;
	s->chunk = NULL;
	s->within = 0;
}

void
subscriber_free(struct bus_subscriber *s)
{
	leave_stream(s);
	while (s->replayed < s->nreplay)
		retain_drop(s->replay[s->replayed++]);
	free(s->replay);
	free(s->rest);
	free(s);
}

void
subscriber_arrive(struct bus_subscriber *s, struct bus_chunk *c)
{
	s->chunk = c;
	s->offset = c->used;
	s->frame = c->nframes;
	s->within = 0;
	c->readers++;
}

static bool
is_own(const struct bus_subscriber *s, const struct bus_chunk *c, size_t frame)
{
	return stream_is_from(c, frame, s->who.origin);
}

static void
enter_next_chunk(struct bus_subscriber *s)
{
	s->chunk->readers--;
	s->chunk = s->chunk->next;
	s->offset = s->frame = 0;
	if (s->chunk != NULL)
		s->chunk->readers++;
}

/* Move to the next frame that the subscriber takes, or to the end. */
static void
skip_own(struct bus_subscriber *s)
{
	struct bus_chunk *c;

	while (s->within == 0 && (c = s->chunk) != NULL) {
		if (s->offset == c->used)
			enter_next_chunk(s);
		else if (!is_own(s, c, s->frame))
			return;
		else if (c->origins == NULL) {
			s->offset = c->used;
			s->frame = c->nframes;
		} else {
			s->offset += stream_frame_len(c, s->offset);
			s->frame++;
		}
	}
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

/* Between two frames: is anything to be said beside the stream? */
static void
write_note(struct bus_subscriber *s)
{
	if (s->syncing && s->replayed == s->nreplay) {
		set_note(s, CRR_SYNCED, s->synced_id, s->synced);
		s->syncing = false;
	} else if (!s->syncing && s->untold > 0) {
		set_note(s, CRR_LAGGED, 0, s->untold);
		s->untold = 0;
	}
}

static enum source
find_source(struct bus_subscriber *s)
{
	if (s->rest != NULL)
		return REST;
	if (s->note.sent == s->note.len && s->within == 0 &&
	    s->replay_within == 0)
		write_note(s);
	if (s->note.sent < s->note.len)
		return NOTE;
	if (s->replayed < s->nreplay)
		return REPLAY;
	skip_own(s);
	return s->chunk == NULL ? NOTHING : STREAM;
}

bool
subscriber_pending(struct bus_subscriber *s)
{
	return find_source(s) != NOTHING;
}

bool
subscriber_is_within(const struct bus_subscriber *s)
{
	return s->rest != NULL || s->within > 0 || s->replay_within > 0 ||
	    (s->note.sent > 0 && s->note.sent < s->note.len);
}

/* Where the bytes end that may go out from an offset on: at the next frame
 * that the subscriber does not take, or with the chunk. */
static size_t
find_range_end(const struct bus_subscriber *s, const struct bus_chunk *c,
    size_t offset, size_t frame)
{
	if (c->origins == NULL)
		return c->used;
	while (offset < c->used && !is_own(s, c, frame)) {
		offset += stream_frame_len(c, offset);
		frame++;
	}
	return offset;
}

static void
set_range(struct iovec *iov, const unsigned char *bytes, size_t begin,
    size_t end)
{
	iov->iov_base = (void *)(uintptr_t)(bytes + begin);
	iov->iov_len = end - begin;
}

/* Ranges of the stream from the subscriber's place on; or one frame. */
static int
gather_stream(const struct bus_subscriber *s, struct iovec *iov, bool one)
{
	const struct bus_chunk *c = s->chunk;
	size_t offset = s->offset, frame = s->frame, within = s->within, end;
	int n = 0;

	if (one) {
		end = offset + stream_frame_len(c, offset);
		set_range(iov, c->bytes, offset + within, end);
		return 1;
	}
	while (c != NULL && n < RANGES) {
		end = find_range_end(s, c, offset, frame);
		if (end > offset)
			set_range(&iov[n++], c->bytes, offset + within, end);
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

/* Say what goes out next: from the stream many frames, unless one is asked
 * for; else always one. Returns how many ranges of iov are set. */
static int
gather_ranges(const struct bus_subscriber *s, enum source from,
    struct iovec *iov, bool one)
{
	const struct retain_frame *f;

	switch (from) {
	case NOTHING:
		return 0;
	case REST:
		set_range(iov, s->rest, s->rest_sent, s->rest_len);
		break;
	case NOTE:
		set_range(iov, s->note.bytes, s->note.sent, s->note.len);
		break;
	case REPLAY:
		f = s->replay[s->replayed];
		set_range(iov, f->bytes, s->replay_within, f->len);
		break;
	case STREAM:
		return gather_stream(s, iov, one);
	}
	return 1;
}

static void
advance_stream(struct bus_subscriber *s, size_t n)
{
	struct bus_chunk *c;
	size_t left;

	while (n > 0) {
		c = s->chunk;
		left = stream_frame_len(c, s->offset) - s->within;
		if (n < left) {
			s->within += n;
			return;
		}
		n -= left;
		s->offset += s->within + left;
		s->within = 0;
		s->frame++;
		if (s->offset == c->used)
			enter_next_chunk(s);
	}
}

/* Note that n bytes of what gather said have gone out. */
static void
advance_place(struct bus_subscriber *s, enum source from, size_t n)
{
	switch (from) {
	case NOTHING:
		break;
	case REST:
		s->rest_sent += n;
		if (s->rest_sent == s->rest_len) {
			free(s->rest);
			s->rest = NULL;
		}
		break;
	case NOTE:
		s->note.sent += n;
		break;
	case REPLAY:
		s->replay_within += n;
		if (s->replay_within == s->replay[s->replayed]->len) {
			retain_drop(s->replay[s->replayed++]);
			s->replay_within = 0;
		}
		break;
	case STREAM:
		advance_stream(s, n);
		break;
	}
}

static int
write_frames(struct bus_subscriber *s, int fd, bool finish)
{
	struct iovec iov[RANGES];
	struct msghdr msg;
	enum source from;
	ssize_t n;

	while ((!finish || subscriber_is_within(s)) &&
	    (from = find_source(s)) != NOTHING) {
		memset(&msg, 0, sizeof(msg));
		msg.msg_iov = iov;
		msg.msg_iovlen = (size_t)gather_ranges(s, from, iov, finish);
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
		advance_place(s, from, (size_t)n);
	}
	return 0;
}

/* Senders may wait again for one that has read all there was. */
static void
end_slowness(struct bus_subscriber *s)
{
	if (find_source(s) == NOTHING)
		s->slow = false;
	stream_trim(s->stream);
}

int
subscriber_write(struct bus_subscriber *s, int fd)
{
	int rc;

	rc = write_frames(s, fd, false);
	end_slowness(s);
	return rc;
}

int
subscriber_finish(struct bus_subscriber *s, int fd)
{
	return write_frames(s, fd, true);
}

const unsigned char *
subscriber_peek(struct bus_subscriber *s, size_t *len)
{
	struct iovec iov;

	if (gather_ranges(s, find_source(s), &iov, true) == 0)
		return NULL;
	*len = iov.iov_len;
	return iov.iov_base;
}

void
subscriber_take(struct bus_subscriber *s)
{
	const enum source from = find_source(s);
	struct iovec iov;

	if (gather_ranges(s, from, &iov, true) == 1)
		advance_place(s, from, iov.iov_len);
	end_slowness(s);
}

uint64_t
subscriber_queued(struct bus_subscriber *s)
{
	skip_own(s);
	if (s->chunk == NULL)
		return 0;
	return s->stream->end - (s->chunk->begin + s->offset + s->within);
}

int64_t
subscriber_hold(struct bus_subscriber *s, uint64_t queued, int64_t now_ms)
{
	if (queued <= HOLD_TO || s->slow) {
		s->held_ms = 0;
		return 0;
	}
	if (s->held_ms == 0 && queued <= HOLD_FROM)
		return 0;
	if (s->held_ms == 0)
		s->held_ms = now_ms;
	s->slow = now_ms - s->held_ms >= HOLD_MS;
	return s->slow ? 0 : s->held_ms + HOLD_MS;
}

/* Copy what is left of a frame that has been sent in part. Returns 0, or -1
 * with ENOMEM. */
static int
save_rest(struct bus_subscriber *s)
{
	const struct bus_chunk *c = s->chunk;
	size_t size;

	if (s->within == 0)
		return 0;
	size = stream_frame_len(c, s->offset);
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

uint64_t
subscriber_drop(struct bus_subscriber *s)
{
	uint64_t n;

	if (s->rest == NULL && save_rest(s) == -1)
		return 0;
	n = count_left(s);
	s->lost += n;
	s->untold += n;
	leave_stream(s);
	return n;
}
