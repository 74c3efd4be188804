/*
 * The master role: the poll loop, and the one place that knows workers,
 * listeners and connections at once.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

#include "master/state.h"

/* `crr run`: what the program is to exit with. argv[0] is "run". */
int	 master_main(int argc, char **argv);

/* Begin a reload or have one follow; returns the run that answers. */
unsigned master_reload(struct master *m, int64_t now_ms);

/* End a reload in progress where it stands. */
void	 master_reset(struct master *m, int64_t now_ms);

/* Want n workers. Returns 0, or -1 and errno, nothing changed. */
int	 master_scale(struct master *m, int n, int64_t now_ms);

/* Stop all workers, then end; now: without waiting for them. */
void	 master_stop(struct master *m, bool now, int64_t now_ms);

#endif
