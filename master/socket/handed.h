/*
 * Listeners that workers are handed at their start: those of -l, which have a
 * socket for each seat from the beginning, and sockets that a service manager
 * gave us. Knows the list of listeners, nothing of how they reach a worker.
 */
#ifndef MASTER_SOCKET_HANDED_H
#define MASTER_SOCKET_HANDED_H

#include "master/socket/listener.h"

/*
 * Open an address given by -l: its queues for all seats, blocking,
 * close-on-exec and listening. A Unix path is cleared of a socket whose server
 * has gone. While ls->retries last, sleeps and tries again where the address
 * is in use. Returns the listener, or NULL and errno; EEXIST: there is one
 * already; EADDRINUSE and ENOTSOCK also as of unixpath_clear.
 */
struct listener *handed_open(struct listeners *ls, const struct address *a);

/*
 * Keep a socket that a service manager gave us: one queue for all seats, made
 * to listen where it does not yet, and close-on-exec. Its address is a, as
 * address_of_fd tells; name, for workers, is copied. A Unix path gets a second
 * link, by which it can be put back; where that fails it is not. Takes fd over
 * if it succeeds. Returns the listener, or NULL and errno; EEXIST: there is
 * one already.
 */
struct listener *handed_inherit(struct listeners *ls, const struct address *a,
	    int fd, const char *name);

/*
 * Make room for more seats; listeners of -l get their sockets at once. Never
 * takes seats away. Returns 0, or -1 and errno with no seat added.
 */
int	 handed_grow(struct listeners *ls, int nseats);

#endif
