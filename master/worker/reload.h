/*
 * In what order workers are replaced. Looks at the workers' states at the end
 * of each turn of the loop and does the next thing that is due. Makes no
 * system call.
 */
#ifndef MASTER_WORKER_RELOAD_H
#define MASTER_WORKER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "master/worker/pool.h"

enum reload_outcome {
	RELOAD_GOES_ON,			/* or there is none */
	RELOAD_COMPLETE,		/* all new and ready, old ones gone */
	RELOAD_FAILED,			/* why says who; old ones still serve */
};

struct reload {
	bool	 active;
	bool	 again;			/* one more was asked for meanwhile */
	bool	 soaked;		/* the first new worker has survived */
	unsigned run;			/* number of the last one begun */
	unsigned generation;		/* that it brings */
	int64_t	 next_ms;		/* no replacement before: --wait */
	int64_t	 turned_ms;		/* the last turn of it; 0: none yet */
	unsigned completed, failed;	/* since the master's start */
	char	 why[WORKER_ENDED_MAX + 96];	/* the last one failed */
};

/*
 * Ask for a reload. Begins one, or has one follow the one in progress. Returns
 * the number of the run that answers this request.
 */
unsigned reload_request(struct reload *r, struct pool *pool, int64_t now_ms);

/* Begin the one that was asked for meanwhile. Returns false if none was. */
bool	 reload_next(struct reload *r, struct pool *pool, int64_t now_ms);

/* Do what is due. */
enum reload_outcome reload_turn(struct reload *r, struct pool *pool,
	    int64_t now_ms);

/* End the one in progress where it stands, and forget the one to follow. */
void	 reload_end(struct reload *r, struct pool *pool, int64_t now_ms);

/* When reload_turn is due though nothing happens: now_ms or later; or 0. */
int64_t	 reload_deadline(const struct reload *r, const struct pool *pool,
	    int64_t now_ms);

/* Workers of the newest generation that are ready in their places. */
int	 reload_new_workers(const struct reload *r, const struct pool *pool);

#endif
