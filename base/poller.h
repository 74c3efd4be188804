/*
 * Descriptors that are watched from turn to turn, and the wait for them: what
 * a turn costs grows with what happened, not with what is watched. Linux:
 * epoll(7); poll(2) elsewhere. Calls nobody back: its owner takes one event
 * after the other, in the order that it wants.
 */
#ifndef BASE_POLLER_H
#define BASE_POLLER_H

#include <stddef.h>
#include <stdint.h>

struct poller_event {
	int	 fd;
	short	 revents;		/* as poll(2) says */
	unsigned kind;			/* the caller's */
	void	*owner;			/* the caller's */
};

struct poller;

/* Returns NULL and errno if there is none to be had. */
struct poller *poller_new(void);

/* Forget all; closes none of the descriptors. NULL is ignored. */
void	 poller_free(struct poller *p);

/*
 * Watch a descriptor for events (POLLIN, POLLOUT, or 0 for POLLHUP and POLLERR
 * alone), on behalf of owner; kind says what it is to it. Changes what was
 * watched for before; costs nothing where that is the same. A descriptor is
 * watched for one owner. Returns 0, or -1 and errno, nothing changed.
 */
int	 poller_watch(struct poller *p, int fd, short events, unsigned kind,
	    void *owner);

/*
 * Watch it no longer, if it is watched for owner; fd may be -1. To be called
 * before the descriptor is closed, or right after, before its number can have
 * been given to another.
 */
void	 poller_forget(struct poller *p, int fd, const void *owner);

/*
 * Wait for timeout_ms (-1: for ever) or until something has happened. Returns
 * 0, or -1 and errno but for EINTR.
 */
int	 poller_wait(struct poller *p, int timeout_ms);

/*
 * The next event that poller_wait has found, from *i on (0 at first), which is
 * advanced; or NULL. Skips descriptors that have been forgotten since.
 */
const struct poller_event *poller_next(struct poller *p, size_t *i);

#endif
