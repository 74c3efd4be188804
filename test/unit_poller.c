/* Descriptors that are watched: by epoll(7), or by poll(2) where built so. */

#include <sys/socket.h>

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/poller.h"
#include "test/tap.h"

enum { MANY = 300 };			/* more than one wait may return */

static struct poller *p;
static int mine, yours;			/* owners, by their addresses */

static int
count_events(void)
{
	size_t i = 0;
	int n = 0;

	while (poller_next(p, &i) != NULL)
		n++;
	return n;
}

static void
test_one(int a, int b)
{
	const struct poller_event *ev;
	size_t i = 0;

	ok(poller_wait(p, 0) == 0 && count_events() == 0,
	    "nothing is watched, nothing happens");
	ok(poller_watch(p, a, POLLIN, 7, &mine) == 0, "watched for input");
	ok(poller_wait(p, 0) == 0 && count_events() == 0, "none has come");
	ok(write(b, "x", 1) == 1 && poller_wait(p, -1) == 0, "now it has");
	ev = poller_next(p, &i);
	ok(ev != NULL && ev->fd == a && ev->kind == 7 && ev->owner == &mine &&
	    ev->revents == POLLIN, "told with kind and owner");
	ok(poller_next(p, &i) == NULL, "once a wait");
	ok(poller_wait(p, 0) == 0 && count_events() == 1,
	    "and again while it is there");
	ok(poller_watch(p, a, POLLIN | POLLOUT, 8, &mine) == 0 &&
	    poller_wait(p, 0) == 0, "watched for output too");
	i = 0;
	ev = poller_next(p, &i);
	ok(ev != NULL && ev->kind == 8 && ev->revents == (POLLIN | POLLOUT),
	    "told both");
	ok(poller_watch(p, a, 0, 8, &mine) == 0 && poller_wait(p, 0) == 0 &&
	    count_events() == 0, "watched for its end alone");
	poller_watch(p, a, POLLIN, 8, &mine);
	poller_wait(p, 0);
	poller_forget(p, a, &yours);
	ok(count_events() == 1, "another owner can't make it forgotten");
	poller_forget(p, a, &mine);
	ok(count_events() == 0, "forgotten within the turn");
	ok(poller_wait(p, 0) == 0 && count_events() == 0, "and after it");
	poller_forget(p, -1, &mine);
	poller_forget(p, 100000, &mine);
	ok(1, "what was never watched can be forgotten");
}

/* A number that was closed and given to another. */
static void
test_reuse(void)
{
	const struct poller_event *ev;
	int first[2], second[2];
	size_t i = 0;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, first) == -1)
		abort();
	poller_watch(p, first[0], POLLIN, 1, &mine);
	close(first[1]);
	poller_wait(p, 0);
	close(first[0]);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, second) == -1)
		abort();
	ok(second[0] == first[0], "the number is used again");
	ok(poller_watch(p, second[0], POLLIN, 2, &yours) == 0,
	    "and can be watched for its new owner");
	ok(count_events() == 0, "who hears nothing of the old one");
	poller_forget(p, second[0], &mine);
	ok(write(second[1], "x", 1) == 1 && poller_wait(p, 0) == 0 &&
	    (ev = poller_next(p, &i)) != NULL && ev->owner == &yours &&
	    ev->kind == 2, "nor is it forgotten for the old one");
	close(second[1]);
	i = 0;
	ok(poller_wait(p, 0) == 0 && (ev = poller_next(p, &i)) != NULL &&
	    (ev->revents & POLLHUP) != 0, "its end is told");
	poller_forget(p, second[0], &yours);
	close(second[0]);
}

static void
test_many(void)
{
	int fds[MANY][2], n, i, rounds = 0, told = 0;
	const struct poller_event *ev;
	size_t at;
	char c;

	for (n = 0; n < MANY; n++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds[n]) == -1)
			abort();
		poller_watch(p, fds[n][0], POLLIN, 0, fds[n]);
		if (write(fds[n][1], "x", 1) != 1)
			abort();
	}
	while (told < MANY && rounds++ < 10) {
		poller_wait(p, 0);
		for (at = 0; (ev = poller_next(p, &at)) != NULL; told++)
			if (read(ev->fd, &c, 1) != 1)
				abort();
	}
	ok(told == MANY, "all of many are told, each once");
	for (i = 0; i < n; i++) {
		poller_forget(p, fds[i][0], fds[i]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
	ok(poller_wait(p, 0) == 0 && count_events() == 0, "none is left");
}

int
main(void)
{
	int pair[2];

	p = poller_new();
	if (p == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		abort();
	test_one(pair[0], pair[1]);
	test_reuse();
	test_many();
	poller_free(p);
	poller_free(NULL);
	close(pair[0]);
	close(pair[1]);
	return done();
}
