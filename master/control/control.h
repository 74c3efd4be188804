/*
 * The control socket's place in the file system: a private directory, a lock
 * that tells a live master from a stale socket, mode 0600 from the first
 * moment.
 */
#ifndef MASTER_CONTROL_CONTROL_H
#define MASTER_CONTROL_CONTROL_H

#include <sys/types.h>

#include <limits.h>
#include <stdbool.h>

struct control {
	int	 fd;			/* listens; -1: none */
	int	 lock_fd;
	bool	 stale;			/* the master before was killed */
	char	 path[PATH_MAX];
	char	 lock[PATH_MAX];
};

/*
 * Make the socket at path; its directory too, if it is the default one. The
 * socket is given to the workers' uid and gid, where that is not ours. What
 * stands in the way is said in one line and ends the program with 1.
 */
void	 control_open(struct control *c, const char *path, uid_t uid,
	    gid_t gid);

/* Remove socket and lock, and close them. */
void	 control_close(struct control *c);

#endif
