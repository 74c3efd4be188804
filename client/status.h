/*
 * What a master says of itself, decoded; and the two forms in which it is
 * shown. The texts are the master's: not yet safe to write.
 */
#ifndef CLIENT_STATUS_H
#define CLIENT_STATUS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct text {
	char	*at;			/* malloc'd, a NUL behind it */
	size_t	 len;			/* bytes */
};

struct status_listener {
	uint32_t index, type, handed, nqueues;
	struct text address;
};

struct status_queue {
	uint32_t listener, seat, depth, steered;
};

struct status_worker {
	uint32_t id, pid, seat, generation, state, restarts;
	uint64_t uptime_ms, state_ms, next_start_ms;
	uint32_t connections, queued;
	struct text last_exit;
};

struct status_subscriber {
	int32_t	 worker;		/* id; -1: none */
	uint32_t pid;
	uint64_t queued;		/* bytes */
	uint64_t lost;			/* messages */
};

struct status_bus {
	uint64_t seq, lost, retained, retain_max;
	uint32_t nretained;
};

struct status {
	uint32_t pid, state, workers, generation, reloads, reloads_failed;
	uint64_t uptime_ms;
	struct text version, name, socket, directory;
	struct text command;		/* NUL between its arguments */
	struct status_listener *listener;
	struct status_queue *queue;
	struct status_worker *worker;
	struct status_bus bus;
	struct status_subscriber *subscriber;
	size_t	 nlistener, nqueue, nworker, nsubscriber;
};

/* Names of numbers on the wire; "unknown" for those of a later master. */
const char *status_master_state(uint32_t state);
const char *status_worker_state(uint32_t state);
const char *status_listener_type(uint32_t type);

/* Write it as columns for people. */
void	 table_write(FILE *out, const struct status *st);

/* Write it as one line of JSON. */
void	 json_write(FILE *out, const struct status *st);

#endif
