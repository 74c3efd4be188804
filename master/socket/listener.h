/*
 * The list of listeners: addresses that workers serve, kept open by the master,
 * each with a queue for each seat or one for all. Knows addresses, sockets,
 * names of Unix sockets and seats; of workers no more than their seats and
 * generations, and nothing of processes or connections.
 */
#ifndef MASTER_SOCKET_LISTENER_H
#define MASTER_SOCKET_LISTENER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "master/socket/address.h"
#include "master/socket/group.h"
#include "master/socket/inodes.h"
#include "master/socket/unixpath.h"

struct listener {
	struct address address;
	bool	 handed;		/* given by -l, or inherited */
	bool	 inherited;		/* came from a service manager */
	char	*name;			/* in LISTEN_FDNAMES; NULL: none */
	struct unixpath *path;		/* of a Unix socket; or NULL */
	unsigned generation;		/* newest of a worker that asked for
					   it; 0: nobody has */
	unsigned *asked;		/* by seat: the generation of the worker
					   that asked last; 0: none has */
	int	 nasked;		/* seats whose workers have asked */
	bool	 told_nonblock;		/* that it stays non-blocking */
	bool	 served;		/* by a whole generation, or handed:
					   served.h */
	pid_t	*heard;			/* by seat: the leader of the worker
					   that listened last; 0: none has */
	struct queue_group group;	/* its queues */
};

struct listeners {
	struct listener **list;
	int	 n;
	int	 nseats;
	bool	 shared;		/* each has one queue for all seats */
	bool	*steered;		/* by seat: as listeners_steer was told
					   last */
	bool	 shut;			/* door.h: nothing is steered any more */
	bool	 failed;		/* the last listeners_steer, at least
					   for one listener */
	struct inodes inodes;		/* of all queues that have a socket */
	unsigned complete;		/* the last whole generation; 0: none */
	int	 retries;		/* of binds to an address in use; each
					   sleeps 10 ms first */
};

/*
 * Begin with no listeners, for nseats seats. Each listener has one queue for
 * all seats if shared is true, and where groups can't be steered. Returns 0, or
 * -1 and errno.
 */
int	 listeners_init(struct listeners *ls, int nseats, bool shared);

/* Close all listeners, and remove Unix paths that are still ours. */
void	 listeners_free(struct listeners *ls);

/* Find the listener of an address. Returns NULL if there is none. */
struct listener *listeners_find(const struct listeners *ls,
	    const struct address *a);

/* Tell whether one of them is a TCP port. */
bool	 listeners_have_port(const struct listeners *ls, unsigned port);

/* Tell whether one of them takes datagrams. */
bool	 listeners_have_datagrams(const struct listeners *ls);

/*
 * Find the queue whose socket has the inode. Returns it and sets *lp to its
 * listener, or both to NULL. The queue is valid until a seat is added or the
 * listener is removed.
 */
struct queue *listeners_by_inode(const struct listeners *ls, uint64_t inode,
	    struct listener **lp);

/* Find the listener whose Unix path has the name in the directory; a dir_ino
 * of 0 is any directory. Returns NULL if there is none. */
struct listener *listeners_by_name(const struct listeners *ls, dev_t dir_dev,
	    ino_t dir_ino, const char *name);

/* Tell whether the listener belongs to more than one seat: it was handed over,
 * is expected of all workers, or two seats' workers have asked for it. */
bool	 listener_is_common(const struct listener *l);

/* Tell whether a listener has a Unix path. */
bool	 listeners_have_path(const struct listeners *ls);

/* Return the queue that a seat accepts from. Never NULL; its fd may be -1. */
struct queue *listener_queue(const struct listener *l, int seat);

/*
 * Bind fd, a fresh socket (a duplicate of a worker's, or one of ours), to the
 * address and make it the seat's queue; where there is no listener for the
 * address, one is made. Sets SO_REUSEADDR before and SO_REUSEPORT after the
 * first bind of an address, so that a stranger's socket that is there already,
 * with SO_REUSEPORT or without, is an honest EADDRINUSE; makes the socket the
 * master's (fchown), so that with SO_REUSEPORT only processes of the master's
 * user could join us later. May sleep, as ls->retries says.
 *
 * Takes fd over if it succeeds. A listener that is made takes over *up (a Unix
 * path, opened; else NULL), which is empty then, even if the bind fails: the
 * caller closes what is left in it. Returns the listener, or NULL and errno
 * with the list as it was; EEXIST: the seat has a socket already.
 */
struct listener *listeners_bind(struct listeners *ls, const struct address *a,
	    struct unixpath *up, int seat, int fd);

/* Close the queue of a Unix socket that nobody can reach any more, since all
 * its names have gone. A new socket may be bound in its place. */
void	 listener_lose(struct listeners *ls, struct listener *l);

/* Note that a worker of the seat and generation asked for the listener. */
void	 listener_ask(struct listener *l, int seat, unsigned generation);

/* Call listen(2) on the seat's queue, which has a socket; as group_listen, with
 * the seats that were steered to last. Returns 0, or -1 and errno. */
int	 listener_listen(struct listeners *ls, struct listener *l, int seat,
	    int backlog);

/*
 * Send new connections of all listeners to the queues of the seats for which
 * ready is true (by seat, nseats of them). A listener keeps what it had if none
 * of its ready seats listens. Does nothing if ready is as the last time, unless
 * that failed. Returns 0, or -1 and errno of the last listener that failed.
 */
int	 listeners_steer(struct listeners *ls, const bool *ready);

/*
 * Mend what the worker of a seat, which has gone, has left: make queues listen
 * again that it has shut down, and put the names of Unix sockets back that it
 * has removed, as many servers do at their end. What a worker that lives has
 * shut down is found by the next listener_listen or listeners_steer. Returns
 * 0, or -1 and errno of the last queue that failed.
 */
int	 listeners_mend(struct listeners *ls, int seat);

/*
 * Close what workers of the seat have bound and don't serve: a socket that they
 * connected instead, whose connection would not end while we hold it too; and,
 * if the seat's worker has gone, one that was only bound. Listeners that have
 * no socket left are removed.
 */
void	 listeners_release(struct listeners *ls, int seat, bool gone);

/* Count the connections that wait to be accepted in queues that all seats
 * share, as queue_depth. */
unsigned listeners_shared_depth(const struct listeners *ls);

/* Count the connections that wait to be accepted in a seat's own queues, as
 * queue_depth. Returns 0 where all seats share one. */
unsigned listeners_depth(const struct listeners *ls, int seat);

/* For the other files of the room: */

/*
 * Add a listener whose queues have no sockets yet, at the end of the list. It
 * takes over *up (a Unix path, opened; else NULL) and leaves nothing in it.
 * Returns it, or NULL and errno with nothing changed.
 */
struct listener *listeners_add(struct listeners *ls, const struct address *a,
	    struct unixpath *up, bool inherited);

/* Close a listener, by its index in the list, and remove its path if that is
 * still ours. The listeners behind it move up. */
void	 listeners_remove(struct listeners *ls, int index);

/* Bind fd to the listener's address, and make it the seat's queue; as
 * listeners_bind. Returns 0 or -1 and errno. */
int	 listener_bind(struct listeners *ls, struct listener *l, int seat,
	    int fd);

/* Make fd, which is bound and listens, the one queue of a listener. Takes it
 * over if it succeeds. Returns 0 or -1 and errno. */
int	 listener_put(struct listeners *ls, struct listener *l, int fd);

/* Make room in a listener for more seats, whose queues have no sockets.
 * Returns 0, or -1 and errno. */
int	 listener_grow(const struct listeners *ls, struct listener *l,
	    int nseats);

/* Close the queues of the seats from nseats on. */
void	 listener_shrink(struct listeners *ls, struct listener *l, int nseats);

/* Tell whether to try a bind again: errno is EADDRINUSE and there are retries
 * left. Then one is used up and 10 ms are slept. */
bool	 listeners_may_retry(struct listeners *ls);

#endif
