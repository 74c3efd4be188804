#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/passfd.h"
#include "base/pile.h"
#include "master/node/channel.h"

enum {
	READ_SIZE = 65536,		/* bytes: the least room for a read */
	LINE_MAX_BYTES = CRR_DATA_MAX + 4096,
	OUT_ENOUGH = 256 << 10,		/* bytes queued as lines */
};

/* A descriptor that goes out with a line. */
struct passed {
	size_t	 before;		/* bytes of out before the line */
	size_t	 len;			/* bytes of the line */
	int	 fd;			/* ours */
};

struct channel {
	int	 fd;
	int	 pid;			/* of the sender, as others are told */
	struct bus_subscriber *subscriber;
	struct pile in, out;
	size_t	 said;			/* bytes of in: the line said last */
	size_t	 scanned;		/* bytes of in: hold no newline */
	bool	 dismissed;		/* told to leave */
	bool	 skipping;		/* the rest of a line too long */
	struct passed *passed;		/* in the order of their lines */
	size_t	 npassed;
	unsigned char *payload;		/* of the words said last; or NULL */
};

struct channel *
channel_open(struct bus *bus, const struct bus_identity *who, int fd)
{
	struct channel *ch;

	ch = calloc(1, sizeof(*ch));
	if (ch != NULL)
		ch->subscriber = bus_subscribe(bus, who, true, true, 0);
	if (ch == NULL || ch->subscriber == NULL) {
		free(ch);
		close(fd);
		return NULL;
	}
	ch->pid = who->pid;
	ch->fd = fd;
	return ch;
}

void
channel_close(struct bus *bus, struct channel *ch)
{
	if (ch == NULL)
		return;
	bus_unsubscribe(bus, ch->subscriber);
	close(ch->fd);
	while (ch->npassed > 0)
		close(ch->passed[--ch->npassed].fd);
	free(ch->passed);
	pile_free(&ch->in);
	pile_free(&ch->out);
	free(ch->payload);
	free(ch);
}

int
channel_read(struct channel *ch)
{
	ssize_t got;

	if (pile_reserve(&ch->in, READ_SIZE) == -1)
		return 0;
	got = recv(ch->fd, ch->in.bytes + ch->in.end, ch->in.size - ch->in.end,
	    MSG_DONTWAIT);
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (got <= 0)
		return -1;
	ch->in.end += (size_t)got;
	return 0;
}

bool
channel_is_readable(const struct channel *ch)
{
	char byte;

	return recv(ch->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

bool
channel_is_cut(const struct channel *ch)
{
	return pile_len(&ch->in) > ch->said;
}

int
channel_fd(const struct channel *ch)
{
	return ch->fd;
}

/* Returns the length of the next line, or -1 if it has not come whole. */
static ssize_t
find_line(struct channel *ch, struct words *said)
{
	const char *line = ch->in.bytes + ch->in.begin, *newline;
	size_t used = pile_len(&ch->in);

	newline = used == ch->scanned ? NULL :
	    memchr(line + ch->scanned, '\n', used - ch->scanned);
	if (newline != NULL) {
		ch->scanned = 0;
		return newline - line;
	}
	ch->scanned = used;
	if (used > LINE_MAX_BYTES && !ch->skipping) {
		ch->skipping = true;
		said->kind = WORDS_WRONG;
		said->why = "a line is longer than 16 MiB";
	}
	if (ch->skipping) {
		pile_use(&ch->in, used);
		ch->scanned = 0;
	}
	return -1;
}

void
channel_next(struct channel *ch, struct words *said)
{
	ssize_t len;

	*said = (struct words){ .kind = WORDS_NONE };
	pile_use(&ch->in, ch->said);
	ch->said = 0;
	free(ch->payload);
	ch->payload = NULL;
	len = find_line(ch, said);
	if (len == -1)
		return;
	ch->said = (size_t)len + 1;
	if (ch->skipping) {
		ch->skipping = false;
		said->kind = WORDS_OTHER;
		return;
	}
	words_read(said, ch->in.bytes + ch->in.begin, (size_t)len, ch->pid);
	ch->payload = said->payload;
}

/* What a worker does not read is better kept in the bus, which has it once for
 * all workers. */
static void
convert_frames(struct channel *ch)
{
	const unsigned char *bytes;
	struct crr_frame f;
	size_t len;

	while (pile_len(&ch->out) < OUT_ENOUGH &&
	    (bytes = subscriber_peek(ch->subscriber, &len)) != NULL) {
		/* Where memory is short, the frame stays queued. */
		if (crr_parse(bytes, len, &f) == CRR_FRAME &&
		    words_write(&ch->out, &f) == -1)
			return;
		subscriber_take(ch->subscriber);
	}
}

bool
channel_pending(struct channel *ch)
{
	return pile_len(&ch->out) > 0 || subscriber_pending(ch->subscriber);
}

/* Let a copy of fd go out with a line. Returns 0, or -1 and errno. */
static int
queue_passed(struct channel *ch, size_t before, size_t len, int fd)
{
	struct passed *passed;

	passed = realloc(ch->passed, (ch->npassed + 1) * sizeof(*passed));
	if (passed == NULL)
		return -1;
	ch->passed = passed;
	passed += ch->npassed;
	passed->before = before;
	passed->len = len;
	passed->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (passed->fd == -1)
		return -1;
	ch->npassed++;
	return 0;
}

int
channel_say(struct channel *ch, const char *line, size_t len, int fd)
{
	size_t before = pile_len(&ch->out);

	if (pile_append(&ch->out, line, len) == -1)
		return -1;
	if (fd != -1 && queue_passed(ch, before, len, fd) == -1) {
		ch->out.end -= len;
		return -1;
	}
	return 0;
}

void
channel_dismiss(struct channel *ch)
{
	ch->dismissed = true;
}

bool
channel_is_dismissed(const struct channel *ch)
{
	return ch->dismissed;
}

/* A line that a descriptor goes with is sent by itself: Node takes descriptors
 * from the piece in which their line ends. */
static ssize_t
send_some(struct channel *ch)
{
	const char *bytes = ch->out.bytes + ch->out.begin;
	size_t len = pile_len(&ch->out), i;
	ssize_t sent;

	if (ch->npassed > 0 && ch->passed[0].before == 0) {
		sent = passfd_send(ch->fd, bytes, ch->passed[0].len,
		    ch->passed[0].fd, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent == -1)
			return -1;
		close(ch->passed[0].fd);
		ch->npassed--;
		memmove(ch->passed, ch->passed + 1,
		    ch->npassed * sizeof(*ch->passed));
	} else {
		if (ch->npassed > 0 && ch->passed[0].before < len)
			len = ch->passed[0].before;
		sent = send(ch->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	for (i = 0; sent > 0 && i < ch->npassed; i++)
		ch->passed[i].before -= (size_t)sent;
	return sent;
}

int
channel_write(struct channel *ch)
{
	ssize_t sent;

	for (;;) {
		convert_frames(ch);
		if (pile_len(&ch->out) == 0)
			return 0;
		sent = send_some(ch);
		if (sent == -1)
			return errno == EAGAIN || errno == EINTR ? 0 : -1;
		pile_use(&ch->out, (size_t)sent);
	}
}
