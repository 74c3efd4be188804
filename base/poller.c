#include <sys/epoll.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/poller.h"

enum { AT_ONCE = 256 };			/* events taken by one call */

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT &&
    EPOLLERR == POLLERR && EPOLLHUP == POLLHUP, "the same bits");

/* What a descriptor is watched for. */
struct watch {
	uint32_t serial;		/* of the watch; 0: none */
	short	 events;
	unsigned kind;
	void	*owner;
};

struct poller {
	int	 epoll_fd;
	struct watch *watches;		/* by descriptor */
	int	 size;			/* descriptors that have room */
	uint32_t serial;		/* of the last watch */
	struct epoll_event found[AT_ONCE];
	int	 nfound;
	struct poller_event event;	/* the one given out last */
};

struct poller *
poller_new(void)
{
	struct poller *p;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll_fd != -1)
		return p;
	free(p);
	return NULL;
}

void
poller_free(struct poller *p)
{
	if (p == NULL)
		return;
	close(p->epoll_fd);
	free(p->watches);
	free(p);
}

static int
make_room(struct poller *p, int fd)
{
	int size = p->size == 0 ? 64 : p->size;
	struct watch *watches;

	if (fd < p->size)
		return 0;
	while (size <= fd)
		size *= 2;
	watches = realloc(p->watches, (size_t)size * sizeof(*watches));
	if (watches == NULL)
		return -1;
	memset(&watches[p->size], 0,
	    (size_t)(size - p->size) * sizeof(*watches));
	p->watches = watches;
	p->size = size;
	return 0;
}

/* The serial tells a watch from an earlier one of the same number: while a
 * child has not yet called exec, a descriptor that we have closed lives on. */
static int
control_epoll(const struct poller *p, int op, int fd, const struct watch *w)
{
	struct epoll_event ev;

	memset(&ev, 0, sizeof(ev));
	ev.events = (uint32_t)w->events;
	ev.data.u64 = (uint64_t)w->serial << 32 | (uint32_t)fd;
	return epoll_ctl(p->epoll_fd, op, fd, &ev);
}

int
poller_watch(struct poller *p, int fd, short events, unsigned kind,
    void *owner)
{
	struct watch *w, wanted = { 0, events, kind, owner };

	if (make_room(p, fd) == -1)
		return -1;
	w = &p->watches[fd];
	wanted.serial = w->serial;
	if (w->serial != 0 && w->events == events && w->kind == kind &&
	    w->owner == owner)
		return 0;
	if (w->serial == 0 || w->owner != owner)
		wanted.serial = ++p->serial == 0 ? ++p->serial : p->serial;
	if (control_epoll(p, EPOLL_CTL_MOD, fd, &wanted) == -1 &&
	    (errno != ENOENT ||
	    control_epoll(p, EPOLL_CTL_ADD, fd, &wanted) == -1))
		return -1;
	*w = wanted;
	return 0;
}

void
poller_forget(struct poller *p, int fd, const void *owner)
{
	if (fd < 0 || fd >= p->size || p->watches[fd].serial == 0 ||
	    p->watches[fd].owner != owner)
		return;
	epoll_ctl(p->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
	memset(&p->watches[fd], 0, sizeof(p->watches[fd]));
}

int
poller_wait(struct poller *p, int timeout_ms)
{
	p->nfound = epoll_wait(p->epoll_fd, p->found, AT_ONCE, timeout_ms);
	if (p->nfound != -1)
		return 0;
	p->nfound = 0;
	return errno == EINTR ? 0 : -1;
}

const struct poller_event *
poller_next(struct poller *p, size_t *i)
{
	const struct epoll_event *ev;
	const struct watch *w;
	int fd;

	while (*i < (size_t)p->nfound) {
		ev = &p->found[(*i)++];
		fd = (int)(ev->data.u64 & 0xffffffff);
		w = &p->watches[fd];
		if (w->serial == 0 || w->serial != ev->data.u64 >> 32)
			continue;
		p->event.fd = fd;
		p->event.revents = (short)ev->events;
		p->event.kind = w->kind;
		p->event.owner = w->owner;
		return &p->event;
	}
	return NULL;
}
