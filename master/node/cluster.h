/*
 * The primary's part of Node's cluster module, for workers that believe to have
 * one (--node-cluster): they ask it for sockets instead of binding themselves.
 * They get their seat's, so that steering and draining hold for them, too.
 * Learnt from lib/internal/cluster of Node 18 to 24.
 */
#ifndef MASTER_NODE_CLUSTER_H
#define MASTER_NODE_CLUSTER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "master/node/channel.h"
#include "master/socket/listener.h"

/* What has been asked for so far: by Node's own key, which stays the same over
 * reloads, so that a port of the kernel's choice does. */
struct cluster {
	struct cluster_server *servers;
	size_t	 n;
};

/* Who asks. */
struct cluster_worker {
	struct node *node;
	pid_t	 pid;			/* of its leader, whose rights to files
					   make the sockets of paths */
	int	 seat;
	unsigned generation;
	bool	 may_bind_low;		/* ports that are root's */
};

/*
 * Answer a message of the worker's. Returns the listener that it says to
 * listen on now, or NULL.
 */
struct listener *cluster_hear(struct cluster *c, struct listeners *ls,
	    const struct cluster_worker *w,
	    const struct jsonline_value *message);

void	 cluster_free(struct cluster *c);

#endif
