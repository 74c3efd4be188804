/* Who is let in, who waits for what, who is told: over real Unix sockets. */
#include <sys/resource.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <poll.h>

#include "base/clock.h"

#include "base/log.h"
#include "master/clients.h"
#include "test/connect.h"
#include "test/tap.h"

enum { NOW = 1000, ANSWERS = 20, TEXT = 32 << 10 };

static struct clients cs;
static struct bus bus;
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
test_told_all(void)
{
	struct conn *scaling, *stopping, *both;
	struct event ev;
	int a, b, c;

	set_up();
	a = meet(&scaling);
	b = meet(&stopping);
	c = meet(&both);
	clients_wait(scaling, CONN_WAIT_SCALE, 21);
	clients_wait(stopping, CONN_WAIT_STOP, 22);
	clients_wait(both, CONN_WAIT_RELOAD, 23);
	both->wait_run = 2;
	both->events = true;
	cs.run = 1;
	event_init(&ev, CRR_EVENT_WORKER_UP);
	clients_tell(&cs, &ev);
	ok(connect_read(a, buf, sizeof(buf)).id == 21 &&
	    connect_read(b, buf, sizeof(buf)).id == 22,
	    "who waits for workers or for the end hears of any run");
	ok(read_type(c) == CRR_EVENT && crr_get32(buf + 12) == 0,
	    "of another run one that follows events hears as all do");
	cs.run = 2;
	clients_tell(&cs, &ev);
	ok(connect_read(c, buf, sizeof(buf)).id == 23 && read_type(c) == 0,
	    "of its own it hears once");
	read_type(a);
	read_type(b);
	clients_scaled(&cs, "another number");
	ok(read_type(a) == CRR_ERROR && read_type(b) == 0 && read_type(c) == 0,
	    "an answer goes to nobody who waits for another");
	clients_scaled(&cs, NULL);
	ok(read_type(a) == 0, "nor twice to anybody");
	tear_down();
	close(a);
	close(b);
	close(c);
}

static void
subscribe(struct conn *c, uint64_t origin)
{
	const struct bus_identity who = { origin, -1, 1 };

	conn_subscribe(c, &bus, bus_subscribe(&bus, &who, true, false, 1));
	conn_flush(c);
	conn_touch(c);
}

static void
test_subscribers(void)
{
	int fds[CONN_MAX + 2], i;
	struct conn *c, *first = NULL;

	set_up();
	bus_init(&bus, 0);
	for (i = 0; i < CONN_MAX; i++) {
		fds[i] = meet(&c);
		if (i == 0)
			first = c;
		else
			clients_wait(c, CONN_WAIT_STOP, 1);
	}
	subscribe(first, 1);
	settle(NOW);
	ok(cs.nconns == CONN_MAX - 1, "a subscriber takes nobody's place");
	fds[i++] = meet(&c);
	clients_wait(c, CONN_WAIT_STOP, 1);
	settle(NOW);
	ok(c->fd != -1 && cs.nconns == CONN_MAX, "another is let in for it");
	fds[i] = meet(&c);
	settle(NOW);
	ok(read_type(fds[i]) == CRR_ERROR && is_closed(fds[i]) &&
	    first->fd != -1, "and it makes room for nobody");
	tear_down();
	bus_free(&bus);
	for (i = 0; i < CONN_MAX + 2; i++)
		close(fds[i]);
}

static void
test_gathering(void)
{
	const struct bus_identity who = { 2, -1, 1 };
	static const unsigned char message[CRR_BUS_FIXED];
	struct conn *c;
	uint64_t seq;
	int fd;

	set_up();
	bus_init(&bus, 0);
	fd = meet(&c);
	subscribe(c, 1);
	settle(NOW);
	bus_publish(&bus, CRR_BROADCAST, &who, message, sizeof(message), &seq);
	conn_touch(c);
	clients_settle(&cs, false, true, NOW);
	ok(count_events() == 0, "what the bus gathers is not to be written");
	conn_touch(c);
	clients_settle(&cs, false, false, NOW);
	ok(count_events() == 1, "but is when it does not");
	tear_down();
	bus_free(&bus);
	close(fd);
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
test_forgotten(void)
{
	const struct poller_event *ev;
	struct conn *old, *new;
	size_t i = 0;
	int a, b, number;

	set_up();
	a = meet(&old);
	b = connect_client();
	number = old->fd;
	settle(NOW);
	ok(send(a, "x", 1, 0) == 1 &&
	    poller_wait(cs.set.poller, 0) == 0, "a client says something");
	conn_close(old);
	ok(poller_next(cs.set.poller, &i) == NULL,
	    "which is not told of one that has been closed meanwhile");
	clients_accept(&cs, listen_fd, NOW);
	new = cs.set.first;
	settle(NOW);
	ok(cs.set.first == new && new->next == NULL, "it is freed in its turn");
	i = 0;
	send(b, "x", 1, 0);
	poller_wait(cs.set.poller, 0);
	ev = poller_next(cs.set.poller, &i);
	ok(new->fd == number && ev != NULL && ev->owner == new,
	    "and its descriptor's number is another's");
	tear_down();
	close(a);
	close(b);
}

/* Nothing may be opened while a client waits to be let in. */
static void
test_descriptors(void)
{
	struct rlimit was, none;
	struct conn *c;
	int fd = -1, pending;

	set_up();
	pending = connect_client();
	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 0;
	setrlimit(RLIMIT_NOFILE, &none);
	clients_accept(&cs, listen_fd, NOW);
	setrlimit(RLIMIT_NOFILE, &was);
	ok(cs.set.first == NULL && cs.nconns == 0 && cs.accept_ms > NOW &&
	    clients_next(&cs) == cs.accept_ms,
	    "where descriptors run out, nobody is let in for a while");
	settle(cs.accept_ms - 1);
	ok(cs.accept_ms != 0, "not sooner");
	settle(cs.accept_ms);
	ok(cs.accept_ms == 0 && clients_next(&cs) == 0, "then again");
	fd = meet(&c);
	ok(c != NULL && cs.nconns == 1, "and who has waited comes in");
	tear_down();
	close(pending);
	close(fd);
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

/* Queue more than the socket takes at once; returns how many bytes it is. */
static size_t
queue_much(struct conn *c)
{
	static const char text[TEXT];
	int i;

	for (i = 0; i < ANSWERS && c->fd != -1; i++)
		conn_send(c, CRR_STATUS_MASTER, 1, text, sizeof(text));
	return (size_t)ANSWERS * (CRR_HEADER + TEXT);
}

/* A process that begins to read some time later, and ends well if it gets len
 * bytes. */
static pid_t
read_later(int fd, size_t len)
{
	pid_t pid = fork();
	ssize_t n;

	if (pid != 0)
		return pid;
	poll(NULL, 0, 50);
	while (len > 0 && (n = recv(fd, buf, sizeof(buf) < len ? sizeof(buf) :
	    len, 0)) > 0)
		len -= (size_t)n;
	_exit(len != 0);
}

static void
test_slow_finish(void)
{
	int64_t began_ms = clock_now(), took_ms;
	int slow, dead, kept[2], wstatus = -1;
	struct conn *c, *d;
	pid_t pid;

	set_up();
	slow = meet(&c);
	dead = meet(&d);
	kept[0] = c->fd;
	kept[1] = d->fd;
	pid = read_later(slow, queue_much(c));
	queue_much(d);
	ok(conn_pending(c) && conn_pending(d), "two have more to take");
	clients_finish(&cs);
	took_ms = clock_now() - began_ms;
	waitpid(pid, &wstatus, 0);
	ok(wstatus == 0, "one that reads gets all of it at the end");
	ok(took_ms >= 900 && took_ms < 5000,
	    "one that does not is waited for for a second");
	ok(cs.set.first == NULL && fcntl(kept[0], F_GETFD) != -1 &&
	    fcntl(kept[1], F_GETFD) != -1,
	    "both are forgotten, and their descriptors left open");
	close(kept[0]);
	close(kept[1]);
	close(slow);
	close(dead);
	poller_free(cs.set.poller);
	connect_end(listen_fd);
}

/* Twice CONN_MAX and more are open at once. */
static void
raise_limit(void)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 4 * CONN_MAX && limit.rlim_max >= 4 * CONN_MAX)
		limit.rlim_cur = 4 * CONN_MAX;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int
main(void)
{
	log_set_level(LOG_QUIET);
	raise_limit();
	test_told();
	test_told_all();
	test_room();
	test_subscribers();
	test_gathering();
	test_time();
	test_forgotten();
	test_descriptors();
	test_held();
	test_finish();
	test_slow_finish();
	return done();
}
