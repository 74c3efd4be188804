/*
 * Who is at the other end of a Unix socket. Linux: peer.c. A stand-in
 * elsewhere: peer_none.c.
 */
#ifndef MASTER_CONTROL_PEER_H
#define MASTER_CONTROL_PEER_H

#include <sys/types.h>

/*
 * Read the user and the process that connected a socket, as of its
 * connect(2): the process may have gone since, and its number may belong to
 * another. The stand-in takes any peer for our own user, with *pid 0: there,
 * the mode of the socket and its directory is what keeps others out. Returns
 * 0, or -1 and errno.
 */
int	 peer_read(int fd, uid_t *uid, pid_t *pid);

#endif
