/*
 * A seat's socket for an address, which is how workers get one that they ask
 * for by a call or by a message: found, or made and bound with the asker's
 * rights, so that the master's are not lent out. Knows listeners, names in
 * directories and identities, nothing of how a worker asks or is answered.
 */
#ifndef MASTER_SOCKET_CLAIM_H
#define MASTER_SOCKET_CLAIM_H

#include <stdbool.h>

#include "master/socket/identity.h"
#include "master/socket/listener.h"

struct claim {
	struct address *address;	/* asked for; claim_socket may set its
					   v6only where that is a guess */
	struct unixpath *path;		/* of a Unix path: the directory as the
					   asker opened it; NULL: open it */
	const struct identity *who;	/* the asker's rights to files; NULL:
					   not known, so it may make none */
	int	 seat;
	int	 fd;			/* the asker's own socket, not bound
					   yet; -1: make one */
	bool	 may_bind;		/* the asker has a right to the port */
	bool	 is_guess;		/* address->v6only is not known and
					   false; only where fd is -1 */
	bool	 made;			/* result: the queue's socket is new */
};

/*
 * Find the listener of the address with a socket for the seat, or make what is
 * missing: bind c->fd or a socket of our own. Puts the name of a Unix socket
 * back that a worker has removed. A path that is opened here is cleared of a
 * socket whose server has gone, with the asker's rights. Takes c->fd over, and
 * sets it to -1, if that becomes the seat's socket; c->path if a listener is
 * made with it; else both stay the caller's. Waits for an address that is in
 * use only while ls->retries last. Returns the listener, or NULL and errno;
 * EACCES: a port that the asker may not bind and -l has not given, or no right
 * to the directory; EADDRINUSE: somebody else has the address or the name.
 */
struct listener *claim_socket(struct listeners *ls, struct claim *c);

/*
 * Find the listener that keeps the address's port from it by serving both
 * families, or the other one: its own is then "in use". Returns NULL if there
 * is none.
 */
struct listener *claim_find_other_family(const struct listeners *ls,
	    const struct address *a);

#endif
