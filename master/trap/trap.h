/*
 * bind(2) and listen(2) of a worker, answered by the master. Linux: seccomp
 * user notification (5.0; hang-up 5.9). A stand-in elsewhere says ENOSYS.
 * Knows listeners and /proc, nothing of worker states.
 */
#ifndef MASTER_TRAP_TRAP_H
#define MASTER_TRAP_TRAP_H

#include <sys/types.h>

#include "master/socket/listener.h"

/*
 * In the child before exec: install the filter. With names, unlink(2) is caught
 * too, so that no worker takes the name of a Unix socket away from others, if
 * only for the moment until it binds it. no_new_privs is set only where
 * it is refused without. Returns the descriptor that the master answers from,
 * close-on-exec, or -1 and errno (EBUSY: another filter of this kind is around
 * us; EINVAL, ENOSYS: the kernel has none; EPERM, EACCES: forbidden). Async
 * signal safe.
 */
int	 trap_install(bool names);

/* Try trap_install(false) in a child of its own. Returns 0, or -1 and its
 * errno. */
int	 trap_probe(void);

enum trap_news {
	TRAP_NONE,		/* passed on, or nothing to tell */
	TRAP_BOUND,		/* a bind of ours was answered 0 */
	TRAP_LISTENS,		/* pid listens on listener */
	TRAP_REFUSED,		/* a bind or listen was answered error */
	TRAP_UNSHARED,		/* could not be looked at: passed on, see text */
};

struct trap_event {
	enum trap_news news;
	pid_t	 pid;			/* of the process, not the thread */
	struct listener *listener;	/* or NULL */
	int	 error;			/* errno answered, or 0 */
	char	 text[256];		/* "bind 127.0.0.1:8080: Address in use" */
};

/*
 * Receive one call from a trap's descriptor that poll(2) called readable, and
 * answer it for a worker of the seat and generation. Marks listeners asked for
 * with the generation. Never blocks. Returns 0 with *ev filled, -1 and errno
 * if there was none (ENOENT, EINTR: the caller has gone).
 */
int	 trap_answer(int trap_fd, struct listeners *ls, int seat,
	    unsigned generation, struct trap_event *ev);

#endif
