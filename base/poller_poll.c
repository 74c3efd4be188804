#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/poller.h"

struct watch {
	unsigned kind;
	void	*owner;
};

/* A watch that is forgotten leaves an entry without a descriptor, which
 * poll(2) ignores, until the next wait. */
struct poller {
	struct pollfd *fds;
	struct watch *watches;		/* of each of them */
	size_t	 n, size;
	struct poller_event event;	/* the one given out last */
};

struct poller *
poller_new(void)
{
	return calloc(1, sizeof(struct poller));
}

void
poller_free(struct poller *p)
{
	if (p == NULL)
		return;
	free(p->fds);
	free(p->watches);
	free(p);
}

static int
make_room(struct poller *p)
{
	size_t size = p->size == 0 ? 64 : 2 * p->size;
	struct pollfd *fds;
	struct watch *watches;

	if (p->n < p->size)
		return 0;
	fds = realloc(p->fds, size * sizeof(*fds));
	if (fds == NULL)
		return -1;
	p->fds = fds;
	watches = realloc(p->watches, size * sizeof(*watches));
	if (watches == NULL)
		return -1;
	p->watches = watches;
	p->size = size;
	return 0;
}

static size_t
find_watch(const struct poller *p, int fd)
{
	size_t i;

	for (i = 0; i < p->n && p->fds[i].fd != fd; i++)
		continue;
	return i;
}

int
poller_watch(struct poller *p, int fd, short events, unsigned kind,
    void *owner)
{
	size_t i = find_watch(p, fd);
	bool is_new = i == p->n;

	if (is_new && make_room(p) == -1)
		return -1;
	p->n += is_new;
	/* What has happened to the one before is nothing of this one's. */
	if (is_new || p->watches[i].owner != owner)
		p->fds[i].revents = 0;
	p->fds[i].fd = fd;
	p->fds[i].events = events;
	p->watches[i].kind = kind;
	p->watches[i].owner = owner;
	return 0;
}

void
poller_forget(struct poller *p, int fd, const void *owner)
{
	size_t i = fd < 0 ? p->n : find_watch(p, fd);

	if (i < p->n && p->watches[i].owner == owner)
		p->fds[i].fd = -1;
}

static void
close_ranks(struct poller *p)
{
	size_t i, n = 0;

	for (i = 0; i < p->n; i++) {
		if (p->fds[i].fd == -1)
			continue;
		p->fds[n] = p->fds[i];
		p->watches[n++] = p->watches[i];
	}
	p->n = n;
}

int
poller_wait(struct poller *p, int timeout_ms)
{
	size_t i;

	close_ranks(p);
	if (poll(p->fds, (nfds_t)p->n, timeout_ms) != -1)
		return 0;
	for (i = 0; i < p->n; i++)
		p->fds[i].revents = 0;
	return errno == EINTR ? 0 : -1;
}

const struct poller_event *
poller_next(struct poller *p, size_t *i)
{
	size_t at;

	while (*i < p->n) {
		at = (*i)++;
		if (p->fds[at].fd == -1 || p->fds[at].revents == 0)
			continue;
		p->event.fd = p->fds[at].fd;
		p->event.revents = p->fds[at].revents;
		p->event.kind = p->watches[at].kind;
		p->event.owner = p->watches[at].owner;
		return &p->event;
	}
	return NULL;
}
