/*
 * bind(2), listen(2) and unlink(2) of a worker, answered by the master. Linux
 * 5.9: seccomp user notification with ADDFD and hang-up; trap_probe tells. A
 * stand-in elsewhere says ENOSYS. Installs the filter, receives a call, checks
 * that its caller still waits once it has been looked at, and sends the
 * verdict; knows nothing of worker states.
 */
#ifndef MASTER_TRAP_TRAP_H
#define MASTER_TRAP_TRAP_H

#include <sys/types.h>

#include <stdbool.h>

#include "master/socket/listener.h"

/*
 * Install the filter; in the child, before exec. With names, unlink(2) is
 * caught too, so that no worker takes the name of a Unix socket away from
 * others, not even for the moment until it binds it. Sets no_new_privs only
 * where the kernel refuses the filter without. Returns the descriptor that the
 * master answers from, close-on-exec, or -1 and errno (EBUSY: another filter
 * of this kind is around us; EINVAL, ENOSYS: the kernel has none; EPERM,
 * EACCES: it is forbidden). Async-signal-safe.
 */
int	 trap_install(bool names);

/*
 * Try trap_install(false) in a child, and whether sockets can be put in the
 * place of a caller's. Waits for the child, which takes a moment. Returns 0,
 * or -1 and errno: trap_install's, or ENOSYS before Linux 5.9.
 */
int	 trap_probe(void);

enum trap_news {
	TRAP_NONE,			/* nothing to tell */
	TRAP_BOUND,			/* a bind of ours was answered 0 */
	TRAP_LISTENS,			/* pid listens on listener, or has
					   bound it for datagrams */
	TRAP_REFUSED,			/* bind or listen was answered error */
	TRAP_UNSHARED,			/* a socket is not shared, or won't stay
					   so: the operator should read text */
};

struct trap_event {
	enum trap_news news;
	pid_t	 pid;			/* of the process, or of the thread
					   where that can't be seen */
	struct listener *listener;	/* that was bound, listens, or has
					   refused; NULL: none */
	int	 error;			/* errno answered; 0: none */
	char	 text[256];		/* "listen 127.0.0.1:80"; with TRAP_NONE
					   "" */
};

/*
 * Receive one call from a trap's descriptor that poll(2) called readable, and
 * answer it for a worker of the seat and generation. Makes and marks listeners
 * as asked for. Does not wait for workers, but may take 10 ms for each of
 * ls->retries, and as long as the file system of a path, or of what the caller
 * has mapped, takes to answer. Returns 0 with *ev filled, or -1 and errno where
 * nobody waits for an answer any more (ENOENT, EINTR: the caller has gone); *ev
 * is not to be read then.
 */
int	 trap_answer(int trap_fd, struct listeners *ls, int seat,
	    unsigned generation, struct trap_event *ev);

#endif
