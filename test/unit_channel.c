/* Node's channel: what its lines say stays valid as long as promised. */
#include <sys/socket.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/node/channel.h"
#include "test/tap.h"

enum { LONG = 400 << 10 };		/* bytes of data in one line */

static struct bus bus;
static struct node *channel;
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
		if (node_read(channel) == -1)
			return false;
	}
	while (node_is_readable(channel))
		node_read(channel);
	return true;
}

static bool
says(enum node_word word)
{
	struct node_said said;

	node_next(channel, &said);
	return said.word == word;
}

static void
words(void)
{
	static const char two[] = "\"ready\"\n{\"cmd\":\"reload\"}\n\"re";

	hear(two, strlen(two));
	ok(says(NODE_READY) && says(NODE_RELOAD) && says(NODE_NOTHING),
	    "each line is a word");
	ok(node_is_cut(channel), "half a line is kept");
	hear("ady\"\n", 5);
	ok(says(NODE_READY) && says(NODE_NOTHING) && !node_is_cut(channel),
	    "and is a word when the rest of it has come");
}

/* The memory of a long line is freed, but not before the next is asked for. */
static void
long_line(void)
{
	static const char begin[] = "{\"cmd\":\"NODE_CLUSTER\",\"data\":\"";
	char *line = malloc(sizeof(begin) + LONG + 4);
	size_t len = strlen(begin);
	struct node_said said;

	if (line == NULL)
		exit(1);
	memcpy(line, begin, len);
	memset(line + len, 'x', LONG);
	memcpy(line + len + LONG, "\"}\n", 3);
	len += LONG + 3;
	ok(hear(line, len), "a long line is read");
	node_next(channel, &said);
	ok(said.word == NODE_CLUSTER && said.object.len == len - 1 &&
	    memcmp(said.object.at, line, len - 1) == 0,
	    "its object is there until the next one is asked for");
	ok(says(NODE_NOTHING) && !node_is_cut(channel), "and is used up then");
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
	channel = node_open(&bus, &who, pair[0]);
	if (channel == NULL)
		return 1;
	words();
	long_line();
	close(worker);
	ok(node_read(channel) == -1, "its end is noticed");
	node_close(&bus, channel);
	bus_free(&bus);
	return done();
}
