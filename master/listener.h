/*
 * Addresses that workers serve, kept open by the master: one queue (a
 * listening socket) for each seat, or one for all. Knows sockets and steering,
 * nothing of workers, processes or connections.
 */
#ifndef MASTER_LISTENER_H
#define MASTER_LISTENER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "address.h"

struct queue {
	int	 fd;			/* -1: not made yet */
	int	 place;			/* in its group; -1: not listening */
	uint64_t inode;			/* of the socket, as fstat tells */
};

struct listener {
	struct address address;
	bool	 handed;		/* given by -l */
	unsigned generation;		/* newest whose worker asked for it */
	bool	 served;		/* by a whole generation: the next one
					   is not ready without it */
	pid_t	*heard;			/* by seat: the worker that asked for
					   it last; 0: none */
	int	 nqueues;		/* 1, or one a seat */
	int	 nplaces;		/* queues that listen */
	struct queue *queue;		/* by seat; [0] where shared */
};

struct listeners {
	struct listener **list;
	int	 n;
	int	 nseats;
	bool	 shared;		/* one queue for all */
	bool	*steered;		/* by seat: the last listeners_steer */
	bool	 failed;		/* that one did, in part */
	int	 retries;		/* binds to an address in use that may
					   be tried again, 10 ms later each */
};

/* The least backlog a queue gets: it also holds what comes while a worker is
 * replaced. The kernel cuts it at net.core.somaxconn. */
enum { LISTENER_BACKLOG_MIN = 511 };

/*
 * Begin with none, for nseats seats. One queue is shared by all seats where
 * shared asks for it and where groups can't be steered. Returns 0 or -1 and
 * errno.
 */
int	 listeners_init(struct listeners *ls, int nseats, bool shared);

/* Close all, and remove Unix paths that are still ours. */
void	 listeners_free(struct listeners *ls);

/*
 * Make room for more seats; listeners given by -l get their sockets at once.
 * Never takes seats away. Returns 0 or -1 and errno, nothing changed.
 */
int	 listeners_grow(struct listeners *ls, int nseats);

/*
 * Open an address given by -l: its queues for all seats, blocking,
 * close-on-exec and listening. Returns it, or NULL and errno.
 */
struct listener *listeners_open(struct listeners *ls, const struct address *a);

/* The listener of an address, or NULL. */
struct listener *listeners_find(const struct listeners *ls,
	    const struct address *a);

/* The queue whose socket has the inode, its listener in *lp; or NULL. */
struct queue *listeners_by_inode(const struct listeners *ls, uint64_t inode,
	    struct listener **lp);

/* The queue that a seat accepts from. Never NULL; its fd may be -1. */
struct queue *listener_queue(const struct listener *l, int seat);

/*
 * Bind fd, a fresh socket (a duplicate of a worker's or one of ours), to the
 * address and make it the seat's queue; a new listener is made where there is
 * none. Sets SO_REUSEADDR before and SO_REUSEPORT after the first bind of an
 * address, so that a stranger's socket that is there already, with
 * SO_REUSEPORT or without, is an honest EADDRINUSE; makes the socket the
 * master's (fchown), so that with SO_REUSEPORT only processes of the master's
 * user could join us later. Takes fd over if it succeeds. Returns the
 * listener, or NULL and errno, nothing changed; EEXIST: the seat has a socket.
 */
struct listener *listeners_bind(struct listeners *ls, const struct address *a,
	    int seat, int fd);

/*
 * listen(2) on the seat's queue, the backlog raised to LISTENER_BACKLOG_MIN;
 * the first time, its place in the group is noted and the group steered anew.
 * Returns 0 or -1 and errno.
 */
int	 listener_listen(struct listeners *ls, struct listener *l, int seat,
	    int backlog);

/*
 * Send new connections of all listeners to the queues of the seats for which
 * ready is true (by seat, nseats of them). A listener none of whose ready
 * seats listens keeps what it had. Nothing is done where nothing changed.
 * Returns 0, or -1 and errno of the last that failed.
 */
int	 listeners_steer(struct listeners *ls, const bool *ready);

/*
 * Make queues listen again that a worker has shut down: shutdown(2) of a
 * listening socket, which many servers use to end their accept loops, ends
 * it for all who hold it, and stirs the places of its group. To be called
 * when a worker has gone. Returns 0, or -1 and errno of the last that failed.
 */
int	 listeners_mend(struct listeners *ls);

/* Connections not yet accepted in a seat's own queues; 0 where they are
 * shared. TCP: tcpi_unacked of TCP_INFO (Linux). */
unsigned listeners_depth(const struct listeners *ls, int seat);

/* The same for one queue, shared or not; 0 where it can't be told. */
unsigned queue_depth(const struct queue *q);

/* Note that a worker, known by its leader's pid, listens in a seat. */
void	 listener_hear(struct listener *l, int seat, pid_t leader);

/* Tell whether a worker listens on all that a whole generation served, -l's
 * apart. */
bool	 listeners_heard(const struct listeners *ls, int seat, pid_t leader);

/*
 * All workers are of a generation now: close the listeners, -l's apart, that
 * it did not ask for, and expect the next one to ask for the others.
 */
void	 listeners_complete(struct listeners *ls, unsigned generation);

#endif
