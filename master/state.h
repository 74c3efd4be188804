/* All that the master knows. No verbs: each part of it has its own header. */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/poller.h"
#include "base/timers.h"
#include "master/bus/bus.h"
#include "master/clients.h"
#include "master/control/control.h"
#include "master/drain/halfopen.h"
#include "master/drain/handoff.h"
#include "master/node/cluster.h"
#include "master/plan.h"
#include "master/post.h"
#include "master/socket/listener.h"
#include "master/steering.h"
#include "master/worker/family.h"
#include "master/worker/pool.h"
#include "master/worker/reload.h"

/* What a descriptor is to the master; in brackets, its owner. */
enum source {
	SOURCE_SIGNAL,			/* the pipe (struct master) */
	SOURCE_CONTROL,			/* the control socket (the same) */
	SOURCE_NOTIFY,			/* sd_notify's (the same) */
	SOURCE_BIRTH,			/* of a worker (struct worker) */
	SOURCE_TRAP,			/* calls of its (the same) */
	SOURCE_NODE,			/* Node's channel (the same) */
	SOURCE_CONN,			/* a connection (struct conn) */
	SOURCE_PORTER,			/* what it says (struct master) */
};

/* How far the master has come. */
struct life {
	int64_t	 started_ms;
	bool	 had_terminal;		/* when it was started */
	bool	 been_ready;		/* some worker was, once */
	bool	 settled;		/* the first generation was, once */
	int	 code;			/* to exit with */
};

/* The end of all workers, as it goes on. */
struct stopping {
	bool	 asked;
	bool	 begun;			/* --stop-delay is over */
	bool	 shut;			/* new clients are kept out */
	int64_t	 begin_ms;		/* when --stop-delay is over */
	int64_t	 last_ms;		/* when workers are waited for no more:
					   new clients were served until a
					   second before; 0 */
	int64_t	 tell_ms;		/* when to say who is waited for */
};

/* What is asked of all workers. */
struct orders {
	bool	 due;			/* something has changed since the last
					   look */
	bool	 scaling;		/* until all workers wanted are ready */
	int64_t	 next_ms;		/* when something is due though nothing
					   happens; 0 */
	struct handoff_counts kept;	/* as the reload began */
	struct stopping stop;
};

struct master {
	struct plan plan;
	struct life life;
	struct poller *poller;
	struct timers timers;		/* of workers */
	struct listeners listeners;
	struct family family;		/* processes of workers */
	struct steering steering;
	struct pool pool;
	struct reload reload;
	struct orders orders;
	struct handshakes handshakes;
	struct handoff handoff;
	int64_t	 porter_ms;		/* when handoff_turn is due; 0 */
	struct control control;
	struct clients clients;
	struct bus bus;
	struct post post;
	struct cluster cluster;
	bool	 nodes_held;		/* workers are not read from */
	int	 signal_fd;
	int	 notify_fd;		/* -1: none */
	char	 notify_name[64];
};

#endif
