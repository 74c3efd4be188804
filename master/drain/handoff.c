#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/passfd.h"
#include "base/self.h"
#include "master/drain/handoff.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE	71
#endif

enum {
	FULL_MS = 50,			/* until the porter takes more */
	REST_MS = 2000,			/* without a connection, to its end */
	FAILURES_MAX = 3,		/* then no porter is started any more */
	LOOPBACK_NET = 127,		/* of 127.0.0.0/8 */
};

void
handoff_init(struct handoff *h, const struct launch *launch)
{
	memset(h, 0, sizeof(*h));
	h->launch = launch;
	h->fd = -1;
}

void
handoff_end(struct handoff *h)
{
	if (h->fd != -1)
		close(h->fd);
	h->fd = -1;
	h->with_porter = 0;
}

static int
take_identity(const struct launch *launch)
{
	if (launch->user[0] == '\0')
		return 0;
	if (geteuid() == 0 && initgroups(launch->user, launch->gid) == -1 &&
	    setgroups(0, NULL) == -1)
		return -1;
	return setgid(launch->gid) == -1 || setuid(launch->uid) == -1 ? -1 : 0;
}

/* All of ours are close-on-exec. Its session is its own: a terminal's signals
 * are the master's. */
static void
become_porter(const struct launch *launch, int self, int fd)
{
	char name[] = "porter";
	char *const argv[] = { name, NULL };
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (chdir("/") == -1 || take_identity(launch) == -1)
		_exit(1);
	if (fd == PORTING_FD) {
		if (fcntl(fd, F_SETFD, 0) == -1)
			_exit(1);
	} else if (self == PORTING_FD) {
		self = fcntl(self, F_DUPFD_CLOEXEC, PORTING_FD + 1);
	}
	if (fd != PORTING_FD && dup2(fd, PORTING_FD) == -1)
		_exit(1);
	self_run(self, argv);
	_exit(1);
}

static int
start_porter(struct handoff *h)
{
	int pair[2], self;

	if (h->failures >= FAILURES_MAX) {
		errno = ECANCELED;
		return -1;
	}
	self = self_open();
	if (self == -1)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) ==
	    -1) {
		close(self);
		return -1;
	}
	h->pid = fork();
	if (h->pid == 0)
		become_porter(h->launch, self, pair[1]);
	close(self);
	close(pair[1]);
	if (h->pid == -1) {
		close(pair[0]);
		return -1;
	}
	h->fd = pair[0];
	return 0;
}

/* The porter takes many in a moment, but not all that a worker leaves. */
static int
send_order(const struct handoff *h, int fd, const struct porting_order *order)
{
	struct pollfd p = { .fd = h->fd, .events = POLLOUT };

	while (passfd_send(h->fd, order, sizeof(*order), fd, MSG_DONTWAIT |
	    MSG_NOSIGNAL) != sizeof(*order)) {
		if (errno != EAGAIN || poll(&p, 1, FULL_MS) <= 0)
			return -1;
	}
	return 0;
}

int
handoff_send(struct handoff *h, int fd, const struct porting_order *order)
{
	bool take = order->mode == PORTING_TAKE;

	if (take && h->npending == HANDOFF_PENDING) {
		errno = EAGAIN;
		return -1;
	}
	if (h->fd == -1 && start_porter(h) == -1)
		return -1;
	if (send_order(h, fd, order) == -1)
		return -1;
	if (take)
		h->pending[h->npending++] = order->id;
	h->with_porter++;
	h->idle_ms = 0;
	return 0;
}

static void
forget_pending(struct handoff *h, uint64_t id)
{
	size_t i;

	for (i = 0; i < h->npending; i++) {
		if (h->pending[i] != id)
			continue;
		h->pending[i] = h->pending[--h->npending];
		return;
	}
}

static void
note_news(struct handoff *h, const struct porting_reply *reply)
{
	h->failures = 0;
	switch ((enum porting_news)reply->news) {
	case PORTING_TAKEN:
		h->counts.handed_on++;
		forget_pending(h, reply->id);
		return;
	case PORTING_REFUSED:
		forget_pending(h, reply->id);
		break;
	case PORTING_BROKEN:
		h->counts.broken++;
		break;
	case PORTING_QUIET:
		h->counts.quiet++;
		break;
	case PORTING_ANSWERED:
		break;
	}
	if (h->with_porter > 0)
		h->with_porter--;
}

/* What it had carried ends with it; what it had not begun is as it was. */
static void
note_death(struct handoff *h)
{
	if (h->with_porter > 0 || h->npending > 0) {
		log_warnx("the porter has ended with %zu connection%s",
		    h->with_porter, h->with_porter == 1 ? "" : "s");
		if (++h->failures == FAILURES_MAX)
			log_warnx("nothing is handed on any more");
	}
	handoff_end(h);
}

bool
handoff_hear(struct handoff *h, struct porting_reply *reply)
{
	ssize_t n;

	if (h->fd != -1) {
		n = recv(h->fd, reply, sizeof(*reply), MSG_DONTWAIT);
		if (n == sizeof(*reply)) {
			note_news(h, reply);
			return true;
		}
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return false;
		note_death(h);
	}
	if (h->npending == 0)
		return false;
	reply->id = h->pending[--h->npending];
	reply->news = PORTING_REFUSED;
	return true;
}

int64_t
handoff_turn(struct handoff *h, int64_t now_ms)
{
	if (h->fd == -1 || h->with_porter > 0)
		return 0;
	if (h->idle_ms == 0)
		h->idle_ms = now_ms;
	if (now_ms - h->idle_ms < REST_MS)
		return h->idle_ms + REST_MS;
	handoff_end(h);
	return 0;
}

/* An IPv4 address that came as an IPv6 one becomes what it is. */
static void
unmap(struct sockaddr_storage *ss)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)ss;
	struct sockaddr_in four = { .sin_family = AF_INET };

	if (ss->ss_family != AF_INET6 ||
	    !IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		return;
	memcpy(&four.sin_addr, &six->sin6_addr.s6_addr[12],
	    sizeof(four.sin_addr));
	memcpy(ss, &four, sizeof(four));
}

static bool
is_same(const struct sockaddr_storage *a, const struct sockaddr *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;

	if (b == NULL || a->ss_family != b->sa_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a->ss_family == AF_INET6 &&
	    IN6_ARE_ADDR_EQUAL(&a6->sin6_addr, &b6->sin6_addr);
}

/* Not by bind(2), which a sysctl lets succeed with any address. */
static bool
is_of_machine(struct sockaddr_storage *ss)
{
	const struct sockaddr_in *four = (const void *)ss;
	struct ifaddrs *all, *i;
	bool found = false;

	unmap(ss);
	if (ss->ss_family == AF_INET &&
	    ntohl(four->sin_addr.s_addr) >> 24 == LOOPBACK_NET)
		return true;
	if (getifaddrs(&all) == -1)
		return false;
	for (i = all; i != NULL && !found; i = i->ifa_next)
		found = is_same(ss, i->ifa_addr);
	freeifaddrs(all);
	return found;
}

bool
handoff_is_local(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	return getpeername(fd, (struct sockaddr *)&ss, &len) == 0 &&
	    is_of_machine(&ss);
}

/* Unknown to kernels before 5.14: there the namespace can't be told. */
static bool
is_of_our_net(int fd)
{
	uint64_t its = 0, ours = 0;
	socklen_t len = sizeof(its);
	int own = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool same;

	if (own == -1)
		return false;
	same = getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &its, &len) == 0 &&
	    getsockopt(own, SOL_SOCKET, SO_NETNS_COOKIE, &ours, &len) == 0 &&
	    its == ours;
	close(own);
	return same;
}

bool
handoff_may(int fd, bool any)
{
	struct sockaddr_storage ss;
	char device[64] = "";
	socklen_t len = sizeof(ss), device_len = sizeof(device);

	memset(&ss, 0, sizeof(ss));
	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1 ||
	    !is_of_machine(&ss))
		return false;
	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &device_len) ==
	    -1 || device[0] != '\0')
		return false;
	return is_of_our_net(fd) && (any || handoff_is_local(fd));
}
