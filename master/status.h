/* The answer to STATUS: master, listeners, queues, workers. */
#ifndef MASTER_STATUS_H
#define MASTER_STATUS_H

#include "master/state.h"

/* Send all of it, DONE at the end. */
void	 status_send(const struct master *m, struct conn *c, uint32_t id,
	    int64_t now_ms);

#endif
