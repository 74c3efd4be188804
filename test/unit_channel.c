/* Node's channel: what its lines say stays valid as long as promised. */
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/node/channel.h"
#include "test/tap.h"

enum { LONG = 400 << 10 };		/* bytes of data in one line */

static struct bus bus;
static struct channel *channel;
static int worker;			/* its end of the channel */

/* Write all of it, read by the channel as it comes. */
static bool
hear(const char *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = send(worker, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
		if (channel_read(channel) == -1)
			return false;
	}
	while (channel_is_readable(channel))
		channel_read(channel);
	return true;
}

static bool
says(enum words_kind kind)
{
	struct words said;

	channel_next(channel, &said);
	return said.kind == kind;
}

static void
words(void)
{
	static const char two[] = "\"ready\"\n{\"cmd\":\"reload\"}\n\"re";

	hear(two, strlen(two));
	ok(says(WORDS_READY) && says(WORDS_RELOAD) && says(WORDS_NONE),
	    "each line is a word");
	ok(channel_is_cut(channel), "half a line is kept");
	hear("ady\"\n", 5);
	ok(says(WORDS_READY) && says(WORDS_NONE) && !channel_is_cut(channel),
	    "and is a word when the rest of it has come");
}

/* The memory of a long line is freed, but not before the next is asked for. */
static void
long_line(void)
{
	static const char begin[] = "{\"cmd\":\"NODE_CLUSTER\",\"data\":\"";
	char *line = malloc(sizeof(begin) + LONG + 4);
	size_t len = strlen(begin);
	struct words said;

	if (line == NULL)
		exit(1);
	memcpy(line, begin, len);
	memset(line + len, 'x', LONG);
	memcpy(line + len + LONG, "\"}\n", 3);
	len += LONG + 3;
	ok(hear(line, len), "a long line is read");
	channel_next(channel, &said);
	ok(said.kind == WORDS_CLUSTER && said.object.len == len - 1 &&
	    memcmp(said.object.at, line, len - 1) == 0,
	    "its object is there until the next one is asked for");
	ok(says(WORDS_NONE) && !channel_is_cut(channel), "and is used up then");
	free(line);
}

int
main(void)
{
	const struct bus_identity who = { 1, 0, 77 };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		return 1;
	worker = pair[1];
	bus_init(&bus, 0);
	channel = channel_open(&bus, &who, pair[0]);
	if (channel == NULL)
		return 1;
	words();
	long_line();
	close(worker);
	ok(channel_read(channel) == -1, "its end is noticed");
	channel_close(&bus, channel);
	bus_free(&bus);
	return done();
}
