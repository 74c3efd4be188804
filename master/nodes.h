/*
 * What each worker says on Node's channel, and what is said to it: the words
 * of the Node package, the primary's part of the cluster module, its goodbye.
 */
#ifndef MASTER_NODES_H
#define MASTER_NODES_H

#include "master/state.h"

/* A worker's channel is readable: act on what it says, and hang up at its
 * end. */
void	 nodes_read(struct master *m, struct worker *w, int64_t now_ms);

/* The worker has ended: act on its last words, and hang up. */
void	 nodes_leave(struct master *m, struct worker *w, int64_t now_ms);

/* Write what is queued, take over the channels of new workers, and say goodbye
 * to workers that stop. At the end of a turn. */
void	 nodes_write(struct master *m, int64_t now_ms);

/* When nodes_write is due though nothing happens, or 0. */
int64_t	 nodes_next(const struct master *m);

#endif
