/*
 * What a master reports of itself, decoded, and the names of the numbers in it.
 * Knows the wire form of STATUS's answer; does not know how it is shown. An
 * answer that makes no sense, or lack of memory, ends the program with
 * EXIT_FAILED and a line on stderr.
 */
#ifndef CLIENT_REPORT_H
#define CLIENT_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "ipc.h"

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

/*
 * Add what a frame says to *st, which is zero before the first one. A frame of
 * a type that is not known here is skipped.
 */
void	 report_decode(struct status *st, const struct crr_frame *f);

/* Free what *st points to. */
void	 report_free(struct status *st);

/* Return the name of a number on the wire; "unknown" for one that only a later
 * master knows. */
const char *report_master_state(uint32_t state);
const char *report_worker_state(uint32_t state);
const char *report_listener_type(uint32_t type);

#endif
