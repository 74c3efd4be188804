#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/socket/handed.h"
#include "master/socket/listener.h"
#include "master/socket/served.h"
#include "master/socket/steer.h"
#include "test/tap.h"

static int
make(const struct address *a, int reuseport)
{
	int fd = socket(a->u.sa.sa_family, a->type | SOCK_CLOEXEC, 0);
	int v6only = a->v6only;

	if (a->u.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
		    sizeof(v6only));
	setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuseport,
	    sizeof(reuseport));
	return fd;
}

/* An address of the host with a port that is free in both families. */
static struct address
free_address(const char *host, int type)
{
	struct address a;
	char text[64];
	socklen_t len = sizeof(a.u);
	int fd;

	address_parse(&a, "1");
	a.type = type;
	a.u.in6.sin6_port = 0;
	fd = make(&a, 0);
	if (bind(fd, &a.u.sa, a.len) == -1 ||
	    getsockname(fd, &a.u.sa, &len) == -1) {
		perror("no free port");
		exit(1);
	}
	close(fd);
	snprintf(text, sizeof(text), "%s:%u", host, address_port(&a));
	address_parse(&a, text);
	a.type = type;
	return a;
}

/* Bind a seat's queue and listen, as a worker's two calls make it. */
static struct listener *
serve(struct listeners *ls, const struct address *a, int seat)
{
	int fd = make(a, 0);
	struct listener *l = listeners_bind(ls, a, NULL, seat, fd);

	if (l == NULL)
		close(fd);
	else if (a->type == SOCK_STREAM &&
	    listener_listen(ls, l, seat, 1) == -1)
		return NULL;
	return l;
}

static bool
steer_to(struct listeners *ls, const char *seats)
{
	bool *ready = calloc((size_t)ls->nseats, sizeof(*ready));
	int error;

	for (int i = 0; seats[i] != '\0'; i++)
		ready[i] = seats[i] == '1';
	error = listeners_steer(ls, ready);
	free(ready);
	return error == 0;
}

static int
connect_to(const struct address *a)
{
	int fd = socket(a->u.sa.sa_family, a->type | SOCK_CLOEXEC, 0);

	if (connect(fd, &a->u.sa, a->len) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool
accept_one(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (fd == -1 || poll(&pfd, 1, 0) != 1)
		return false;
	close(accept(fd, NULL, NULL));
	return true;
}

/* Connect n times and count by seat who got it. Returns how many came. */
static int
count(struct listener *l, const struct address *a, int n, int *got)
{
	int came = 0;

	memset(got, 0, (size_t)l->group.nqueues * sizeof(*got));
	for (int i = 0; i < n; i++) {
		int fd = connect_to(a);

		if (fd == -1)
			continue;
		for (int seat = 0; seat < l->group.nqueues; seat++) {
			if (accept_one(l->group.queue[seat].fd)) {
				got[seat]++;
				came++;
				break;
			}
		}
		close(fd);
	}
	return came;
}

static void
shares(void)
{
	struct listeners ls;
	struct listener *l;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	int got[3];

	listeners_init(&ls, 3, false);
	l = serve(&ls, &a, 2);
	ok(l != NULL && l == serve(&ls, &a, 0), "two seats share an address");
	ok(count(l, &a, 50, got) == 50 && got[2] == 50,
	    "the first to listen gets all until it is steered");
	steer_to(&ls, "101");
	ok(count(l, &a, 200, got) == 200 && got[0] > 50 && got[2] > 50,
	    "two ready seats both get connections");
	steer_to(&ls, "100");
	ok(count(l, &a, 200, got) == 200 && got[0] == 200,
	    "steered away from a seat, all go to the other");
	steer_to(&ls, "001");
	ok(count(l, &a, 200, got) == 200 && got[2] == 200,
	    "and back, whatever the order in which they listened");
	steer_to(&ls, "010");
	ok(count(l, &a, 100, got) == 100 && got[2] == 100,
	    "while no ready seat listens, it stays as it was");
	ok(serve(&ls, &a, 1) == l && count(l, &a, 100, got) == 100 &&
	    got[1] == 100, "until that seat listens");
	ok(listeners_find(&ls, &a) == l, "a listener is found by address");
	listeners_free(&ls);
}

static void
late(void)
{
	struct listeners ls;
	struct listener *l;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);

	listeners_init(&ls, 3, false);
	steer_to(&ls, "111");
	l = listeners_bind(&ls, &a, NULL, 0, make(&a, 0));
	ok(l != NULL && l == serve(&ls, &a, 1) && l == serve(&ls, &a, 2) &&
	    listener_listen(&ls, l, 0, 1) == 0,
	    "the first to bind may be the last to listen");
	listeners_free(&ls);
}

static void
depth(void)
{
	struct listeners ls;
	struct listener *l;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	int fd[3], got[2];

	listeners_init(&ls, 2, false);
	l = serve(&ls, &a, 0);
	ok(listeners_depth(&ls, 0) == 0, "an empty queue has depth 0");
	for (int i = 0; i < 3; i++)
		fd[i] = connect_to(&a);
	ok(listeners_depth(&ls, 0) == 3 && listeners_depth(&ls, 1) == 0 &&
	    queue_depth(&l->group.queue[0]) == 3,
	    "the depth of a queue is what waits in it");
	serve(&ls, &a, 1);
	steer_to(&ls, "01");
	ok(count(l, &a, 1, got) == 1 && got[0] == 1,
	    "what is queued stays with its seat");
	for (int i = 0; i < 3; i++)
		close(fd[i]);
	listeners_free(&ls);
}

static bool
in_use(const struct address *a, int reuseport, bool listening)
{
	struct listeners ls;
	int fd = make(a, reuseport), one = 1;
	bool result;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bind(fd, &a->u.sa, a->len);
	if (listening)
		listen(fd, 5);
	listeners_init(&ls, 2, false);
	errno = 0;
	result = serve(&ls, a, 0) == NULL && errno == EADDRINUSE &&
	    ls.n == 0 && handed_open(&ls, a) == NULL &&
	    errno == EADDRINUSE && ls.n == 0;
	listeners_free(&ls);
	close(fd);
	return result;
}

static void
strangers(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct address udp = free_address("127.0.0.1", SOCK_DGRAM);
	struct address any = a;
	struct listeners ls;
	int fd, one = 1;

	ok(in_use(&a, 0, true), "a stranger's listener is an address in use");
	ok(in_use(&a, 1, true), "with SO_REUSEPORT, too");
	ok(in_use(&udp, 1, false), "and its datagram socket");
	any.u.in.sin_addr.s_addr = htonl(INADDR_ANY);
	ok(in_use(&any, 1, true), "and one on all addresses");

	listeners_init(&ls, 2, false);
	serve(&ls, &a, 0);
	serve(&ls, &a, 1);
	fd = make(&a, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	ok(bind(fd, &a.u.sa, a.len) == -1 && errno == EADDRINUSE,
	    "our listener is in use for a stranger");
	close(fd);
	listeners_free(&ls);
}

/* Leave a connection of the port in TIME_WAIT on the side that served. */
static void
leave_time_wait(const struct address *a)
{
	int fd = make(a, 0), one = 1, served, client;
	char byte;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	bind(fd, &a->u.sa, a->len);
	listen(fd, 5);
	client = connect_to(a);
	served = accept(fd, NULL, NULL);
	shutdown(served, SHUT_WR);
	if (read(client, &byte, 1) == 0)
		close(client);
	close(served);
	close(fd);
}

static void
time_wait(void)
{
	struct listeners ls;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	int fd;

	leave_time_wait(&a);
	fd = make(&a, 0);
	ok(bind(fd, &a.u.sa, a.len) == -1, "a plain bind meets TIME_WAIT");
	close(fd);
	listeners_init(&ls, 2, false);
	ok(serve(&ls, &a, 0) != NULL && serve(&ls, &a, 1) != NULL,
	    "TIME_WAIT doesn't stand in the way of ours");
	listeners_free(&ls);
}

static void
many(void)
{
	enum { SEATS = 65 };
	struct listeners ls;
	struct listener *l = NULL;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	char seats[SEATS + 1] = "";
	int got[SEATS], wrong = 0, idle = 0, listening = 0;

	listeners_init(&ls, SEATS, false);
	/* 7 and 65 have no common factor: all seats, in no sorted order. */
	for (int i = 0; i < SEATS; i++)
		if ((l = serve(&ls, &a, i * 7 % SEATS)) != NULL)
			listening++;
	ok(listening == SEATS && l->group.nplaces == SEATS, "65 seats listen");
	for (int i = 0; i < SEATS; i++)
		seats[i] = i % 3 == 0 || i == 64 ? '0' : '1';
	steer_to(&ls, seats);
	ok(count(l, &a, 3000, got) == 3000, "every connection is received");
	for (int i = 0; i < SEATS; i++) {
		if (seats[i] == '0' && got[i] > 0)
			wrong++;
		if (seats[i] == '1' && got[i] == 0)
			idle++;
	}
	ok(wrong == 0, "none of them by a seat that isn't ready");
	ok(idle == 0, "some by each that is");
	listeners_free(&ls);
}

static void
even(void)
{
	struct listeners ls;
	struct listener *l = NULL;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	int got[5];

	listeners_init(&ls, 5, false);
	for (int i = 0; i < 5; i++)
		l = serve(&ls, &a, i);
	steer_to(&ls, "11011");
	ok(count(l, &a, 4000, got) == 4000 && got[2] == 0 && got[0] >= 700 &&
	    got[1] >= 700 && got[3] >= 700 && got[4] >= 700,
	    "of 4,000 connections none of four seats gets fewer than 700");
	listeners_free(&ls);
}

static void
families(void)
{
	struct listeners ls;
	struct listener *six, *four;
	struct address a = free_address("[::]", SOCK_STREAM), b = a, v4 = a;
	int got[2];

	memset(&v4.u, 0, sizeof(v4.u));
	v4.u.in.sin_family = AF_INET;
	v4.u.in.sin_port = a.u.in6.sin6_port;
	v4.len = sizeof(v4.u.in);
	listeners_init(&ls, 2, false);
	six = serve(&ls, &a, 0);
	ok(six != NULL && serve(&ls, &a, 1) == six &&
	    steer_to(&ls, "01") && count(six, &v4, 20, got) == 20 &&
	    got[1] == 20 && count(six, &a, 20, got) == 20 && got[1] == 20,
	    "a dual-stack listener serves both families");
	ok(serve(&ls, &v4, 0) == NULL && errno == EADDRINUSE,
	    "beside it, IPv4 is in use");
	listeners_free(&ls);

	listeners_init(&ls, 2, false);
	b.v6only = true;
	six = serve(&ls, &b, 0);
	four = serve(&ls, &v4, 0);
	ok(six != NULL && four != NULL && six != four &&
	    serve(&ls, &b, 1) == six && serve(&ls, &v4, 1) == four,
	    "a V6ONLY listener and an IPv4 one share a port");
	steer_to(&ls, "10");
	ok(count(four, &v4, 20, got) == 20 && got[0] == 20 &&
	    count(six, &a, 20, got) == 20 && got[0] == 20,
	    "each gets its own family's connections");
	listeners_free(&ls);

	listeners_init(&ls, 2, false);
	a = b = free_address("[::1]", SOCK_STREAM);
	b.v6only = true;
	six = serve(&ls, &a, 0);
	ok(serve(&ls, &b, 1) == six && steer_to(&ls, "01") &&
	    count(six, &a, 20, got) == 20 && got[1] == 20,
	    "one IPv6 address is one group whatever V6ONLY is");
	listeners_free(&ls);
}

static void
shut_down(void)
{
	struct listeners ls;
	struct listener *l = NULL;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	char seats[5];
	int got[4], good = 0;

	listeners_init(&ls, 4, false);
	for (int i = 0; i < 4; i++)
		l = serve(&ls, &a, i);
	steer_to(&ls, "1101");
	shutdown(l->group.queue[1].fd, SHUT_RDWR);
	ok(listeners_mend(&ls, 1) == 0 && count(l, &a, 300, got) == 300 &&
	    got[0] > 0 && got[1] > 0 && got[2] == 0 && got[3] > 0,
	    "a queue that its worker has shut down listens again");
	shutdown(l->group.queue[0].fd, SHUT_RDWR);
	ok(listener_listen(&ls, l, 0, 1) == 0 && l->group.nplaces == 4,
	    "or does when its successor listens");
	shutdown(l->group.queue[3].fd, SHUT_RDWR);
	for (int i = 0; i < 4; i++) {
		strcpy(seats, "0000");
		seats[i] = '1';
		steer_to(&ls, seats);
		if (count(l, &a, 50, got) == 50 && got[i] == 50)
			good++;
	}
	ok(good == 4, "and all seats are steered to as before");
	listeners_free(&ls);

	listeners_init(&ls, 4, true);
	l = serve(&ls, &a, 0);
	shutdown(l->group.queue[0].fd, SHUT_RDWR);
	ok(listeners_mend(&ls, 0) == 0 && count(l, &a, 5, got) == 5,
	    "a shared queue does, too");
	listeners_free(&ls);
}

static void
handed(void)
{
	struct listeners ls;
	struct listener *l, *other;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct address b = free_address("127.0.0.1", SOCK_STREAM);
	struct address un;
	int got[4], flags;

	listeners_init(&ls, 2, false);
	l = handed_open(&ls, &a);
	ok(l != NULL && l->handed && l->group.nqueues == 2 &&
	    l->group.nplaces == 2,
	    "-l opens a queue for each seat");
	flags = fcntl(l->group.queue[1].fd, F_GETFL);
	ok((flags & O_NONBLOCK) == 0 &&
	    fcntl(l->group.queue[1].fd, F_GETFD) == FD_CLOEXEC,
	    "blocking and close-on-exec");
	ok(handed_open(&ls, &a) == NULL && errno == EEXIST,
	    "the same twice is an error");
	other = serve(&ls, &b, 1);
	ok(handed_grow(&ls, 4) == 0 && l->group.nqueues == 4 &&
	    l->group.nplaces == 4 && other->group.nqueues == 4 &&
	    other->group.nplaces == 1,
	    "more seats have their queues at once");
	steer_to(&ls, "0001");
	ok(count(l, &a, 50, got) == 50 && got[3] == 50,
	    "and can be steered to");
	ok(count(other, &b, 50, got) == 50 && got[1] == 50,
	    "a listener that none of them serves stays as it was");
	ok(handed_grow(&ls, 3) == 0 && ls.nseats == 4,
	    "seats are never taken away");
	address_parse(&un, "unix:/nowhere/sock");
	ok(handed_open(&ls, &un) == NULL && errno == ENOENT,
	    "a Unix path needs a directory");
	listeners_free(&ls);
}

/* Let there be n descriptors more, or as many as before (-1). */
static void
limit_descriptors(int n)
{
	struct rlimit limit;
	int fd = dup(0);

	close(fd);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = n == -1 ? limit.rlim_max : (rlim_t)(fd + n);
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void
grow_fails(void)
{
	struct listeners ls;
	struct listener *l;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct address b = free_address("127.0.0.1", SOCK_STREAM);
	int got[3];

	listeners_init(&ls, 2, false);
	l = handed_open(&ls, &a);
	handed_open(&ls, &b);
	limit_descriptors(1);
	ok(handed_grow(&ls, 3) == -1 && errno == EMFILE,
	    "without descriptors for all listeners, seats can't grow");
	limit_descriptors(-1);
	ok(ls.nseats == 2 && l->group.nqueues == 2 && l->group.nplaces == 2,
	    "and nothing has changed");
	ok(handed_grow(&ls, 3) == 0 && steer_to(&ls, "001") &&
	    count(l, &a, 50, got) == 50 && got[2] == 50,
	    "later they can");
	listeners_free(&ls);
}

static void
expire(void)
{
	struct listeners ls;
	struct listener *l;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct address b = free_address("127.0.0.1", SOCK_STREAM);
	struct address c = free_address("127.0.0.1", SOCK_STREAM);
	int got[2];

	listeners_init(&ls, 2, false);
	serve(&ls, &a, 0)->generation = 1;
	l = serve(&ls, &b, 0);
	l->generation = 2;
	served_hear(&ls, l, 0, 41);
	handed_open(&ls, &c);
	served_complete(&ls, 2);
	ok(ls.n == 2 && listeners_find(&ls, &a) == NULL &&
	    connect_to(&a) == -1,
	    "a listener that the generation didn't ask for is closed");
	ok(listeners_find(&ls, &b) == l && count(l, &b, 5, got) == 5,
	    "one that it did is kept");
	ok(listeners_find(&ls, &c) != NULL, "as is -l's");
	ok(!served_is_heard(&ls, 1, 42),
	    "the next worker is expected to listen on it");
	served_hear(&ls, l, 1, 42);
	ok(served_is_heard(&ls, 1, 42) && !served_is_heard(&ls, 0, 42) &&
	    !served_is_heard(&ls, 1, 43), "and is heard when it does");
	listeners_free(&ls);
}

static void
datagrams(void)
{
	struct listeners ls;
	struct listener *l;
	struct address a = free_address("127.0.0.1", SOCK_DGRAM);
	int n = 0, fd;
	char byte;

	listeners_init(&ls, 3, false);
	l = serve(&ls, &a, 1);
	ok(l != NULL && serve(&ls, &a, 0) == l && serve(&ls, &a, 2) == l &&
	    l->group.nplaces == 3, "datagram sockets are a group by bind");
	steer_to(&ls, "001");
	for (int i = 0; i < 20; i++) {
		fd = connect_to(&a);
		send(fd, "x", 1, 0);
		close(fd);
	}
	while (recv(l->group.queue[2].fd, &byte, 1, MSG_DONTWAIT) == 1)
		n++;
	ok(n == 20, "and are steered");
	listeners_free(&ls);
}

static void
one_queue(void)
{
	struct listeners ls;
	struct listener *l;
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct stat st;
	int got[1], fd;

	listeners_init(&ls, 3, true);
	l = serve(&ls, &a, 2);
	ok(l != NULL && l->group.nqueues == 1 &&
	    listener_queue(l, 0) == listener_queue(l, 2),
	    "--queue shared: one queue for all seats");
	steer_to(&ls, "100");
	ok(count(l, &a, 20, got) == 20 && got[0] == 20, "it serves");
	fstat(l->group.queue[0].fd, &st);
	ok(listeners_by_inode(&ls, st.st_ino, &l) == &l->group.queue[0],
	    "a queue is found by its inode");
	fd = make(&a, 1);
	ok(bind(fd, &a.u.sa, a.len) == -1,
	    "a stranger's SO_REUSEPORT doesn't get into it");
	close(fd);
	ok(handed_grow(&ls, 9) == 0 && l->group.nqueues == 1,
	    "and it stays one");
	listeners_free(&ls);
}

static void
releases(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct address b = free_address("127.0.0.1", SOCK_STREAM);
	struct address c = free_address("127.0.0.1", SOCK_STREAM);
	struct listener *l;
	struct listeners ls;

	listeners_init(&ls, 3, false);
	serve(&ls, &a, 0);
	l = listeners_bind(&ls, &b, NULL, 1, make(&b, 0));
	listeners_bind(&ls, &c, NULL, 1, make(&c, 0));
	ok(connect(l->group.queue[1].fd, &a.u.sa, a.len) == 0, "one connects");
	listeners_release(&ls, 0, true);
	ok(ls.n == 3, "another seat's sockets stay");
	listeners_release(&ls, 1, false);
	ok(ls.n == 2 && listeners_find(&ls, &b) == NULL,
	    "a socket that was connected is released");
	listeners_release(&ls, 1, true);
	ok(ls.n == 1 && listeners_find(&ls, &c) == NULL,
	    "one that was only bound, when its worker has gone");
	ok(listeners_find(&ls, &a) != NULL, "one that listens stays");
	listeners_free(&ls);
}

/* Tell whether the queue is found by its socket's inode. */
static bool
is_found(const struct listeners *ls, struct listener *l, int seat)
{
	const struct queue *q = listener_queue(l, seat);
	struct listener *found;
	struct stat st;

	return fstat(q->fd, &st) == 0 &&
	    listeners_by_inode(ls, st.st_ino, &found) == q && found == l;
}

static bool
is_unknown(const struct listeners *ls, uint64_t inode)
{
	struct listener *l;

	return listeners_by_inode(ls, inode, &l) == NULL && l == NULL;
}

static void
inodes(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct address b = free_address("127.0.0.1", SOCK_STREAM);
	struct address un;
	struct listener *l, *bound, *path;
	struct listeners ls;
	uint64_t was;
	int all = 1, fd;

	listeners_init(&ls, 2, false);
	ok(is_unknown(&ls, 1), "before there is a listener no inode is known");
	l = handed_open(&ls, &a);
	ok(is_found(&ls, l, 0) && is_found(&ls, l, 1),
	    "the queues of -l are found by their inodes");
	handed_grow(&ls, 40);
	for (int i = 0; i < 40; i++)
		all = all && is_found(&ls, l, i);
	ok(all && ls.inodes.n == 40, "and all of them when there are more");
	bound = listeners_bind(&ls, &b, NULL, 3, make(&b, 0));
	was = bound->group.queue[3].inode;
	ok(is_found(&ls, bound, 3), "what a worker binds is found");
	fd = make(&b, 0);
	ok(listeners_bind(&ls, &b, NULL, 3, fd) == NULL && errno == EEXIST &&
	    is_found(&ls, bound, 3), "a seat has one socket");
	close(fd);
	listeners_release(&ls, 3, true);
	ok(is_unknown(&ls, was) && ls.inodes.n == 40,
	    "what is released is not found any more");
	address_parse(&un, "unix:@unit-listener-inodes");
	path = listeners_bind(&ls, &un, NULL, 0, make(&un, 0));
	was = path->group.queue[0].inode;
	ok(is_found(&ls, path, 0), "a Unix socket is found");
	listener_lose(&ls, path);
	ok(is_unknown(&ls, was), "until it is lost");
	was = l->group.queue[39].inode;
	served_complete(&ls, 1);
	ok(is_found(&ls, l, 39) && !is_unknown(&ls, was),
	    "a listener that is closed takes no other with it");
	listeners_free(&ls);
}

static void
inode_table(void)
{
	enum { N = 1000 };
	static struct listener any;
	struct listener *l = &any;
	const struct inodes_entry *e;
	struct inodes t;
	int good = 0;

	inodes_init(&t);
	ok(inodes_find(&t, 7) == NULL, "an empty table has nothing");
	inodes_remove(&t, 7);
	for (int i = 0; i < N; i++)
		inodes_put(&t, (uint64_t)i * 64, l, i);
	for (int i = 0; i < N; i++)
		good += (e = inodes_find(&t, (uint64_t)i * 64)) != NULL &&
		    e->queue == i && e->listener == l;
	ok(good == N && t.n == N && 2 * t.n <= t.nslots,
	    "a thousand inodes are found");
	for (int i = 0; i < N; i += 3)
		inodes_remove(&t, (uint64_t)i * 64);
	good = 0;
	for (int i = 0; i < N; i++)
		good += (inodes_find(&t, (uint64_t)i * 64) == NULL) ==
		    (i % 3 == 0);
	ok(good == N, "each that stays when a third is removed");
	inodes_put(&t, 64, l, 5);
	ok(inodes_find(&t, 64)->queue == 5 && t.n == N - (N + 2) / 3,
	    "one that comes again replaces what was there");
	inodes_free(&t);
}

static void
missing(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct address b = free_address("127.0.0.1", SOCK_STREAM);
	char text[400] = "", on[ADDRESS_TEXT_MAX], not[ADDRESS_TEXT_MAX];
	char want[sizeof(text)];
	struct listener *one, *other;
	struct listeners ls;

	listeners_init(&ls, 3, false);
	one = serve(&ls, &a, 0);
	listener_ask(one, 0, 1);
	served_hear(&ls, one, 0, 6);
	ok(served_tell_missing(&ls, 1, 7, text, sizeof(text)) == 0,
	    "before a generation is whole nothing is missing");
	served_complete(&ls, 1);
	other = serve(&ls, &b, 0);
	listener_ask(other, 0, 1);
	ok(served_tell_missing(&ls, 1, 7, text, sizeof(text)) == 1,
	    "what is only bound is not missing");
	served_hear(&ls, other, 0, 6);
	address_format(&a, on, sizeof(on));
	address_format(&b, not, sizeof(not));
	snprintf(want, sizeof(want), "does not listen on %s", on);
	ok(served_tell_missing(&ls, 1, 7, text, sizeof(text)) == 2 &&
	    strcmp(text, want) == 0, "the first that is missing is named");
	served_hear(&ls, one, 1, 7);
	snprintf(want, sizeof(want), "listens on %s but not on %s", on, not);
	ok(served_tell_missing(&ls, 1, 7, text, sizeof(text)) == 1 &&
	    strcmp(text, want) == 0, "beside one that is not");
	served_hear(&ls, other, 1, 7);
	ok(served_tell_missing(&ls, 1, 7, text, sizeof(text)) == 0 &&
	    served_is_heard(&ls, 1, 7), "none is in the end");
	listeners_free(&ls);
}

int
main(void)
{
	if (steer_available()) {
		shares();
		late();
		depth();
		many();
		even();
		shut_down();
		handed();
		inodes();
		grow_fails();
		datagrams();
		time_wait();
		families();
	}
	inode_table();
	releases();
	missing();
	strangers();
	expire();
	one_queue();
	return done();
}
