/*
 * Which processes are a worker's: its leader, what descends from it, and what
 * has lost its parents and become our child. Knows processes and /proc, nothing
 * of workers' states. Linux: family.c. The stand-in elsewhere, family_none.c,
 * finds no process.
 */
#ifndef MASTER_WORKER_FAMILY_H
#define MASTER_WORKER_FAMILY_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

/* Begin with zeros. */
struct family_pids {
	pid_t	*pid;
	size_t	 n, size;
};

/* Our children, of all workers. */
struct family {
	int	 children_fd;		/* the kernel's list; -1: it has none */
	bool	 whole;			/* the last look at it succeeded */
	size_t	 nread;			/* children read since it was begun */
	struct family_pids leaders;	/* sorted */
	struct family_pids adopted;	/* all others, as of the last look */
	struct family_pids fresh;	/* of one look */
};

/* How the environment of a worker's processes names it. */
struct family_mark {
	const char *socket;		/* CRR_SOCKET */
	int	 id;			/* CRR_WORKER_ID */
	unsigned generation;		/* CRR_GENERATION */
};

/* Become the parent of orphaned descendants, where that is possible, and begin
 * to tell them from leaders. */
void	 family_begin(struct family *f);

void	 family_end(struct family *f);

/* Note that we have started a leader. */
void	 family_started(struct family *f, pid_t leader);

/* Note that we have waited for a child, whoever it was: its number may now be
 * given to another process. */
void	 family_reaped(struct family *f, pid_t pid);

/*
 * List a leader that has not been waited for, all that descends from it, and
 * of the orphans the members of its process group with what descends from
 * them. A process that is there all the while is missed only if it changes its
 * parent twice meanwhile. Replaces what pids held; the caller frees it by
 * family_free_pids. Returns 0, or -1 and errno with a part of the list.
 */
int	 family_list(struct family *f, pid_t leader, struct family_pids *pids);

/*
 * List the worker's orphans that have left its process group, with what
 * descends from them. Reads the environment of each orphan. Otherwise as
 * family_list.
 */
int	 family_list_strays(struct family *f, pid_t leader,
	    const struct family_mark *mark, struct family_pids *pids);

void	 family_free_pids(struct family_pids *pids);

/* SIGKILL to the worker's orphans, by their marks. Returns how many. */
int	 family_kill_strays(struct family *f, const struct family_mark *mark);

/* Tell whether a process is a child of ours whose environment has the mark of
 * a worker. Also true of the worker's leader. */
bool	 family_is_stray(pid_t pid, const struct family_mark *mark);

/* The parent of a process, or -1 where it can't be told. */
pid_t	 family_parent(pid_t pid);

/*
 * In a child: have the kernel send sig when the parent, whose pid is given,
 * ends. A change of credentials undoes this, so it comes after. Returns 0, or
 * -1 if the parent has ended already or the kernel refuses.
 */
int	 family_die_with_parent(int sig, pid_t parent);

/*
 * Send sig to what a killed master has left of its workers: their leaders got
 * it from the kernel, these are processes whose leader has gone. Walks all of
 * /proc. Returns how many.
 */
int	 family_stop_orphans(const char *socket, int sig);

#endif
