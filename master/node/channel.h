/*
 * Node's channel: lines of JSON from a worker, with the words of the Node
 * package cluster-rolling-restart, made into messages of the bus; and messages
 * of the bus made into lines. Knows JSON, frames and one descriptor, nothing of
 * workers.
 */
#ifndef MASTER_NODE_CHANNEL_H
#define MASTER_NODE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "master/bus/bus.h"
#include "master/node/json.h"

struct node;

enum node_word {
	NODE_NOTHING,			/* no line more has come */
	NODE_OTHER,			/* a line that means nothing to us */
	NODE_READY,			/* "ready" */
	NODE_RELOAD,
	NODE_RESET,
	NODE_SAVE,
	NODE_DELETE,
	NODE_CLUSTER,			/* of Node's cluster module: object */
	NODE_WRONG,			/* why says how */
};

struct node_said {
	enum node_word word;
	const unsigned char *payload;	/* of SAVE and DELETE: a bus message's,
					   valid until the next call */
	size_t	 len;			/* bytes */
	struct json_value object;	/* valid until the next call */
	const char *why;
};

/*
 * Begin: takes fd over, a socket, and subscribes who to the bus, the values that
 * are kept among it. Returns NULL with ENOMEM, fd closed.
 */
struct node *node_open(struct bus *bus, const struct bus_identity *who,
	    int fd);

/* Hang up. NULL is ignored. */
void	 node_close(struct bus *bus, struct node *n);

/* Read what has come. Returns 0, or -1 at its end. */
int	 node_read(struct node *n);

/* There is more to read already. */
bool	 node_is_readable(const struct node *n);

/* A line has begun that has no end. */
bool	 node_is_cut(const struct node *n);

/* For poll(2). */
int	 node_fd(const struct node *n);

/* What the next line says. */
void	 node_next(struct node *n, struct node_said *said);

/*
 * Say a line to the worker, its newline included, and give it a descriptor with
 * it (-1: none), which stays the caller's. Returns 0 or -1 and errno.
 */
int	 node_say(struct node *n, const char *line, size_t len, int fd);

/* Note that the worker has been told to leave, and tell whether it has. */
void	 node_dismiss(struct node *n);
bool	 node_is_dismissed(const struct node *n);

/* There is something to write. */
bool	 node_pending(struct node *n);

/* Write what it takes. Returns 0, or -1: nobody is there any more. */
int	 node_write(struct bus *bus, struct node *n);

#endif
