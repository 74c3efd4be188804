/*
 * What only some systems can tell or do about processes and the machine.
 * Linux: family.c. A stand-in elsewhere: family_none.c.
 */
#ifndef MASTER_WORKER_FAMILY_H
#define MASTER_WORKER_FAMILY_H

#include <sys/types.h>

#include <stdbool.h>

/* How the environment of a worker's processes names it. */
struct family_mark {
	const char *socket;		/* CRR_SOCKET */
	int	 id;			/* CRR_WORKER_ID */
	unsigned generation;		/* CRR_GENERATION */
};

/* Become the parent of orphaned descendants, where that is possible. */
void	 family_adopt_orphans(void);

/*
 * In a child: get sig when the parent, whose pid is given, ends. Returns -1
 * if it has ended already. After a change of credentials.
 */
int	 family_die_with_parent(int sig, pid_t parent);

/* The parent of a process, or -1 where it can't be told. */
pid_t	 family_parent(pid_t pid);

/*
 * Tell whether a process is a worker's that has left its group and its
 * ancestors: a child of ours, by adoption, whose environment names the worker.
 */
bool	 family_is_stray(pid_t pid, const struct family_mark *mark);

/* SIGKILL to the strays of a worker. Returns how many. */
int	 family_kill_strays(const struct family_mark *mark);

/*
 * Send sig to what a killed master has left of its workers: their leaders got
 * it from the kernel, these are processes whose leader has gone. Returns how
 * many.
 */
int	 family_stop_orphans(const char *socket, int sig);

#endif
