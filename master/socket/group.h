/*
 * The queues (listening sockets) of one address: an SO_REUSEPORT group with a
 * queue for each seat, or a single queue that all seats share. Keeps the
 * places that the kernel gives the sockets of a group, by which it is steered.
 * Knows descriptors and seats, nothing of addresses or listeners.
 */
#ifndef MASTER_SOCKET_GROUP_H
#define MASTER_SOCKET_GROUP_H

#include <stdbool.h>
#include <stdint.h>

/* The least backlog a queue gets: it also holds what comes while a worker is
 * replaced. The kernel cuts it at net.core.somaxconn. */
enum { GROUP_BACKLOG_MIN = 511 };

struct queue {
	int	 fd;			/* -1: not made yet */
	int	 place;			/* in the kernel's group, from 0;
					   -1: not listening */
	int	 seat;			/* whose worker asked for it last */
	bool	 is_down;		/* has been shut down, and is to listen
					   again */
	uint64_t inode;			/* of the socket, as fstat tells */
};

struct queue_group {
	bool	 is_stream;		/* else of datagrams, where bound means
					   listening */
	int	 nqueues;		/* 1, or one for each seat */
	int	 nopen;			/* queues that have a socket */
	int	 nplaces;		/* queues that listen */
	struct queue *queue;		/* by seat; [0] if there is only one */
	int	*at;			/* by place: the index of the queue */
	struct poller *downs;		/* tells which were shut down */
	bool	 unwatched;		/* not of all: each is looked at */
};

/* Begin with no queues. */
void	 group_init(struct queue_group *g, bool is_stream);

/* Close all queues. */
void	 group_free(struct queue_group *g);

/* Make room for n queues, the new ones without a socket. Never takes one
 * away. Returns 0, or -1 and errno with nothing changed. */
int	 group_grow(struct queue_group *g, int n);

/* Close the queues from index n on, and have only n. */
void	 group_shrink(struct queue_group *g, int n);

/* Return the queue that a seat accepts from. Never NULL if there is room; its
 * fd may be -1. */
struct queue *group_queue(const struct queue_group *g, int seat);

/* Give the seat's queue, which has no socket, the bound socket fd, and take
 * that over. */
void	 group_open(struct queue_group *g, int seat, int fd, uint64_t inode);

/* Note the place of a queue whose socket has joined the kernel's group: one of
 * datagrams by its bind, another by a listen(2) that was not group_listen's. */
void	 group_join(struct queue_group *g, struct queue *q);

/* Close the socket of a queue, if there is one. */
void	 group_close(struct queue_group *g, struct queue *q);

/*
 * Call listen(2) on the seat's queue, with at least GROUP_BACKLOG_MIN. The
 * first time its place is noted and the group is steered, after other queues
 * that were shut down were mended. steered tells by seat where new connections
 * go. Returns 0, or -1 and errno.
 */
int	 group_listen(struct queue_group *g, int seat, int backlog,
	    const bool *steered);

/*
 * Mend queues that were shut down, and send new connections to the queues of
 * the seats for which steered is true. Sends them where they went before if
 * none of those listens. Returns 0, or -1 and errno.
 */
int	 group_steer(struct queue_group *g, const bool *steered);

/*
 * Mend the seat's queue: make it listen again if its worker has shut it down.
 * If it has, all other queues are mended and the group is steered as well.
 * shutdown(2) of a listening socket, which many servers use to end their accept
 * loops, ends it for all who hold it, and gives another queue its place.
 * Returns 0, or -1 and errno.
 */
int	 group_mend(struct queue_group *g, int seat, const bool *steered);

/* Count the connections that wait in a queue to be accepted. Returns 1 if
 * datagrams wait in it, 0 where that can't be told (not Linux, not TCP). */
unsigned queue_depth(const struct queue *q);

#endif
