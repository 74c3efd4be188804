/*
 * What `crr run` was asked to do: its options, checked, with paths made
 * absolute where a later start must not depend on the directory and the
 * environment that the master has then. Afterwards launch.workers alone
 * follows `crr scale`; plan_read leaves what is not an option (launch.trap,
 * out_fd, err_fd, notify, listeners,
 * family) to the master's setup.
 */
#ifndef MASTER_PLAN_H
#define MASTER_PLAN_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "master/socket/address.h"
#include "master/worker/launch.h"
#include "proto.h"

enum {
	PLAN_WORKERS_MAX = CRR_WORKERS_MAX,
	PLAN_SURGE_MAX = 64,
	PLAN_LISTEN_MAX = LAUNCH_HANDED_MAX,	/* -l and inherited ones */
	PLAN_INHERITED_FIRST = LAUNCH_HANDED_FIRST,	/* LISTEN_FDS */
};

/* Whose kept connections have their next request handed on: --handoff. */
enum plan_handoff {
	PLAN_HANDOFF_LOCAL,		/* clients' of this machine */
	PLAN_HANDOFF_ANY,
	PLAN_HANDOFF_OFF,
};

struct plan {
	struct launch launch;
	struct worker_rules rules;	/* as asked; the pool's copy is used */
	int	 surge;			/* 0: stop first, then start */
	struct address listen[PLAN_LISTEN_MAX];
	int	 nlisten;
	int	 ninherited;		/* of these, the first: descriptors
					   from 3 that we were started with */
	char	*inherited;		/* their LISTEN_FDNAMES, or NULL */
	bool	 stop_wait;		/* --stop-new wait */
	int64_t	 stop_delay_ms;		/* to serve on after a stop was asked */
	bool	 share;			/* catch bind(2) where that is
					   possible */
	enum plan_handoff handoff;
	bool	 shared_queue;		/* one queue for all workers */
	char	 name[NAME_MAX + 1];	/* of the master; "": by path alone */
	uint64_t retain;		/* bytes of the bus's values; 0: none */
	bool	 quiet;			/* no lines on stdout */
};

/*
 * Read run's arguments and what a service manager has put into the environment
 * (LISTEN_FDS and its kin are removed from it). Keeps argv. Says what is wrong
 * in one line and ends the program, with 2 for wrong usage and 1 for anything
 * else.
 */
void	 plan_read(struct plan *plan, int argc, char **argv);

#endif
