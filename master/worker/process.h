/*
 * The processes of a worker: fork and exec, signals. Knows how a worker
 * is to be started (struct launch, its seat's queues), nothing of its states.
 */
#ifndef MASTER_WORKER_PROCESS_H
#define MASTER_WORKER_PROCESS_H

#include <sys/types.h>

#include <stdbool.h>
#include <stdint.h>

#include "master/socket/listener.h"
#include "master/worker/family.h"
#include "master/worker/launch.h"

struct process {
	pid_t	 pid;			/* of the leader; 0: none */
	pid_t	 group;			/* its process group, kept after pid */
	pid_t	 listen_pid;		/* who listens; 0: not seen */
	int	 birth_fd;		/* trap and errors of exec; -1: closed */
	int	 trap_fd;		/* calls to answer; -1: none */
	int	 channel_fd;		/* Node's, until somebody takes it; -1 */
	struct family_mark mark;
	bool	 rest;			/* the leader has gone, others under
					   the trap have not */
};

enum process_news {
	PROCESS_NONE,			/* nothing yet */
	PROCESS_RUNS,			/* exec succeeded */
	PROCESS_FAILED,			/* the command did not start */
};

/* Make *p the process of nobody. */
void	 process_init(struct process *p);

/*
 * Start a worker in its own process group. Returns 0, or -1 and errno of
 * socketpair(2) or fork(2). What fails in the child is told later, by
 * process_birth.
 */
int	 process_start(struct process *p, const struct worker_rules *rules,
	    int id, int seat);

/*
 * Read what the child says of its start, when birth_fd is readable: takes its
 * trap, closes birth_fd at the end. For PROCESS_FAILED, why holds a line and
 * *code what a shell would exit with (126, 127) or 1.
 */
enum process_news process_birth(struct process *p, char *why, size_t size,
	    int *code);

/* Send sig to the process that listens, else to the leader. */
void	 process_signal(const struct process *p, int sig);

/* SIGKILL to the whole group. */
void	 process_kill(const struct process *p);

/* The process group of a process, or -1. */
pid_t	 process_group(pid_t pid);

/* The parent of a process, or -1 where it can't be told. */
pid_t	 process_parent(pid_t pid);

/* Tell whether a process is the master itself. */
bool	 process_is_us(pid_t pid);

/* Tell whether pid is one of p's that has left its group and has lost the
 * ancestors that it had there. */
bool	 process_is_stray(const struct process *p, pid_t pid);

/*
 * Note that the leader has been reaped; what is left of its group is killed.
 * p->rest says whether other processes are under the trap still.
 */
void	 process_ended(struct process *p);

/* The trap has hung up: the last process of the worker has gone. */
void	 process_gone(struct process *p);

#endif
