/*
 * The control socket's place in the file system: a private directory, a lock
 * that tells a live master from a stale socket, mode 0600 from the first
 * moment on. Knows nothing of who connects.
 */
#ifndef MASTER_CONTROL_CONTROL_H
#define MASTER_CONTROL_CONTROL_H

#include <sys/types.h>

#include <limits.h>
#include <stdbool.h>

struct control {
	int	 fd;			/* listens, non-blocking */
	int	 lock_fd;		/* holds the lock */
	bool	 stale;			/* a socket was left behind: the last
					   master there was killed */
	char	 path[PATH_MAX];	/* of the socket */
	char	 lock[PATH_MAX];	/* of the lock's file */
};

/*
 * Listen on a socket at path, and make its directory if that is the default
 * one. If uid, that of the workers, is not ours, the socket is given to uid and
 * gid; should that fail, a warning says so. Any other obstacle is fatal: one
 * line says it, and the program ends with 1. May block for a second, if another
 * program has the socket and is slow to accept. control_close closes and
 * removes all.
 */
void	 control_open(struct control *c, const char *path, uid_t uid,
	    gid_t gid);

/* Remove the socket and the lock's file, and close both descriptors. To be
 * called once, after control_open. */
void	 control_close(struct control *c);

#endif
