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

/* A text of the master's: not yet safe to write to a terminal. */
struct text {
	char	*at;			/* malloc'd, followed by a NUL */
	size_t	 len;			/* bytes, which may be NULs */
};

struct report_listener {
	uint32_t index;
	uint32_t type;			/* enum crr_listener */
	uint32_t handed;		/* 1: given by -l */
	uint32_t nqueues;
	struct text address;
};

struct report_queue {
	uint32_t listener;		/* its index */
	uint32_t seat;
	uint32_t depth;			/* connections not yet accepted */
	uint32_t steered;		/* 1: new connections go there */
};

struct report_worker {
	uint32_t id;
	uint32_t pid;			/* 0: no process */
	uint32_t seat, generation;
	uint32_t state;			/* CRR_WORKER_STATES */
	uint32_t restarts;		/* after a crash */
	uint64_t uptime_ms;
	uint64_t state_ms;		/* in this state */
	uint64_t next_start_ms;		/* from now; 0: none is due */
	uint32_t connections, queued;	/* in flight, while it drains */
	struct text last_exit;		/* empty: none yet */
};

struct report_subscriber {
	int32_t	 worker;		/* id; -1: none */
	uint32_t pid;
	uint64_t queued;		/* bytes */
	uint64_t lost;			/* messages */
};

struct report_bus {
	uint64_t seq;			/* of the last message */
	uint64_t lost;			/* messages, by all subscribers */
	uint64_t retained, retain_max;	/* bytes */
	uint32_t nretained;		/* values */
};

/* Of kept connections of workers that went. */
struct report_handoff {
	uint64_t held;			/* since the master's start */
	uint64_t requests;		/* handed on */
	uint64_t broken;		/* of these, not answered to the end */
	uint64_t quiet;			/* closed after their workers */
	uint32_t holding, handing;	/* now */
};

struct report {
	uint32_t pid;
	uint32_t state;			/* enum crr_state */
	uint32_t workers;		/* wanted */
	uint32_t generation, reloads, reloads_failed;
	uint64_t uptime_ms;
	struct text version;		/* at is NULL before STATUS_MASTER */
	struct text name, socket, directory;
	struct text command;		/* a NUL between arguments */
	struct report_listener *listener;
	struct report_queue *queue;
	struct report_worker *worker;
	struct report_handoff handoff;
	struct report_bus bus;
	struct report_subscriber *subscriber;
	size_t	 nlistener, nqueue, nworker, nsubscriber;
};

/*
 * Add what a frame says to *r, which is zero before the first one. A frame of
 * a type that is not known here is skipped.
 */
void	 report_decode(struct report *r, const struct crr_frame *f);

/* Free what *r points to. */
void	 report_free(struct report *r);

/* Return the name of a number on the wire; "unknown" for one that only a later
 * master knows. */
const char *report_master_state(uint32_t state);
const char *report_worker_state(uint32_t state);
const char *report_listener_type(uint32_t type);

#endif
