/*
 * The leader of a worker from fork(2) to exec(2): its signals, environment,
 * identity, trap and descriptors. Runs in the child, apart from child_init;
 * knows nothing of other workers.
 */
#ifndef MASTER_WORKER_CHILD_H
#define MASTER_WORKER_CHILD_H

#include <sys/types.h>

#include "master/worker/launch.h"

enum { CHILD_SAYS_MAX = 512 };		/* bytes of a message of the child's */

/* The first byte of a message of the child's. */
enum {
	CHILD_SAYS_TRAP = 't',		/* the trap's descriptor comes along */
	CHILD_SAYS_FAILED = 'f',	/* one byte follows, the code to exit
					   with, then text up to the end */
};

struct child {
	const struct worker_rules *rules;
	int	 id, seat;
	pid_t	 master;
	int	 birth_fd;		/* where it says what happens */
	int	 channel_fd;		/* Node's; -1: none */
};

/* Note, before fork(2), what the child is to become. The master closes both
 * descriptors itself after fork(2). */
void	 child_init(struct child *c, const struct worker_rules *rules, int id,
	    int seat, int birth_fd, int channel_fd);

/*
 * Become the worker. Where a step fails, says so on birth_fd and ends with 127
 * (no such command), 126 (the command can't be executed) or 1. A successful
 * exec(2) closes birth_fd, whose other end then reads the end of the file.
 */
void	 child_run(struct child *c) __attribute__((noreturn));

#endif
