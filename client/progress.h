/*
 * The bar at the bottom of a terminal that shows how far a reload has come. It
 * leaves no trace, neither at the end nor when SIGINT, SIGTERM, SIGHUP or
 * SIGQUIT ends the program. Knows events; does not know where they come from.
 */
#ifndef CLIENT_PROGRESS_H
#define CLIENT_PROGRESS_H

#include <stdbool.h>

#include "base/event.h"

struct progress {
	bool	 on;			/* stdout is fit for it */
	unsigned generation;		/* the new one */
	unsigned ready, workers;	/* 0 workers: not known yet */
};

/*
 * Turn it on if stdout is a terminal that can erase a line and is wide enough;
 * then catch the signals above, except ignored ones.
 */
void	 progress_init(struct progress *p);

/* Count what an event says. Draws nothing. */
void	 progress_event(struct progress *p, const struct event *ev);

/* Draw it if it is on and the number of workers is known; the cursor stays
 * after it. */
void	 progress_draw(const struct progress *p);

/* Erase it if it was drawn. */
void	 progress_erase(const struct progress *p);

#endif
