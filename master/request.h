/* What each request of a client does. */
#ifndef MASTER_REQUEST_H
#define MASTER_REQUEST_H

#include "master/state.h"

/* Answer one request, or note that the client waits. */
void	 request_handle(struct master *m, struct conn *c,
	    const struct crr_frame *f, int64_t now_ms);

/* Tell whether a request longer than CONN_IN_MAX may come from there. */
bool	 request_admits(struct master *m, struct conn *c, unsigned type);

#endif
