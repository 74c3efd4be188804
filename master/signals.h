/*
 * Signals as events of the loop: a pipe, a flag each, and what each of them
 * does to the master.
 */
#ifndef MASTER_SIGNALS_H
#define MASTER_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

#include "master/state.h"

/*
 * Catch what the master acts on, ignore SIGPIPE, block nothing. Returns the
 * descriptor that becomes readable when a signal has come, or -1 and errno.
 */
int	 signals_open(void);

/* Close the pipe. A signal that comes later wakes nobody. */
void	 signals_close(void);

/* Do what the signals that have come ask for. */
void	 signals_act(struct master *m, int64_t now_ms);

/* Tell whether there is a terminal that signals may come from. */
bool	 signals_have_terminal(void);

#endif
