#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "master/socket/handed.h"
#include "master/socket/listener.h"
#include "master/trap/trap.h"
#include "test/tap.h"

#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd	438
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

enum { NOBODY = 65534 };

/* A worker: a child under the trap. It tells numbers and waits for a byte. */
struct child {
	pid_t	 pid;
	int	 seat;
	int	 trap_fd;
	int	 line;			/* to and from it */
	int	 listens;		/* events of each kind */
	int	 bound;
	int	 refused;
	int	 unshared;
	int	 delay_ms;		/* before an answer */
	struct trap_event last;		/* that was not TRAP_NONE */
};

static struct listeners ls;
static unsigned generation = 1;
static bool catch_names;
static int line;			/* in a child: to its parent */

static void
fail(const char *what)
{
	perror(what);
	exit(99);
}

static void
nap(int ms)
{
	struct timespec ts = { .tv_nsec = ms * 1000000L };

	while (nanosleep(&ts, &ts) == -1)
		;
}

/* In a child: tell a number and wait to be told to go on. */
static void
tell(int number)
{
	char byte;

	if (write(line, &number, sizeof(number)) == -1)
		_exit(0);
	while (read(line, &byte, 1) != 1)
		if (errno != EINTR)
			_exit(0);
}

static void
send_fd(int to, int fd)
{
	union {
		struct cmsghdr hdr;
		char	 buf[CMSG_SPACE(sizeof(int))];
	} u = { .hdr = {
		.cmsg_len = CMSG_LEN(sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS,
	} };
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &u,
		.msg_controllen = sizeof(u.buf),
	};

	memcpy(CMSG_DATA(&u.hdr), &fd, sizeof(fd));
	if (sendmsg(to, &msg, 0) == -1)
		fail("sendmsg");
}

static int
receive_fd(int from)
{
	union {
		struct cmsghdr hdr;
		char	 buf[CMSG_SPACE(sizeof(int))];
	} u;
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &u,
		.msg_controllen = sizeof(u.buf),
	};
	int fd;

	if (recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != 1 ||
	    msg.msg_controllen == 0)
		fail("no trap");
	memcpy(&fd, CMSG_DATA(&u.hdr), sizeof(fd));
	return fd;
}

static void
live(void (*what)(const struct address *), const struct address *a)
{
	int fd = trap_install(catch_names);

	if (fd == -1)
		fail("trap_install");
	send_fd(line, fd);
	close(fd);
	what(a);
	_exit(0);
}

static struct child
spawn(int seat, void (*what)(const struct address *), const struct address *a)
{
	struct child c = { .seat = seat };
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fail("socketpair");
	if ((c.pid = fork()) == -1)
		fail("fork");
	if (c.pid == 0) {
		close(pair[0]);
		line = pair[1];
		live(what, a);
	}
	close(pair[1]);
	c.line = pair[0];
	c.trap_fd = receive_fd(c.line);
	return c;
}

static void
note(struct child *c, const struct trap_event *ev)
{
	switch (ev->news) {
	case TRAP_NONE:
		return;
	case TRAP_BOUND:
		c->bound++;
		break;
	case TRAP_LISTENS:
		c->listens++;
		break;
	case TRAP_REFUSED:
		c->refused++;
		break;
	case TRAP_UNSHARED:
		c->unshared++;
		break;
	}
	c->last = *ev;
}

/* Answer a child's calls until it tells a number; -1 if it ends instead. */
static int
told(struct child *c)
{
	struct pollfd pfd[2] = {
		{ .fd = c->trap_fd, .events = POLLIN },
		{ .fd = c->line, .events = POLLIN },
	};
	struct trap_event ev;
	int number;

	for (;;) {
		if (poll(pfd, 2, 10000) < 1)
			fail("a child that says nothing");
		if (pfd[0].revents & POLLIN) {
			nap(c->delay_ms);
			if (trap_answer(c->trap_fd, &ls, c->seat, generation,
			    &ev) == 0)
				note(c, &ev);
		} else if (pfd[1].revents != 0) {
			if (read(c->line, &number, sizeof(number)) !=
			    (ssize_t)sizeof(number))
				return -1;
			return number;
		}
	}
}

static void
go_on(const struct child *c)
{
	if (write(c->line, "", 1) != 1)
		fail("write");
}

static void
end(struct child *c)
{
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	close(c->trap_fd);
	close(c->line);
}

static struct address
free_address(const char *host, int type)
{
	struct address a;
	char text[64];
	socklen_t len = sizeof(a.u);
	int fd;

	address_parse(&a, "1");
	a.u.in6.sin6_port = 0;
	fd = socket(AF_INET6, type, 0);
	if (bind(fd, &a.u.sa, a.len) == -1 ||
	    getsockname(fd, &a.u.sa, &len) == -1)
		fail("no free port");
	close(fd);
	snprintf(text, sizeof(text), "%s:%u", host, address_port(&a));
	address_parse(&a, text);
	a.type = type;
	return a;
}

static struct address
with_port(const char *host, unsigned port)
{
	struct address a;
	char text[64];

	snprintf(text, sizeof(text), "%s:%u", host, port);
	address_parse(&a, text);
	return a;
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

static int
make(const struct address *a, int flags, int protocol)
{
	int fd = socket(a->u.sa.sa_family, a->type | flags, protocol);
	int v6only = a->v6only;

	if (a->u.sa.sa_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only,
		    sizeof(v6only));
	return fd;
}

static int
bind_and_listen(const struct address *a, int fd)
{
	if (bind(fd, &a->u.sa, a->len) == -1)
		return errno;
	if (a->type == SOCK_STREAM && listen(fd, 5) == -1)
		return errno;
	return 0;
}

/* What children do. */

static void
serve_on(const struct address *a, int fd)
{
	tell(bind_and_listen(a, fd));
	for (;;) {
		int conn = accept(fd, NULL, NULL);

		tell(conn == -1 ? errno : 0);
		close(conn);
	}
}

static void
serve(const struct address *a)
{
	serve_on(a, make(a, 0, 0));
}

static void
serve_mptcp(const struct address *a)
{
	int fd = make(a, 0, IPPROTO_MPTCP);

	serve_on(a, fd == -1 ? make(a, 0, 0) : fd);
}

static void
serve_both_families(const struct address *a)
{
	struct address six = with_port("[::]", address_port(a));

	six.v6only = true;
	tell(bind_and_listen(a, make(a, 0, 0)));
	tell(bind_and_listen(&six, make(&six, 0, 0)));
}

static void
serve_twice(const struct address *a)
{
	int one = 1, fd[2];

	for (int i = 0; i < 2; i++) {
		fd[i] = make(a, 0, 0);
		setsockopt(fd[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		tell(bind_and_listen(a, fd[i]));
	}
}

static void
receive(const struct address *a)
{
	int fd = make(a, 0, 0);
	char byte;

	tell(bind_and_listen(a, fd));
	tell(recv(fd, &byte, 1, 0) == 1 ? 0 : errno);
}

static int
flags_of(int fd)
{
	return (fcntl(fd, F_GETFL) & O_NONBLOCK) |
	    (fcntl(fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0);
}

static void
tell_flags(const struct address *a)
{
	int fd = make(a, SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	bind_and_listen(a, fd);
	tell(flags_of(fd));
}

static void
tell_no_flags(const struct address *a)
{
	int fd = make(a, 0, 0);

	bind_and_listen(a, fd);
	tell(flags_of(fd));
}

static void
tell_buffer(const struct address *a)
{
	int fd = make(a, 0, 0), size = 54321, got;
	socklen_t len = sizeof(got);

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
	bind_and_listen(a, fd);
	getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len);
	tell(got / 2);
}

static void
bind_again(const struct address *a)
{
	struct address other = *a;
	int fd = make(a, 0, 0);

	tell(bind_and_listen(a, fd));
	tell(bind_and_listen(a, fd));
	other.u.in.sin_port = htons(1234);
	tell(bind_and_listen(&other, fd));
}

static void
ignore(int signo)
{
	(void)signo;
}

static void
serve_under_signals(const struct address *a)
{
	struct sigaction sa = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, off = { 0 };
	int fd = make(a, 0, 0), error;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	error = bind_and_listen(a, fd);
	setitimer(ITIMER_REAL, &off, NULL);
	tell(error);
	tell(accept(fd, NULL, NULL) == -1 ? errno : 0);
}

static void *
thread(void *arg)
{
	serve(arg);
	return NULL;
}

static void
serve_in_thread(const struct address *a)
{
	struct address copy = *a;
	pthread_t id;

	pthread_create(&id, NULL, thread, &copy);
	pthread_join(id, NULL);
}

static void
bind_others(const struct address *a)
{
	struct address zero = *a, un;
	struct sockaddr nl = { .sa_family = AF_NETLINK };
	int fd = make(a, 0, 0);

	zero.u.in.sin_port = 0;
	tell(bind_and_listen(&zero, fd));
	address_parse(&un, "unix:@crr-unit-trap");
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	tell(bind(fd, &un.u.sa, un.len) == -1 || listen(fd, 5) == -1 ?
	    errno : 0);
	fd = socket(AF_NETLINK, SOCK_RAW, 0);
	tell(bind(fd, &nl, 12) == -1 ? errno : 0);
	fd = make(a, 0, 0);
	tell(listen(fd, 5) == -1 ? errno : 0);
}

static int
try_bind(int fd, const void *where, socklen_t len)
{
	return bind(fd, where, len) == -1 ? errno : 0;
}

static void
bind_badly(const struct address *a)
{
	struct address six = with_port("[::1]", address_port(a));
	int fd = make(a, 0, 0);
	const char *volatile nowhere = (const char *)8;

	tell(try_bind(fd, nowhere, a->len));
	tell(try_bind(fd, &a->u, 3));
	tell(try_bind(fd, &a->u, 100000));
	tell(try_bind(-1, &a->u, a->len));
	tell(try_bind(0, &a->u, a->len));
	tell(try_bind(fd, &six.u, six.len));
	tell(try_bind(make(&six, 0, 0), &a->u, a->len));
}

static void
serve_as_nobody(const struct address *a)
{
	if (geteuid() == 0 && setuid(NOBODY) == -1)
		_exit(1);
	serve(a);
}

static void
serve_hidden(const struct address *a)
{
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	serve(a);
}

static void
install_again(const struct address *a)
{
	(void)a;
	errno = 0;
	trap_install(catch_names);
	tell(errno);
}

/* What is asked of them. */

static void
steer_to(int seat)
{
	bool ready[3] = { false, false, false };

	ready[seat] = true;
	listeners_steer(&ls, ready);
}

static int
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* Tell whether a connection to the address is accepted by the child. */
static bool
reaches(struct child *c, const struct address *a)
{
	int fd = connect_to(a), number;

	go_on(c);
	number = told(c);
	close(fd);
	return fd != -1 && number == 0;
}

static void
share(const struct address *a)
{
	struct child one, two, next;
	int fd, n;

	n = open_descriptors();
	listeners_init(&ls, 3, false);
	one = spawn(0, serve, a);
	ok(told(&one) == 0 && one.bound == 1 && one.listens == 1 &&
	    one.last.pid == one.pid && ls.n == 1 &&
	    one.last.listener == ls.list[0] && ls.list[0]->generation == 1,
	    "a child's bind and listen are seen and answered 0");
	ok(address_equal(&ls.list[0]->address, a) &&
	    ls.list[0]->group.queue[0].fd != -1, "the parent holds its socket");
	two = spawn(1, serve, a);
	generation = 2;
	ok(told(&two) == 0 && ls.n == 1 && ls.list[0]->group.nplaces == 2 &&
	    ls.list[0]->generation == 2, "a second shares the address");
	steer_to(1);
	ok(reaches(&two, a), "it is served by the second");
	steer_to(0);
	ok(reaches(&one, a), "it is served by the first");

	end(&one);
	fd = connect_to(a);
	ok(fd != -1, "a dead child's seat still takes connections");
	next = spawn(0, serve, a);
	ok(told(&next) == 0 && next.bound == 1 && next.listens == 1 &&
	    ls.list[0]->group.nplaces == 2, "its successor gets the seat's queue");
	go_on(&next);
	ok(told(&next) == 0, "and the connection that waited there");
	close(fd);
	end(&next);
	end(&two);
	listeners_free(&ls);
	ok(open_descriptors() == n, "no descriptor is left");
	generation = 1;
}

static void
datagrams(void)
{
	struct address a = free_address("127.0.0.1", SOCK_DGRAM);
	struct child one, two;
	int fd;

	listeners_init(&ls, 3, false);
	one = spawn(0, receive, &a);
	ok(told(&one) == 0 && one.listens == 1 && one.bound == 0,
	    "a datagram socket is ready by bind");
	two = spawn(1, receive, &a);
	ok(told(&two) == 0 && ls.n == 1 && ls.list[0]->group.nplaces == 2,
	    "a second shares it");
	steer_to(1);
	fd = connect_to(&a);
	send(fd, "x", 1, 0);
	close(fd);
	go_on(&two);
	ok(told(&two) == 0, "it receives what is steered to it");
	end(&one);
	end(&two);
	listeners_free(&ls);
}

static void
families(void)
{
	struct address a = free_address("0.0.0.0", SOCK_STREAM);
	struct address six = with_port("[::]", address_port(&a));
	struct child one, two;

	listeners_init(&ls, 3, false);
	one = spawn(0, serve, &six);
	two = spawn(1, serve, &six);
	ok(told(&one) == 0 && told(&two) == 0 && ls.n == 1,
	    "two share a dual-stack address");
	steer_to(1);
	ok(reaches(&two, &six) && reaches(&two, &a),
	    "both families reach the one steered to");
	end(&one);
	end(&two);
	listeners_free(&ls);

	listeners_init(&ls, 3, false);
	for (int seat = 0; seat < 2; seat++) {
		one = spawn(seat, serve_both_families, &a);
		ok(told(&one) == 0, "IPv4 and");
		go_on(&one);
		ok(told(&one) == 0 && ls.n == 2 && one.listens == 2,
		    "IPv6 alone, as two sockets of one port");
		end(&one);
	}
	listeners_free(&ls);
}

static int
flags_in(int seat, void (*what)(const struct address *),
    const struct address *a)
{
	struct child c = spawn(seat, what, a);
	int flags = told(&c);

	end(&c);
	return flags;
}

static void
descriptor_flags(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);

	listeners_init(&ls, 3, false);
	ok(flags_in(0, tell_flags, &a) == (O_NONBLOCK | O_CLOEXEC),
	    "a first socket keeps O_NONBLOCK and close-on-exec");
	ok(flags_in(0, tell_no_flags, &a) == 0,
	    "a successor without them gets the socket without");
	ok(flags_in(0, tell_flags, &a) == (O_NONBLOCK | O_CLOEXEC),
	    "one with them, with them");
	ok(flags_in(1, tell_flags, &a) == (O_NONBLOCK | O_CLOEXEC),
	    "as does another seat");
	listeners_free(&ls);
}

static void
options(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);

	listeners_init(&ls, 3, false);
	flags_in(0, tell_no_flags, &a);
	ok(flags_in(0, tell_buffer, &a) == 54321,
	    "a buffer's size set before bind is kept in a successor");
	listeners_free(&ls);
}

static void
again(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct child c;

	listeners_init(&ls, 3, false);
	for (int i = 0; i < 2; i++) {
		c = spawn(0, bind_again, &a);
		ok(told(&c) == 0, "a bind and a listen, and");
		go_on(&c);
		ok(told(&c) == 0, "the same again, are answered the same");
		go_on(&c);
		ok(told(&c) == EINVAL, "another address is not");
		end(&c);
	}
	c = spawn(1, serve_twice, &a);
	ok(told(&c) == 0, "one socket of an address and");
	go_on(&c);
	ok(told(&c) == 0 && ls.list[0]->group.nplaces == 2,
	    "another of one worker are one queue");
	end(&c);
	listeners_free(&ls);
}

static void
signals(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct child c;

	listeners_init(&ls, 3, false);
	for (int i = 0; i < 2; i++) {
		c = spawn(0, serve_under_signals, &a);
		c.delay_ms = 5;
		ok(told(&c) == 0 && reaches(&c, &a),
		    "signals in the middle of its calls change nothing");
		end(&c);
	}
	listeners_free(&ls);
}

static void
threads(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct child c;

	listeners_init(&ls, 3, false);
	for (int seat = 0; seat < 2; seat++) {
		c = spawn(seat, serve_in_thread, &a);
		ok(told(&c) == 0 && c.listens == 1 && c.last.pid == c.pid,
		    "a thread's calls are its process's");
		end(&c);
	}
	listeners_free(&ls);
}

/* Serve a path; the second byte it is given has it remove the name. */
static void
serve_path(const struct address *a)
{
	int fd;

	unlink(address_path(a));
	fd = make(a, 0, 0);
	tell(bind_and_listen(a, fd));
	tell(unlink(address_path(a)) == -1 ? errno : 0);
	tell(unlink("/nowhere/at/all") == -1 ? errno : 0);
	tell(unlinkat(AT_FDCWD, address_path(a), 0) == -1 ? errno : 0);
}

static void
paths(void)
{
	char dir[] = "/tmp/crr-unit.XXXXXX", text[64];
	struct address a;
	struct child one, two;

	if (mkdtemp(dir) == NULL)
		fail("mkdtemp");
	snprintf(text, sizeof(text), "unix:%s/sock", dir);
	address_parse(&a, text);
	listeners_init(&ls, 3, false);
	one = spawn(0, serve_path, &a);
	ok(told(&one) == 0 && ls.n == 1 && one.listens == 1,
	    "a Unix path is shared");
	catch_names = true;
	two = spawn(1, serve_path, &a);
	catch_names = false;
	ok(told(&two) == 0 && ls.n == 1 && two.listens == 1,
	    "by another that removes it before it binds");
	go_on(&two);
	ok(told(&two) == 0 && access(address_path(&a), F_OK) == 0,
	    "one that removes it behind is told that it has");
	go_on(&two);
	ok(told(&two) == ENOENT, "other names are the kernel's business");
	go_on(&two);
	ok(told(&two) == 0 && access(address_path(&a), F_OK) == 0,
	    "unlinkat(2) is the same");
	go_on(&one);
	ok(told(&one) == 0 && access(address_path(&a), F_OK) == -1 &&
	    listeners_mend(&ls, 0) == 0 && access(address_path(&a), F_OK) == 0,
	    "who was there before the name removes it, and it is put back");
	end(&one);
	end(&two);
	listeners_free(&ls);
	ok(rmdir(dir) == 0, "at the end no link is left");
}

static void
mptcp(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct child one, two;

	listeners_init(&ls, 3, false);
	one = spawn(0, serve_mptcp, &a);
	two = spawn(1, serve_mptcp, &a);
	ok(told(&one) == 0 && told(&two) == 0 && ls.n == 1 &&
	    ls.list[0]->group.nplaces == 2, "MPTCP sockets, as Go has, are shared");
	steer_to(1);
	ok(reaches(&two, &a), "and steered");
	end(&one);
	end(&two);
	listeners_free(&ls);
}

static void
others(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct child c;
	bool good;

	listeners_init(&ls, 3, false);
	c = spawn(0, bind_others, &a);
	ok(told(&c) == 0, "port 0 is the kernel's business");
	go_on(&c);
	ok(told(&c) == 0 && ls.n == 1 && ls.list[0]->group.nplaces == 1,
	    "an abstract Unix name is shared");
	go_on(&c);
	ok(told(&c) == 0, "and a netlink one");
	go_on(&c);
	ok(told(&c) == 0 && ls.n == 1 && c.bound + c.listens == 2,
	    "and a listen without bind");
	end(&c);

	c = spawn(0, bind_badly, &a);
	good = told(&c) == EFAULT;
	go_on(&c);
	good = good && told(&c) == EINVAL;
	go_on(&c);
	good = good && told(&c) == EINVAL;
	go_on(&c);
	good = good && told(&c) == EBADF;
	go_on(&c);
	good = good && told(&c) == ENOTSOCK;
	go_on(&c);
	good = good && told(&c) != 0;
	go_on(&c);
	ok(good && told(&c) != 0 && ls.n == 1 && c.bound == 0,
	    "bad arguments get the kernel's errors");
	end(&c);
	listeners_free(&ls);
}

static void
refusals(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct address six = with_port("[::]", address_port(&a));
	struct address four = with_port("0.0.0.0", address_port(&a));
	struct child c;
	char text[200];
	int fd = make(&a, 0, 0);

	listeners_init(&ls, 3, false);
	bind_and_listen(&a, fd);
	c = spawn(0, serve, &a);
	snprintf(text, sizeof(text), "bind 127.0.0.1:%u: %s",
	    address_port(&a), strerror(EADDRINUSE));
	ok(told(&c) == EADDRINUSE && c.refused == 1 &&
	    c.last.error == EADDRINUSE && strcmp(c.last.text, text) == 0 &&
	    ls.n == 0, "an address in use is refused, and told");
	end(&c);
	close(fd);

	handed_open(&ls, &six);
	c = spawn(0, serve, &four);
	snprintf(text, sizeof(text), "-l 0.0.0.0:%u", address_port(&a));
	ok(told(&c) == EADDRINUSE && c.refused == 1 &&
	    strstr(c.last.text, "-l [::]:") != NULL &&
	    strstr(c.last.text, text) != NULL,
	    "IPv4 beside -l of both families is refused, with what to say");
	end(&c);
	c = spawn(0, serve, &six);
	ok(told(&c) == 0 && c.bound == 1 && c.listens == 1 && ls.n == 1 &&
	    reaches(&c, &six), "who binds an -l address gets its socket");
	end(&c);
	listeners_free(&ls);
}

/* A privileged port of an address that nobody else has. */
static struct address
low_address(void)
{
	return with_port("127.5.6.7", 1000U + (unsigned)getpid() % 20);
}

static void
privileges(void)
{
	struct address a = low_address();
	struct child c;

	listeners_init(&ls, 3, false);
	c = spawn(0, serve_as_nobody, &a);
	ok(told(&c) == EACCES && c.refused == 1 &&
	    c.last.error == EACCES && strstr(c.last.text, "-l") != NULL &&
	    ls.n == 0, "a privileged port is refused to an ordinary user");
	end(&c);
	if (geteuid() == 0) {
		c = spawn(0, serve, &a);
		ok(told(&c) == 0, "not to root");
		end(&c);
		c = spawn(0, serve_as_nobody, &a);
		ok(told(&c) == EACCES, "nor lent to root's successor");
		end(&c);
		listeners_free(&ls);
		listeners_init(&ls, 3, false);
		handed_open(&ls, &a);
		c = spawn(0, serve_as_nobody, &a);
		ok(told(&c) == 0 && reaches(&c, &a), "unless -l gives it");
		end(&c);
	}
	listeners_free(&ls);
}

static void
hidden(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct child c;

	listeners_init(&ls, 3, false);
	c = spawn(0, serve_hidden, &a);
	if (geteuid() == 0)
		ok(told(&c) == 0 && c.bound == 1,
		    "one that isn't dumpable is no secret to root");
	else
		ok(told(&c) == 0 && c.bound == 0 && c.unshared > 0 &&
		    strstr(c.last.text, "not shared") != NULL,
		    "one that isn't dumpable is passed on, and told");
	end(&c);
	listeners_free(&ls);
}

static void
leaving(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct trap_event ev;
	struct child c = spawn(0, serve, &a);
	struct pollfd pfd = { .fd = c.trap_fd, .events = POLLIN };

	listeners_init(&ls, 3, false);
	poll(&pfd, 1, 10000);
	kill(c.pid, SIGKILL);
	waitpid(c.pid, NULL, 0);
	ok(trap_answer(c.trap_fd, &ls, 0, 1, &ev) == -1 && errno == ENOENT &&
	    ls.n == 0, "one that is killed while it waits gets no answer");
	ok(poll(&pfd, 1, 10000) == 1 && pfd.revents == POLLHUP,
	    "the trap hangs up when its last process has gone");
	close(c.trap_fd);
	close(c.line);
	listeners_free(&ls);
}

static void
installing(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct child c = spawn(0, install_again, &a);

	ok(trap_probe() == 0, "the probe says that it can be had");
	ok(told(&c) == EBUSY, "a second within the first is EBUSY");
	end(&c);
}

static void
one_queue(void)
{
	struct address a = free_address("127.0.0.1", SOCK_STREAM);
	struct child one, two;

	listeners_init(&ls, 3, true);
	one = spawn(0, serve, &a);
	two = spawn(1, serve, &a);
	ok(told(&one) == 0 && told(&two) == 0 && ls.n == 1 &&
	    ls.list[0]->group.nqueues == 1, "two share one queue");
	ok(reaches(&two, &a), "and serve it");
	end(&one);
	end(&two);
	listeners_free(&ls);
}

/* As Docker's stock profile does. */
static void
forbid_getfd(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_pidfd_getfd, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = 4, .filter = code };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0) == -1)
		fail("PR_SET_SECCOMP");
}

static void
all(void)
{
	struct address four = free_address("127.0.0.1", SOCK_STREAM);
	struct address six = free_address("[::1]", SOCK_STREAM);

	share(&four);
	share(&six);
	datagrams();
	families();
	descriptor_flags();
	again();
	paths();
	signals();
	threads();
	mptcp();
	others();
	refusals();
	privileges();
	hidden();
	leaving();
	installing();
	one_queue();
}

int
main(void)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(120);
	all();
	options();
	forbid_getfd();
	printf("# where pidfd_getfd is forbidden\n");
	all();
	return done();
}
