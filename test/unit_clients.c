/* Who is let in, who waits for what, who is told: over real Unix sockets. */

#include <poll.h>

#include "base/log.h"
#include "master/clients.h"
#include "test/connect.h"
#include "test/tap.h"

enum { NOW = 1000 };

static struct clients cs;
static int listen_fd;
static unsigned char buf[4096];

/* Connects a client; the newest connection is its. */
static int
meet(struct conn **c)
{
	int fd = connect_client();

	clients_accept(&cs, listen_fd, NOW);
	*c = cs.set.first;
	return fd;
}

static void
settle(int64_t now_ms)
{
	clients_settle(&cs, cs.held, false, now_ms);
}

static unsigned
read_type(int fd)
{
	return connect_read(fd, buf, sizeof(buf)).type;
}

static bool
is_closed(int fd)
{
	return recv(fd, buf, 1, MSG_DONTWAIT) == 0;
}

static int
count_events(void)
{
	size_t i = 0;
	int n = 0;

	poller_wait(cs.set.poller, 0);
	while (poller_next(cs.set.poller, &i) != NULL)
		n++;
	return n;
}

static void
set_up(void)
{
	memset(&cs, 0, sizeof(cs));
	cs.set.poller = poller_new();
	cs.quiet = true;
	listen_fd = connect_listen("clients");
}

static void
tear_down(void)
{
	while (cs.set.first != NULL) {
		conn_close(cs.set.first);
		settle(NOW);
	}
	poller_free(cs.set.poller);
	connect_end(listen_fd);
}

static void
test_told(void)
{
	struct conn *first, *second, *follower, *silent;
	int a, b, all, none;
	struct event ev;

	set_up();
	a = meet(&first);
	b = meet(&second);
	all = meet(&follower);
	none = meet(&silent);
	clients_wait(first, CONN_WAIT_RELOAD, 11);
	first->wait_run = 1;
	clients_wait(second, CONN_WAIT_RELOAD, 12);
	second->wait_run = 2;
	follower->events = true;
	cs.run = 1;
	event_init(&ev, CRR_EVENT_RELOAD_REQUESTED);
	clients_tell(&cs, &ev);
	ok(connect_read(a, buf, sizeof(buf)).id == 11,
	    "who waits for a reload hears of it, under its own id");
	ok(read_type(b) == 0, "but not of the one before");
	ok(read_type(all) == CRR_EVENT, "who follows events hears of each");
	ok(read_type(none) == 0, "nobody else does");
	clients_reloaded(&cs, 1, NULL);
	ok(read_type(a) == CRR_DONE && read_type(b) == 0,
	    "the end of a run answers who waits for it alone");
	clients_reloaded(&cs, 2, "it failed");
	ok(read_type(b) == CRR_ERROR &&
	    memcmp(buf + CRR_HEADER, "it failed", 9) == 0,
	    "a failure is answered with its reason");
	clients_wait(first, CONN_WAIT_SCALE, 13);
	clients_wait(second, CONN_WAIT_STOP, 14);
	clients_reloaded(&cs, 9, NULL);
	clients_scaled(&cs, NULL);
	ok(read_type(a) == CRR_DONE && read_type(b) == 0,
	    "each waits for its own");
	clients_wait(first, CONN_WAIT_RELOAD, 15);
	clients_stopped(&cs);
	ok(read_type(a) == CRR_ERROR && read_type(b) == CRR_DONE,
	    "at the end who asked for it is told that it is done, others not");
	tear_down();
	close(a);
	close(b);
	close(all);
	close(none);
}

static void
test_room(void)
{
	int fds[CONN_MAX + 2], i;
	struct conn *c, *oldest = NULL;

	set_up();
	for (i = 0; i < CONN_MAX; i++) {
		fds[i] = meet(&c);
		if (i == 0)
			clients_wait(c, CONN_WAIT_STOP, 1);
		if (i == 1)
			oldest = c;
	}
	settle(NOW);
	ok(cs.nconns == CONN_MAX && oldest->fd != -1, "all places are taken");
	fds[i] = meet(&c);
	settle(NOW);
	ok(cs.nconns == CONN_MAX && !is_closed(fds[0]) && is_closed(fds[1]),
	    "the oldest that waits for nothing makes room");
	for (c = cs.set.first; c != NULL; c = c->next)
		clients_wait(c, CONN_WAIT_STOP, 1);
	fds[CONN_MAX + 1] = meet(&c);
	settle(NOW);
	ok(read_type(fds[CONN_MAX + 1]) == CRR_ERROR &&
	    is_closed(fds[CONN_MAX + 1]) && cs.nconns == CONN_MAX,
	    "where all wait, the new one is told so");
	tear_down();
	for (i = 0; i < CONN_MAX + 2; i++)
		close(fds[i]);
	ok(cs.nconns == 0, "nobody is counted when all have gone");
}

static void
test_time(void)
{
	struct conn *c;
	int fd;

	set_up();
	fd = meet(&c);
	settle(NOW);
	ok(clients_next(&cs) == NOW + CONN_HALF_MS,
	    "a client has some seconds to say something");
	settle(NOW + CONN_HALF_MS - 1);
	ok(!is_closed(fd), "not less");
	settle(NOW + CONN_HALF_MS);
	ok(is_closed(fd) && cs.set.first == NULL && clients_next(&cs) == 0,
	    "then it is closed and forgotten");
	close(fd);
	tear_down();
}

static void
test_held(void)
{
	struct conn *sender, *other;
	int a, b;

	set_up();
	a = meet(&sender);
	b = meet(&other);
	sender->sends = true;
	settle(NOW);
	ok(send(a, "x", 1, 0) == 1 && send(b, "x", 1, 0) == 1 &&
	    count_events() == 2, "both are read from");
	clients_settle(&cs, true, false, NOW);
	ok(count_events() == 1, "one that sends is not, while senders are held");
	clients_settle(&cs, false, false, NOW);
	ok(count_events() == 2, "and is again afterwards");
	tear_down();
	close(a);
	close(b);
}

static void
test_finish(void)
{
	struct conn *c;
	int fd, kept;

	set_up();
	fd = meet(&c);
	kept = c->fd;
	clients_wait(c, CONN_WAIT_STOP, 1);
	clients_stopped(&cs);
	clients_finish(&cs);
	ok(read_type(fd) == CRR_DONE && cs.set.first == NULL,
	    "the last answer is out when all are forgotten");
	ok(!is_closed(fd) && close(kept) == 0 && is_closed(fd),
	    "and the connection ends with the descriptor, not before");
	close(fd);
	poller_free(cs.set.poller);
	connect_end(listen_fd);
}

int
main(void)
{
	log_set_level(LOG_QUIET);
	test_told();
	test_room();
	test_time();
	test_held();
	test_finish();
	return done();
}
