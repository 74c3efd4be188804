/*
 * One worker: its states and what leads from one to the next. A table, no
 * system call; what it does to processes goes through process.h, which unit
 * tests replace.
 */
#ifndef MASTER_WORKER_WORKER_H
#define MASTER_WORKER_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/timers.h"
#include "master/worker/launch.h"
#include "master/worker/process.h"
#include "proto.h"

#define WORKER_EVENT_LIST(X) \
	X(START)	/* start now */ \
	X(UP)		/* it is ready */ \
	X(RETIRE)	/* not wanted any more */ \
	X(HANG)		/* it doesn't accept: another is to take its place */ \
	X(DRAINED)	/* nothing is in flight any more */ \
	X(STOP)		/* don't wait for what it has in flight */ \
	X(KILL) \
	X(LOST)		/* its process ended, and it was wanted */ \
	X(GONE)		/* its process ended as it should */ \
	X(TIMEOUT)	/* its deadline passed */

enum worker_state {
#define X(symbol, name, number) WORKER_##symbol = number,
	CRR_WORKER_STATES(X)
#undef X
	WORKER_NSTATES
};

enum worker_event {
#define X(symbol) WORKER_##symbol,
	WORKER_EVENT_LIST(X)
#undef X
	WORKER_NEVENTS
};

enum {
	WORKER_STABLE = 10000,		/* ms ready, at least, after which a
					   crash is the first one again */
	WORKER_BACKOFF_FIRST = 1000,	/* ms, after the second crash */
	WORKER_BACKOFF_MAX = 30000,	/* ms */
	WORKER_KILL_AGAIN = 1000,	/* ms between two SIGKILLs */
	WORKER_REFUSED_MAX = 200,	/* bytes of text */
	WORKER_ENDED_MAX = 512,		/* bytes of text */
};

/* What is looked at for all workers in one go stands in front, together. */
struct worker {
	int	 id;			/* a successor takes it over */
	int	 seat;			/* its place among the workers */
	unsigned generation;
	enum worker_state state;
	bool	 wanted;		/* starts again when it is lost */
	bool	 candidate;		/* of a reload; the old one serves */
	bool	 is_changed;		/* it is on the list of changed ones */
	unsigned lost_generation;	/* of the last process that was lost
					   before it was stable; 0: none */
	int64_t	 ready_ms;		/* this process; 0: not yet */
	int64_t	 rest_ms;		/* when to look after what is left of
					   it; 0: nothing is */
	struct worker *next_changed;	/* in the pool's list */
	struct worker **changed;	/* that list; or NULL */
	struct worker *next_in_group;	/* in the pool's table, under … */
	pid_t	 noted_group;		/* … this process group; 0: not there */
	struct process process;
	struct drain *drain;		/* supervise.c's, while DRAINING; or
					   NULL */
	struct channel *channel;	/* nodes.c's: Node's; or NULL */
	struct timer timer;		/* supervise.c's: the next deadline */
	struct worker *next_due;	/* supervise.c's */
	int64_t	 deadline_ms;		/* monotonic; 0: none */
	int64_t	 alive_ms;		/* when being alive makes it ready; 0 */
	int64_t	 started_ms;		/* this process */
	int64_t	 since_ms;		/* in this state */
	unsigned failures;		/* crashes in a row */
	unsigned restarts;		/* crashes answered, of this id */
	bool	 timed_out;		/* killed since it was not ready */
	bool	 stop_late;		/* killed since it did not stop */
	bool	 hung;			/* to be replaced since it did not
					   accept */
	int	 code;			/* of exec's failure; 0: none */
	char	 refused[WORKER_REFUSED_MAX];	/* the last bind or listen of
					   this process that failed, or "" */
	char	 missing[WORKER_REFUSED_MAX];	/* what it did not listen on
					   when its time was over, or "" */
	char	 ended[WORKER_ENDED_MAX];	/* how it last ended, or "" */
};

/* Make *w a worker of a seat, DOWN, that puts itself on the list *changed
 * (NULL: on none). */
void	 worker_init(struct worker *w, int seat, struct worker **changed);

/* Note that its state or a deadline has changed. worker_step does; whoever
 * writes a field that decides about it does. */
void	 worker_touch(struct worker *w);

/*
 * Let an event happen. One that means nothing in the worker's state is
 * ignored.
 */
void	 worker_step(struct worker *w, enum worker_event event,
	    const struct worker_rules *rules, int64_t now_ms);

/* Start a worker of an id in a free seat, wanted or a candidate. */
void	 worker_begin(struct worker *w, int id, bool candidate,
	    const struct worker_rules *rules, int64_t now_ms);

/* Its leader ended, as waitpid(2) says in wstatus. */
void	 worker_ended(struct worker *w, int wstatus,
	    const struct worker_rules *rules, int64_t now_ms);

/* A worker is in a state that has a process. */
bool	 worker_runs(const struct worker *w);

/* Its seat can be given to another. */
bool	 worker_free(const struct worker *w);

/* Ready, and in its predecessor's place: connections may be steered to it. */
bool	 worker_serves(const struct worker *w);

/* The next moment at which something is due, or 0. */
int64_t	 worker_deadline(const struct worker *w);

#endif
