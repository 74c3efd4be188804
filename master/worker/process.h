/*
 * The processes of a worker, from outside: their start, signals to them, their
 * end. Knows nothing of a worker's states.
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
	pid_t	 group;			/* its process group; kept after pid,
					   until process_gone or a start; 0 */
	pid_t	 listen_pid;		/* who listens; 0: not seen */
	int	 birth_fd;		/* trap, errors of exec; -1: closed */
	int	 trap_fd;		/* calls to answer; -1: none */
	int	 channel_fd;		/* Node's, until taken; -1: none */
	struct family_mark mark;
	bool	 rest;			/* the leader has ended; others under
					   the trap may not have */
};

enum process_news {
	PROCESS_NONE,			/* nothing yet */
	PROCESS_RUNS,			/* exec succeeded */
	PROCESS_FAILED,			/* the command did not start */
};

/* Make *p the process of nobody. Closes nothing. */
void	 process_init(struct process *p);

/*
 * Start a worker in its own process group, and note that in the launch's
 * family. *p must have no process and no descriptor. Its mark points to the
 * launch's socket. Returns 0, or -1 and errno of socketpair(2) or fork(2) with
 * *p as process_init makes it. What fails in the child is told later, by
 * process_birth.
 */
int	 process_start(struct process *p, const struct worker_rules *rules,
	    int id, int seat);

/*
 * Read one message of the child about its start, when birth_fd is readable;
 * never blocks. PROCESS_NONE: there was none, or it brought the trap, which is
 * in trap_fd now. Closes birth_fd otherwise. For PROCESS_FAILED, why holds a
 * line and *code what a shell would exit with (126, 127) or 1; both are left
 * alone otherwise.
 */
enum process_news process_birth(struct process *p, char *why, size_t size,
	    int *code);

/* Send sig to the process that listens, if it is in the group or below the
 * leader; else to the leader, if there is one. */
void	 process_signal(const struct process *p, int sig);

/* Send SIGKILL to the whole group, before the leader is waited for: after that
 * the group's number may belong to another. */
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
 * Note that the leader has been waited for, and close birth_fd and channel_fd,
 * if nobody has taken it. Signals nobody: the caller has killed the group
 * before. Sets p->rest where there is a trap, which hangs up when no process is
 * under it.
 */
void	 process_ended(struct process *p);

/* Note that no process of the worker is left, since the trap has hung up, or
 * that they are given up. Closes trap_fd. */
void	 process_gone(struct process *p);

#endif
