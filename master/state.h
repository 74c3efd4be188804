/* All that the master knows. No verbs: each part of it has its own header. */
#ifndef MASTER_STATE_H
#define MASTER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "master/bus/bus.h"
#include "master/clients.h"
#include "master/control/control.h"
#include "master/drain/halfopen.h"
#include "master/node/cluster.h"
#include "master/plan.h"
#include "master/post.h"
#include "master/steering.h"
#include "master/socket/listener.h"
#include "master/worker/pool.h"
#include "master/worker/process.h"
#include "master/worker/reload.h"

struct master {
	struct plan plan;
	struct listeners listeners;
	struct pool pool;
	struct reload reload;
	struct calm calm;
	struct control control;
	struct clients clients;
	struct bus bus;
	struct cluster cluster;
	struct post post;
	struct steering steering;
	int	 signal_fd;
	int	 notify_fd;		/* -1: none */
	char	 notify_name[64];
	int64_t	 started_ms;
	bool	 had_terminal;
	bool	 been_ready;		/* some worker was, once */
	bool	 settled;		/* the first generation was, once */
	bool	 scaling;		/* until all that are wanted are ready */
	int	 code;			/* to exit with */
};

#endif
