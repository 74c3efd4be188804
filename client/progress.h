/*
 * The bar at the bottom of a terminal that says how far a reload has come. It
 * leaves no trace: not at the end, nor when a signal ends the program.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>

#include "base/event.h"

struct progress {
	bool	 on;
	unsigned generation;		/* the new one */
	unsigned ready, workers;	/* 0 workers: not known yet */
};

/* Turn it on if stdout is a terminal that can erase a line. */
void	 progress_init(struct progress *p);

/* Take note of an event. */
void	 progress_event(struct progress *p, const struct event *ev);

/* Draw it, once more is known than that it is on; the cursor stays behind. */
void	 progress_draw(const struct progress *p);

/* Erase it. */
void	 progress_erase(const struct progress *p);

#endif
