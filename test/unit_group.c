#include <sys/socket.h>

#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "master/socket/group.h"
#include "master/socket/steer.h"
#include "test/tap.h"

enum { SEATS = 5 };

static const bool all[SEATS] = { true, true, true, true, true };

static int
make(const struct sockaddr_in *in)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)in, sizeof(*in)) == -1) {
		perror("bind");
		exit(1);
	}
	return fd;
}

/* A free port of the loopback's. A socket keeps over shutdown(2) only one that
 * it has asked for. */
static struct sockaddr_in
free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd;

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = make(&in);
	getsockname(fd, (struct sockaddr *)&in, &len);
	close(fd);
	return in;
}

/* Begin with a queue bound for each seat. */
static void
begin(struct queue_group *g, struct sockaddr_in *in)
{
	*in = free_port();
	group_init(g, true);
	group_grow(g, SEATS);
	for (int i = 0; i < SEATS; i++)
		group_open(g, i, make(in), (uint64_t)i + 1);
}

static void
listen_all(struct queue_group *g)
{
	for (int i = 0; i < SEATS; i++)
		group_listen(g, i, 1, all);
}

/* The seat that gets a connection, or -1. */
static int
seat_of_next(const struct queue_group *g, const struct sockaddr_in *in)
{
	struct pollfd pfd[SEATS];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), seat = -1;

	if (connect(fd, (const struct sockaddr *)in, sizeof(*in)) == 0) {
		for (int i = 0; i < g->nqueues; i++)
			pfd[i] = (struct pollfd){ g->queue[i].fd, POLLIN, 0 };
		poll(pfd, (nfds_t)g->nqueues, 1000);
		for (int i = 0; i < g->nqueues; i++)
			if (pfd[i].revents & POLLIN)
				seat = i;
		if (seat != -1)
			close(accept(g->queue[seat].fd, NULL, NULL));
	}
	close(fd);
	return seat;
}

/* Tell whether each seat gets its connections while it alone is steered to. */
static bool
is_right(struct queue_group *g, const struct sockaddr_in *in)
{
	for (int seat = 0; seat < SEATS; seat++) {
		bool steered[SEATS] = { false };

		steered[seat] = true;
		if (group_steer(g, steered) == -1)
			return false;
		for (int i = 0; i < 8; i++)
			if (seat_of_next(g, in) != seat)
				return false;
	}
	return true;
}

/* Tell whether places and queues point at each other, and are counted. */
static bool
is_consistent(const struct queue_group *g)
{
	int open = 0, places = 0;

	for (int i = 0; i < g->nqueues; i++) {
		const struct queue *q = &g->queue[i];

		open += q->fd != -1;
		places += q->place != -1;
		if (q->place != -1 && g->at[q->place] != i)
			return false;
	}
	return open == g->nopen && places == g->nplaces;
}

static void
places(void)
{
	struct sockaddr_in in;
	struct queue_group g;

	begin(&g, &in);
	ok(g.nopen == SEATS && g.nplaces == 0 && is_consistent(&g),
	    "what is only bound has no place");
	for (int i = 0; i < SEATS; i++)
		group_listen(&g, i * 2 % SEATS, 1, all);
	ok(g.nplaces == SEATS && g.queue[2].place == 1 && is_consistent(&g),
	    "places are given in the order of listen");
	ok(is_right(&g, &in), "and are those of the kernel");
	group_close(&g, &g.queue[2]);
	ok(g.queue[2].fd == -1 && g.nopen == SEATS - 1 &&
	    g.queue[3].place == 1 && is_consistent(&g),
	    "the last takes the place of one that is closed");
	group_open(&g, 2, make(&in), 9);
	ok(group_listen(&g, 2, 1, all) == 0 && is_right(&g, &in),
	    "and a new one may come in its stead");
	group_shrink(&g, 2);
	ok(g.nqueues == 2 && g.nopen == 2 && is_consistent(&g),
	    "a group is made smaller");
	group_grow(&g, SEATS);
	ok(g.nqueues == SEATS && g.queue[4].fd == -1 && is_consistent(&g),
	    "and larger, without sockets");
	group_free(&g);
}

static void
shut_down(void)
{
	struct sockaddr_in in;
	struct queue_group g;

	begin(&g, &in);
	listen_all(&g);
	shutdown(g.queue[1].fd, SHUT_RDWR);
	shutdown(g.queue[2].fd, SHUT_RDWR);
	ok(group_mend(&g, 1, all) == 0 && g.nplaces == SEATS &&
	    is_consistent(&g) && is_right(&g, &in),
	    "two that were shut down listen again, and the rest is followed");
	group_free(&g);

	begin(&g, &in);
	listen_all(&g);
	shutdown(g.queue[2].fd, SHUT_RDWR);
	shutdown(g.queue[0].fd, SHUT_RDWR);
	ok(group_mend(&g, 0, all) == 0 && is_consistent(&g) &&
	    is_right(&g, &in), "in whatever order they were");
	group_free(&g);

	begin(&g, &in);
	for (int i = 0; i < SEATS - 1; i++)
		group_listen(&g, i, 1, all);
	shutdown(g.queue[0].fd, SHUT_RDWR);
	ok(group_listen(&g, SEATS - 1, 1, all) == 0 &&
	    g.queue[SEATS - 1].place != -1 && is_right(&g, &in),
	    "one that was shut down doesn't keep another from listening");
	group_free(&g);

	begin(&g, &in);
	listen_all(&g);
	shutdown(g.queue[3].fd, SHUT_RDWR);
	ok(is_right(&g, &in), "a group that is steered is mended first");
	group_free(&g);
}

static void
one_queue(void)
{
	const bool none[3] = { false };
	struct sockaddr_in in = free_port();
	struct queue_group g;

	group_init(&g, true);
	group_grow(&g, 1);
	group_open(&g, 0, make(&in), 1);
	ok(group_queue(&g, 2) == &g.queue[0], "one queue is that of all seats");
	ok(group_listen(&g, 2, 1, none) == 0 && group_steer(&g, none) == 0 &&
	    seat_of_next(&g, &in) == 0, "it serves whatever is steered to");
	shutdown(g.queue[0].fd, SHUT_RDWR);
	ok(group_mend(&g, 2, none) == 0 && seat_of_next(&g, &in) == 0,
	    "and again after it was shut down");
	group_free(&g);
}

int
main(void)
{
	if (steer_available()) {
		places();
		shut_down();
	}
	one_queue();
	return done();
}
