/*
 * What all workers have in common: how they are started, and the rules of
 * time that they live by. Has no functions; knows nothing of the command line.
 */
#ifndef MASTER_WORKER_LAUNCH_H
#define MASTER_WORKER_LAUNCH_H

#include <sys/resource.h>
#include <sys/types.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct family;
struct listeners;

enum {
	LAUNCH_HANDED_FIRST = 3,	/* descriptor of the first socket that
					   is handed over: LISTEN_FDS */
	LAUNCH_HANDED_MAX = 64,		/* sockets */
	LAUNCH_USER_MAX = 64,		/* bytes, with the final null */
};

/* How to start a worker. The strings and listeners outlive all workers. */
struct launch {
	char	**command;		/* NULL-terminated */
	char	 directory[PATH_MAX];	/* to start in; absolute, as a path */
	char	 env_file[PATH_MAX];	/* absolute; "": none */
	char	 socket[PATH_MAX];	/* of the master: CRR_SOCKET */
	char	 user[LAUNCH_USER_MAX];	/* "": the master's own identity */
	uid_t	 uid;			/* the master's own without user */
	gid_t	 gid;
	bool	 node;			/* give workers Node's channel */
	bool	 node_cluster;		/* … and NODE_UNIQUE_ID */
	bool	 trap;			/* catch bind(2): asked for, and
					   possible here */
	int	 workers;		/* wanted now: CRR_WORKERS */
	int	 out_fd, err_fd;	/* become 1 and 2 */
	struct rlimit files;		/* RLIMIT_NOFILE as it was given to us */
	const char *notify;		/* NOTIFY_SOCKET, or NULL */
	const struct listeners *listeners;
	struct family *family;		/* that each start is noted in */
};

/* When a worker counts as ready: --ready. */
enum worker_ready {
	WORKER_READY_LISTEN,
	WORKER_READY_NOTIFY,
	WORKER_READY_ALIVE,
};

/* What a worker needs to know of all workers. Times are in milliseconds. */
struct worker_rules {
	const struct launch *launch;
	unsigned generation;		/* of the next start */
	enum worker_ready ready;
	int64_t	 alive_ms;		/* for WORKER_READY_ALIVE */
	int64_t	 start_timeout_ms;	/* to become ready */
	int64_t	 soak_ms;		/* ready, before others are replaced */
	int64_t	 wait_ms;		/* between two replacements */
	int64_t	 drain_ms;		/* 0: no drain */
	int64_t	 idle_ms;		/* of quiet, after which a connection
					   is idle */
	int64_t	 stop_timeout_ms;	/* from stop_signal to SIGKILL */
	int64_t	 hang_ms;		/* without accept(2), until it is
					   replaced; 0: never for that */
	int	 stop_signal;
};

#endif
