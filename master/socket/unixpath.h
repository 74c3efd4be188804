/*
 * The name of a Unix socket in its directory: bound, put back when somebody
 * has removed it, and removed in the end if it is still ours. A second, hidden
 * hard link beside it makes that possible. Knows files, nothing of listeners.
 */
#ifndef MASTER_SOCKET_UNIXPATH_H
#define MASTER_SOCKET_UNIXPATH_H

#include <sys/types.h>

#include <stdbool.h>

enum {
	UNIXPATH_NAME_MAX = 108,	/* bytes, NUL included */
	UNIXPATH_SPARE_MAX = UNIXPATH_NAME_MAX + 32,
};

struct unixpath {
	int	 dir_fd;		/* of the directory; -1: none */
	dev_t	 dir_dev;		/* which directory it is */
	ino_t	 dir_ino;
	dev_t	 dev;			/* which file the socket is; ino 0: */
	ino_t	 ino;			/* not bound yet */
	bool	 lent;			/* the name is another's to remove */
	char	 name[UNIXPATH_NAME_MAX];
	char	 spare[UNIXPATH_SPARE_MAX];	/* second link; "": none */
};

/* Make *up the name of nothing. */
void	 unixpath_init(struct unixpath *up);

/*
 * Open the directory of a path. Returns 0, or -1 and errno; EINVAL: it ends
 * with no name.
 */
int	 unixpath_open(struct unixpath *up, const char *path);

/* The same for a path whose directory has been opened; takes dir_fd over if it
 * succeeds. */
int	 unixpath_at(struct unixpath *up, int dir_fd, const char *path);

/*
 * Make way for a bind of ours: removes the socket of a server that has gone.
 * Returns 0 if nothing is there (any more), or -1 and errno; EADDRINUSE:
 * somebody serves it; ENOTSOCK: something else is there. Never blocks.
 */
int	 unixpath_clear(const struct unixpath *up, int type);

/*
 * Bind fd to the name; text is the path that getsockname(2) tells, where it
 * leads to the same directory from here. Makes the second link, too: none
 * where the file system has no links. Returns 0 or -1 and errno.
 */
int	 unixpath_bind(struct unixpath *up, int fd, const char *text);

/* Note the file of a socket that somebody else has bound, which we have been
 * lent. Returns 0 or -1 and errno. */
int	 unixpath_lend(struct unixpath *up);

/*
 * See to it that the name is there and is the socket's. Returns 0, or -1 and
 * errno; EADDRINUSE: something else has the name; ENOENT: the second link has
 * gone as well, so that nobody can reach the socket any more.
 */
int	 unixpath_restore(struct unixpath *up);

/* Tell whether the name is there and is the socket's. */
bool	 unixpath_is_there(const struct unixpath *up);

/* Remove both links where they are still ours, and close the directory. */
void	 unixpath_remove(struct unixpath *up);

/* Close the directory alone. */
void	 unixpath_close(struct unixpath *up);

#endif
