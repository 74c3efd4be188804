/*
 * What each worker says on Node's channel, and what is said to it: the words
 * of the Node package, the primary's part of the cluster module, its goodbye.
 */
#ifndef MASTER_NODES_H
#define MASTER_NODES_H

#include "master/state.h"

/*
 * Take over the channel of a worker that has just been started, if it has one;
 * where memory is short a line says so, and the worker goes on without. Returns
 * 0, also then, or -1 and errno: it can't be watched.
 */
int	 nodes_join(struct master *m, struct worker *w);

/* A worker's channel is ready, as poll(2) says in revents: act on what it says,
 * write what is queued, and hang up at its end. */
void	 nodes_talk(struct master *m, struct worker *w, short revents,
	    int64_t now_ms);

/* The worker has ended: act on its last words, and hang up. */
void	 nodes_leave(struct master *m, struct worker *w, int64_t now_ms);

/* Write what the bus has for workers, if it has anything new. At the end of a
 * turn. */
void	 nodes_write(struct master *m);

/* Read from workers, or read no longer, as senders are held or not. At the end
 * of a turn. */
void	 nodes_settle(struct master *m);

/*
 * When to say goodbye to a worker, or 0. Node does not end while it listens to
 * the channel, though its server has been closed. Not where the server is left
 * to finish its work by itself.
 */
int64_t	 nodes_goodbye_at(const struct master *m, const struct worker *w);

/* Say goodbye: hang up, or tell the cluster module to disconnect. */
void	 nodes_say_goodbye(struct master *m, struct worker *w);

#endif
