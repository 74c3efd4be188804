/* A descriptor that travels with bytes on a Unix socket. */
#ifndef BASE_PASSFD_H
#define BASE_PASSFD_H

#include <sys/types.h>

#include <stddef.h>

/*
 * Send bytes to a socket, and a duplicate of fd with them (unix(7),
 * SCM_RIGHTS); the caller keeps fd. flags are sendmsg(2)'s, and so is what is
 * returned.
 */
ssize_t	 passfd_send(int to, const void *bytes, size_t len, int fd, int flags);

/*
 * Receive bytes from a socket, and the descriptor that came with them: *fd is
 * -1 if none did, else close-on-exec and the caller's to close. If several
 * came, the first is received and the others are closed. flags are
 * recvmsg(2)'s, and so is what is returned.
 */
ssize_t	 passfd_receive(int from, void *bytes, size_t len, int *fd, int flags);

#endif
