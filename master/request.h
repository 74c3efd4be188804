/* What each request of a client does, and who waits for what. */
#ifndef MASTER_REQUEST_H
#define MASTER_REQUEST_H

#include "master/master.h"

/* Answer one request, or note that the client waits. */
void	 request_handle(struct master *m, struct conn *c,
	    const struct crr_frame *f, int64_t now_ms);

/* Tell whether a request longer than CONN_IN_MAX may come from there. */
bool	 request_admits(struct master *m, struct conn *c, unsigned type);

/* The run of a reload has ended: answer who waited for it; why is NULL if all
 * is done. */
void	 request_reloaded(struct master *m, unsigned run, const char *why);

/* The number of workers is what was asked for; why is NULL, or it can't be. */
void	 request_scaled(struct master *m, const char *why);

/* The last worker has gone. */
void	 request_stopped(struct master *m);

#endif
