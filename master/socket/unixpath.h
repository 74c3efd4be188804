/*
 * The name of a Unix socket in its directory: bound, put back if somebody has
 * removed it, and removed in the end if it is still ours. It is put back from a
 * second, hidden hard link beside it. Knows files, nothing of listeners.
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
	dev_t	 dev;			/* which file the socket is */
	ino_t	 ino;			/* 0: not bound yet */
	bool	 lent;			/* the name is not ours to remove */
	char	 name[UNIXPATH_NAME_MAX];
	char	 spare[UNIXPATH_SPARE_MAX];	/* second link; "": none */
};

/* Make *up the name of nothing, in no directory. */
void	 unixpath_init(struct unixpath *up);

/*
 * Open the directory of a path, for unixpath_close or unixpath_remove to close.
 * Returns 0, or -1 and errno with *up as after unixpath_init; EINVAL: the path
 * does not end in a name, or in one that is too long.
 */
int	 unixpath_open(struct unixpath *up, const char *path);

/* Do the same for a path whose directory is open already. Takes dir_fd over if
 * it succeeds. */
int	 unixpath_at(struct unixpath *up, int dir_fd, const char *path);

/*
 * Make way for the bind of a socket of the type: remove the name if it is a
 * socket's that nobody has open any more. Returns 0 if the name is free, or -1
 * and errno; EADDRINUSE: somebody has the socket open; ENOTSOCK: the name is
 * something else's. Does not wait for a server to answer.
 */
int	 unixpath_clear(const struct unixpath *up, int type);

/*
 * Bind fd to the name, by the path text if that is absolute and leads to the
 * same directory from here, since getsockname(2) tells it to workers; else from
 * within the directory. Makes the second link, if the file system has links,
 * and removes those of masters that have gone. Returns 0, or -1 and errno.
 */
int	 unixpath_bind(struct unixpath *up, int fd, const char *text);

/* Note the file of a socket that somebody else has bound and lent us, and make
 * the second link as unixpath_bind does. Returns 0, or -1 and errno. */
int	 unixpath_lend(struct unixpath *up);

/*
 * Make sure that the name is there and is the socket's: put it back from the
 * second link, or make that again if it has gone. Returns 0, or -1 and errno;
 * EADDRINUSE: something else has the name; ENOENT: the second link has gone as
 * well, so nobody can reach the socket any more.
 */
int	 unixpath_restore(struct unixpath *up);

/* Tell whether the name is there and is the socket's. */
bool	 unixpath_is_there(const struct unixpath *up);

/* Remove both links if they are still the socket's, but not the name if it is
 * lent, and close the directory. */
void	 unixpath_remove(struct unixpath *up);

/* Close the directory, and leave the links. Then *up is as after
 * unixpath_init. */
void	 unixpath_close(struct unixpath *up);

#endif
