/*
 * A process that waits in a system call of its own: who it is, what it asks
 * for, and what it may. Looks at /proc, at its memory and its descriptors, and
 * changes nothing. Since it may be killed meanwhile and its number be another's
 * then, what has been seen is true only if it is still waiting afterwards,
 * which is for the trap to check. Knows addresses and names in directories,
 * nothing of listeners. Linux.
 */
#ifndef MASTER_TRAP_CALLER_H
#define MASTER_TRAP_CALLER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "master/socket/address.h"
#include "master/socket/identity.h"
#include "master/socket/unixpath.h"

struct caller {
	pid_t	 tid;			/* the thread that calls; 0: it has no
					   number in our pid namespace */
	pid_t	 pid;			/* its process; tid until it is seen */
	uint64_t caps;			/* effective capabilities */
	struct identity who;		/* its rights to files */
	const char *hidden;		/* what can't be seen; NULL: nothing */

	int	 fd;			/* its number of the socket */
	uint64_t inode;			/* of the socket */
	int	 flags;			/* its O_NONBLOCK and O_CLOEXEC */

	/* Of bind alone. */
	int	 dup;			/* the socket, duplicated; -1: it can't
					   be, and V6ONLY is not known */
	struct address address;		/* asked for, of the socket's type */
	struct unixpath path;		/* where that is one, opened */
	bool	 is_shareable;		/* the kind of the socket can be */
	bool	 needs_ours;		/* its own socket can't be the seat's */
	bool	 may_bind;		/* the port with its own rights */
};

enum caller_sight {
	CALLER_SEEN,
	CALLER_OTHER,			/* nothing of ours: the kernel's call */
	CALLER_HIDDEN,			/* hidden says what we may not see */
};

/* Begin with nothing seen. Never fails; to be closed. */
void	 caller_init(struct caller *c, pid_t tid);

/* Close what has been opened for it. */
void	 caller_close(struct caller *c);

/* Look at a bind(2) of its descriptor fd, with the address of len bytes that
 * is at where in its memory. Fills all of *c. */
enum caller_sight caller_look_bind(struct caller *c, int fd, uint64_t where,
	    uint32_t len);

/* Look at a listen(2) on its descriptor fd. */
enum caller_sight caller_look_listen(struct caller *c, int fd);

/* Read a path, NUL included, from its memory. Returns 0, or -1: there is none
 * that can be read, or of less than size bytes. */
int	 caller_read_path(const struct caller *c, uint64_t where, char *buf,
	    size_t size);

/*
 * Open the directory that a path's last name is in, as the caller sees it and
 * with its rights; dir_fd is its own descriptor where relative paths begin, or
 * AT_FDCWD. Returns the descriptor (O_PATH, close-on-exec), or -1 and errno.
 */
int	 caller_open_directory(struct caller *c, int dir_fd, const char *path);

/* An option of a socket whose value is an int, or -1 and errno. */
int	 caller_option(int fd, int level, int name);

#endif
