/*
 * sd_notify(3) from workers: a datagram socket of the master's, whose kernel
 * says who sent. Linux; a stand-in elsewhere has none.
 */
#ifndef MASTER_CONTROL_NOTIFY_H
#define MASTER_CONTROL_NOTIFY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

/*
 * Open the socket and write what NOTIFY_SOCKET is to say into name. Its
 * address is abstract: no file is left behind, and a worker in another root
 * directory reaches it. Returns the descriptor, non-blocking, or -1 and errno.
 */
int	 notify_open(char *name, size_t size);

/*
 * Read one message. Returns true if there was one; *ready if it says READY=1,
 * *pid who sent it (0 if the kernel does not say). Descriptors that came along
 * are closed, which is what BARRIER=1 waits for.
 */
bool	 notify_read(int fd, bool *ready, pid_t *pid);

#endif
