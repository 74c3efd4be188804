/* A descriptor that goes out with bytes on a Unix socket. */
#ifndef BASE_PASSFD_H
#define BASE_PASSFD_H

#include <sys/types.h>

#include <stddef.h>

/* Send bytes to a socket, and fd with them (unix(7), SCM_RIGHTS). flags are
 * sendmsg(2)'s, and so is what is returned. */
ssize_t	 passfd_send(int to, const void *bytes, size_t len, int fd, int flags);

#endif
