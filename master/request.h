/* What each request of a client does, and who may ask for it. */
#ifndef MASTER_REQUEST_H
#define MASTER_REQUEST_H

#include "master/state.h"

/*
 * A connection's descriptor is ready, as poll(2) says in revents: write what
 * is queued, read what has come, act on each whole request. Closes the
 * connection of a peer that may not ask what it asks.
 */
void	 request_talk(struct master *m, struct conn *c, short revents,
	    int64_t now_ms);

#endif
