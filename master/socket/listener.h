/*
 * Addresses that workers serve, kept open by the master: one queue (a
 * listening socket) for each seat, or one for all. Knows sockets, their names
 * and steering, nothing of workers, processes or connections.
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
	unsigned generation;		/* newest whose worker asked for it */
	unsigned *asked;		/* by seat: the same of its workers */
	int	 nasked;		/* seats whose workers asked for it */
	bool	 served;		/* by a whole generation: the next one
					   is not ready without it */
	pid_t	*heard;			/* by seat: the worker that asked for
					   it last; 0: none */
	struct queue_group group;		/* its queues */
};

struct listeners {
	struct listener **list;
	int	 n;
	int	 nseats;
	bool	 shared;		/* one queue for all */
	bool	*steered;		/* by seat: the last listeners_steer */
	bool	 failed;		/* that one did, in part */
	struct inodes inodes;		/* of all queues that have a socket */
	unsigned complete;		/* the last whole generation; 0 */
	int	 retries;		/* binds to an address in use that may
					   be tried again, 10 ms later each */
};

/*
 * Begin with none, for nseats seats. One queue is shared by all seats where
 * shared asks for it and where groups can't be steered. Returns 0 or -1 and
 * errno.
 */
int	 listeners_init(struct listeners *ls, int nseats, bool shared);

/* Close all, and remove Unix paths that are still ours. */
void	 listeners_free(struct listeners *ls);

/* The listener of an address, or NULL. */
struct listener *listeners_find(const struct listeners *ls,
	    const struct address *a);

/* Tell whether one of them is a TCP port. */
bool	 listeners_have_port(const struct listeners *ls, unsigned port);

/* Tell whether one of them takes datagrams. */
bool	 listeners_have_datagrams(const struct listeners *ls);

/* The queue whose socket has the inode, its listener in *lp; or NULL. */
struct queue *listeners_by_inode(const struct listeners *ls, uint64_t inode,
	    struct listener **lp);

/* The listener whose Unix path has the name in the directory; or NULL. A
 * dir_ino of 0 is any directory. */
struct listener *listeners_by_name(const struct listeners *ls, dev_t dir_dev,
	    ino_t dir_ino, const char *name);

/* Tell whether the listener is not one worker's alone. */
bool	 listener_is_common(const struct listener *l);

/* Tell whether a listener has a Unix path. */
bool	 listeners_have_path(const struct listeners *ls);

/* The queue that a seat accepts from. Never NULL; its fd may be -1. */
struct queue *listener_queue(const struct listener *l, int seat);

/*
 * Bind fd, a fresh socket (a duplicate of a worker's or one of ours), to the
 * address and make it the seat's queue; a new listener is made where there is
 * none, which takes over *up (a Unix path, opened; else NULL) and leaves
 * nothing in it. Sets SO_REUSEADDR before and SO_REUSEPORT after the first
 * bind of an address, so that a stranger's socket that is there already, with
 * SO_REUSEPORT or without, is an honest EADDRINUSE; makes the socket the
 * master's (fchown), so that with SO_REUSEPORT only processes of the master's
 * user could join us later. Takes fd over if it succeeds. Returns the
 * listener, or NULL and errno, nothing changed; EEXIST: the seat has a socket.
 */
struct listener *listeners_bind(struct listeners *ls, const struct address *a,
	    struct unixpath *up, int seat, int fd);

/* Close the queue of a Unix socket that nobody can reach any more: all its
 * names have gone. A new one may be bound in its place. */
void	 listener_lose(struct listeners *ls, struct listener *l);

/* Note that a worker of the seat and generation asked for the listener. */
void	 listener_ask(struct listener *l, int seat, unsigned generation);

/*
 * listen(2) on the seat's queue, the backlog raised to GROUP_BACKLOG_MIN;
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
 * Mend what the worker of a seat, which has gone, has left: make queues listen
 * again that it has shut down, and put the names of Unix sockets back that it
 * has removed, as many servers do at their end. What a worker that lives has
 * shut down is found by the next listener_listen or listeners_steer. Returns
 * 0, or -1 and errno of the last queue that failed.
 */
int	 listeners_mend(struct listeners *ls, int seat);

/*
 * Close what workers of the seat have bound and don't serve: a socket that was
 * connected instead, which would not end while we have it too; and, if the
 * seat's worker has gone, one that was only bound. Listeners that have nothing
 * left are removed.
 */
void	 listeners_release(struct listeners *ls, int seat, bool gone);

/* What other files of the room make and unmake listeners with: */

/*
 * Add a listener whose queues have no sockets yet, at the end of the list. It
 * takes over *up (a Unix path, opened; else NULL) and leaves nothing in it.
 * Returns it, or NULL and errno with nothing changed.
 */
struct listener *listeners_add(struct listeners *ls, const struct address *a,
	    struct unixpath *up, bool inherited);

/* Close a listener, by its index in the list, and remove its path if that is
 * still ours. Those behind it move up. */
void	 listeners_remove(struct listeners *ls, int index);

/* Bind fd to the listener's address, and make it the seat's queue; as
 * listeners_bind. Returns 0 or -1 and errno. */
int	 listener_bind(struct listeners *ls, struct listener *l, int seat,
	    int fd);

/* Make fd, which is bound and listens, the one queue of a listener. Takes it
 * over if it succeeds. Returns 0 or -1 and errno. */
int	 listener_put(struct listeners *ls, struct listener *l, int fd);

/* Make room for queues of more seats, without sockets. Returns 0, or -1 and
 * errno. */
int	 listener_grow(const struct listeners *ls, struct listener *l,
	    int nseats);

/* Close the queues of the seats from nseats on. */
void	 listener_shrink(struct listeners *ls, struct listener *l, int nseats);

/* Tell whether to try a bind again: errno is EADDRINUSE and there are retries
 * left. Then one is used up and 10 ms are slept. */
bool	 listeners_may_retry(struct listeners *ls);

/* Connections not yet accepted in a seat's own queues; 0 where they are
 * shared. TCP: tcpi_unacked of TCP_INFO (Linux). Datagrams that nobody has
 * read count as one. */
unsigned listeners_depth(const struct listeners *ls, int seat);

#endif
