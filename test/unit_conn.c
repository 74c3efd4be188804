/* One connection on the control socket: how much may be queued for it. */
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/control/conn.h"
#include "test/connect.h"
#include "test/tap.h"

enum {
	TEXT = 32 << 10,		/* bytes of an answer */
	QUEUED = 20,			/* answers, with the socket's buffers */
};

static struct conn_set set;
static int client;

static struct conn *
meet(void)
{
	int fd = connect_listen("conn");
	struct conn *c;

	client = connect_client();
	c = conn_accept(&set, fd, 1);
	connect_end(fd);
	if (c == NULL)
		exit(1);
	return c;
}

static void
answer(struct conn *c)
{
	static const char text[TEXT];

	conn_send(c, CRR_EVENT, 1, text, sizeof(text));
}

static size_t
read_answer(void)
{
	static char buf[CRR_HEADER + TEXT];
	size_t n = 0;
	ssize_t got;

	while (n < sizeof(buf)) {
		got = recv(client, buf + n, sizeof(buf) - n, MSG_DONTWAIT);
		if (got <= 0)
			break;
		n += (size_t)got;
	}
	return n;
}

int
main(void)
{
	struct conn *c;
	size_t got = 0, n;
	int i, sent = 0;

	set.poller = poller_new();
	if (set.poller == NULL)
		return 1;
	c = meet();
	for (; sent < QUEUED; sent++)
		answer(c);
	ok(conn_pending(c), "answers that are not taken wait");
	for (i = 0; i < 200 && c->fd != -1; i++, sent++) {
		got += read_answer();
		answer(c);
	}
	ok(c->fd != -1 && conn_pending(c),
	    "a client that is always behind, but reads, stays connected");
	do {
		n = read_answer();
		got += n;
		conn_flush(c);
	} while (n > 0);
	ok(got == (size_t)sent * (CRR_HEADER + TEXT), "and gets all answers");
	ok(!conn_pending(c) && c->out.bytes == NULL,
	    "no memory is kept for them");
	for (i = 0; i < 100 && c->fd != -1; i++)
		answer(c);
	ok(c->fd == -1, "one that reads nothing is closed");
	ok(conn_take_changed(&set) == c && conn_take_changed(&set) == NULL,
	    "its owner is told once");
	conn_free(c);
	ok(set.first == NULL, "and may forget it");
	poller_free(set.poller);
	close(client);
	return done();
}
