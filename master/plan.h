/*
 * What `crr run` was asked to do: its options, checked and made absolute where
 * a later start must not depend on what the master's environment has become.
 * Filled once; nothing but the number of workers changes afterwards.
 */
#ifndef MASTER_PLAN_H
#define MASTER_PLAN_H

#include <sys/types.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "master/socket/address.h"
#include "proto.h"

enum {
	PLAN_WORKERS_MAX = CRR_WORKERS_MAX,
	PLAN_SURGE_MAX = 64,
	PLAN_LISTEN_MAX = 64,		/* -l options, and inherited ones */
	PLAN_INHERITED_FIRST = 3,	/* LISTEN_FDS begin here */
};

enum plan_ready {			/* --ready */
	PLAN_READY_LISTEN,
	PLAN_READY_NOTIFY,
	PLAN_READY_ALIVE,
};

struct plan {
	char	**command;		/* NULL-terminated, argv's own */
	int	 workers;
	int	 surge;			/* 0: stop first, then start */
	struct address listen[PLAN_LISTEN_MAX];
	int	 nlisten;
	int	 ninherited;		/* of these, the first: descriptors */
					/* from 3 that we were started with */
	char	*inherited;		/* their LISTEN_FDNAMES, or NULL */
	bool	 share;			/* catch bind(2) */
	bool	 shared_queue;		/* one queue for all workers */
	char	 name[NAME_MAX + 1];	/* of the master; "": by path alone */
	char	 socket[PATH_MAX];	/* control socket */
	char	 directory[PATH_MAX];	/* absolute, as a path */
	char	 env_file[PATH_MAX];	/* absolute; "": none */
	enum plan_ready ready;
	int64_t	 alive_ms;		/* --ready alive:TIME */
	int64_t	 start_timeout_ms;
	int64_t	 soak_ms;
	int64_t	 wait_ms;
	int64_t	 drain_ms;		/* 0: none */
	int64_t	 stop_timeout_ms;
	int64_t	 hang_ms;		/* 0: never replaced for that */
	bool	 node;			/* give workers Node's channel */
	bool	 node_cluster;		/* and play the primary on it */
	uint64_t retain;		/* bytes of the bus's values; 0: none */
	int	 stop_signal;
	char	 user[64];		/* "": the master's own identity */
	bool	 quiet;			/* no lines on stdout */
	uid_t	 uid;
	gid_t	 gid;
};

/*
 * Read run's arguments. What is wrong with them is said in one line, and ends
 * the program with 2.
 */
void	 plan_read(struct plan *plan, int argc, char **argv);

#endif
