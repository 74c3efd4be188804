/*
 * sd_notify(3) from workers: a datagram socket whose kernel says who sent.
 * Whether the sender is a worker is for the caller to find out. Linux:
 * notify.c; notify_none.c elsewhere opens none.
 */
#ifndef MASTER_CONTROL_NOTIFY_H
#define MASTER_CONTROL_NOTIFY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * Open the socket, and write what $NOTIFY_SOCKET is to say into name. Its
 * address is abstract: no file is left behind, and a worker with another root
 * directory reaches it. Returns the descriptor, non-blocking and the caller's
 * to close, or -1 and errno (ENOSYS from the stand-in).
 */
int	 notify_open(char *name, size_t size);

/*
 * Read one message. Returns false if there is none, with *ready and *pid
 * undefined. Else *ready tells whether it says READY=1, and *pid is the process
 * that sent it, which may have ended, or 0 if the kernel does not say.
 * Descriptors that came along are closed, which is what the sender of BARRIER=1
 * waits for. Never blocks.
 */
bool	 notify_read(int fd, bool *ready, pid_t *pid);

#endif
