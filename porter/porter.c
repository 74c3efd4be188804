#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/passfd.h"
#include "base/pile.h"
#include "base/poller.h"
#include "base/porting.h"
#include "base/timers.h"
#include "porter/carried.h"
#include "porter/confine.h"
#include "porter/porter.h"

enum { KIND_MASTER, KIND_CARRIED };

struct porter {
	struct poller *poller;
	struct carried *first;
	bool	 hung_up;		/* the master has */
};

/* What the master has not heard yet: it may be busy giving us more. */
static struct pile news;

static void
tell_master(uint64_t id, enum porting_news what)
{
	const struct porting_reply reply = { .id = id, .news = what };

	if (pile_append(&news, &reply, sizeof(reply)) == -1)
		fatal(1, "porter");
}

/* Each reply is a packet of its own. */
static void
send_news(struct porter *p)
{
	const size_t size = sizeof(struct porting_reply);

	while (pile_len(&news) > 0) {
		if (send(PORTING_FD, news.bytes + news.begin, size,
		    MSG_DONTWAIT | MSG_NOSIGNAL) == -1 && errno == EAGAIN)
			break;
		pile_use(&news, size);
	}
	if (!p->hung_up && poller_watch(p->poller, PORTING_FD,
	    pile_len(&news) > 0 ? POLLIN | POLLOUT : POLLIN, KIND_MASTER,
	    p) == -1)
		fatal(1, "porter");
}

static void
take_order(struct porter *p, const struct porting_order *order, int fd,
    int64_t now_ms)
{
	struct carried *c = carried_begin(order, fd, p->poller, tell_master,
	    now_ms);

	if (c == NULL)
		return;
	*carried_next(c) = p->first;
	p->first = c;
}

static void
hear_master(struct porter *p, int64_t now_ms)
{
	struct porting_order order;
	ssize_t n;
	int fd;

	for (;;) {
		n = passfd_receive(PORTING_FD, &order, sizeof(order), &fd,
		    MSG_DONTWAIT);
		if (n == sizeof(order) && fd != -1) {
			take_order(p, &order, fd, now_ms);
			continue;
		}
		if (fd != -1)
			close(fd);
		/* Its descriptor could not be received: ours are used up. */
		if (n == sizeof(order)) {
			tell_master(order.id, PORTING_REFUSED);
			continue;
		}
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		p->hung_up = true;
		poller_forget(p->poller, PORTING_FD, p);
		return;
	}
}

static int
find_timeout(const struct porter *p, int64_t now_ms)
{
	int64_t next_ms = 0;
	struct carried *c;

	for (c = p->first; c != NULL; c = *carried_next(c))
		timers_sooner(&next_ms, carried_due(c));
	if (next_ms == 0)
		return -1;
	return next_ms <= now_ms ? 0 : (int)(next_ms - now_ms);
}

static void
step_all(struct porter *p, int64_t now_ms)
{
	struct carried **at = &p->first, *next;

	while (*at != NULL) {
		next = *carried_next(*at);
		if (carried_step(*at, now_ms))
			at = carried_next(*at);
		else
			*at = next;
	}
}

static bool
take_turn(struct porter *p)
{
	const struct poller_event *ev;
	size_t i = 0;

	if (poller_wait(p->poller, find_timeout(p, clock_now())) == -1)
		return false;
	while ((ev = poller_next(p->poller, &i)) != NULL) {
		if (ev->kind == KIND_MASTER)
			hear_master(p, clock_now());
	}
	step_all(p, clock_now());
	send_news(p);
	return !p->hung_up || p->first != NULL;
}

/* Nothing but its connections: no rights to gain, no trace to leave. */
static void
give_up_rights(void)
{
	struct rlimit limit = { 0, 0 };

	setrlimit(RLIMIT_CORE, &limit);
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int
porter_main(int argc, char **argv)
{
	struct porter p = { NULL, NULL, false };
	socklen_t len = sizeof(int);
	int type = 0;

	(void)argv;
	if (argc != 1 || getsockopt(PORTING_FD, SOL_SOCKET, SO_TYPE, &type,
	    &len) == -1 || type != SOCK_SEQPACKET)
		fatalx(2, "porter: the master alone starts it");
	signal(SIGPIPE, SIG_IGN);
	give_up_rights();
	p.poller = poller_new();
	if (p.poller == NULL || poller_watch(p.poller, PORTING_FD, POLLIN,
	    KIND_MASTER, &p) == -1)
		fatal(1, "porter");
	confine();
	while (take_turn(&p))
		continue;
	return 0;
}
