/*
 * One connection of a worker, by a duplicate of its descriptor: what the kernel
 * tells of it, and what is done to it. Decides nothing: inhand does. Linux.
 */
#ifndef MASTER_DRAIN_CONNECTION_H
#define MASTER_DRAIN_CONNECTION_H

#include <stdint.h>

#include "master/drain/inhand.h"
#include "master/socket/diag.h"
#include "master/socket/listener.h"

/*
 * Read what inhand judges, and the socket's inode. Returns 0, or -1 where fd
 * is not an open TCP connection that came in by one of the listeners.
 */
int	 connection_look(int fd, const struct listeners *ls, uint64_t *inode,
	    struct inhand_seen *seen);

/* Make what inhand judges from the kernel's list, which does not tell whether
 * the last answer was prompt. */
void	 connection_convert(const struct diag_socket *socket,
	    struct inhand_seen *seen);

/*
 * Do what inhand has decided: let only acknowledgements and FINs in, let
 * everything in again, or end the side that receives. Returns 0, or -1 where
 * that is not possible (such as a server that has a filter of its own).
 */
int	 connection_do(int fd, enum inhand_deed deed);

#endif
