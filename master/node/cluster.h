/*
 * The primary's part of Node's cluster module, for workers that take the
 * master for one (--node-cluster): they ask it for sockets instead of binding
 * them, and get their seat's, so that steering and draining hold for them as
 * for others. Knows listeners, claims and the worker's channel; nothing of
 * workers but what struct cluster_worker says. The messages are those of
 * lib/internal/cluster in Node 18 to 24.
 */
#ifndef MASTER_NODE_CLUSTER_H
#define MASTER_NODE_CLUSTER_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "master/node/channel.h"
#include "master/socket/listener.h"

/*
 * The servers that have been asked for, by a key that Node makes of the
 * arguments and the order of its calls: it is the same in each worker and after
 * a reload, and with it a port that the kernel has chosen. All zeros: none.
 */
struct cluster {
	struct cluster_server *servers;
	size_t	 n;
};

/* The worker that asks. */
struct cluster_worker {
	struct channel *channel;
	pid_t	 pid;			/* of its leader, whose rights to files
					   make the sockets of paths */
	int	 seat;
	unsigned generation;
	bool	 may_bind_low;		/* the right to ports below 1024 */
};

/*
 * Answer a message of the worker with NODE_CLUSTER as its cmd, on w->channel;
 * each gets an answer, perhaps an errno. A socket is claimed and marked as
 * asked for; O_NONBLOCK is set on it. Returns the listener that the worker
 * listens on, if that is what it says, with listen(2) done; else NULL.
 */
struct listener *cluster_hear(struct cluster *c, struct listeners *ls,
	    const struct cluster_worker *w,
	    const struct json_value *message);

/* Free what *c remembers; listeners stay. */
void	 cluster_free(struct cluster *c);

#endif
