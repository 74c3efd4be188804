/*
 * How new clients of TCP listeners are kept out at the end, while what they
 * have accepted, or what waits to be, goes on.
 */
#ifndef MASTER_SOCKET_DOOR_H
#define MASTER_SOCKET_DOOR_H

#include <stdbool.h>

#include "master/socket/listener.h"

/*
 * Refuse new clients of all listeners at once. Takes a right, and listeners
 * with a queue for each seat. Returns false if one of them can't be made to:
 * others may refuse then, and all are steered as before.
 */
bool	 door_refuse(struct listeners *ls);

/*
 * Have new clients wait: what would begin a connection is dropped, as if it had
 * been lost, so that it is sent again a second later. Takes a right, too. Without
 * it, each group gets one more socket, which nobody accepts from: one client may
 * find itself in its queue, and is reset when the master ends.
 */
void	 door_shut(struct listeners *ls);

#endif
