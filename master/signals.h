/* Signals as events of the poll loop: a self-pipe and a flag for each. */
#ifndef MASTER_SIGNALS_H
#define MASTER_SIGNALS_H

#include <stdbool.h>

/*
 * Catch what the master acts on, ignore SIGPIPE. Returns the descriptor that
 * becomes readable when one has come, or -1 and errno.
 */
int	 signals_open(void);

/* Empty the pipe, before the flags are asked. */
void	 signals_drain(void);

/* Close the pipe. What comes later wakes nobody. */
void	 signals_close(void);

/* Tell whether there is a terminal that signals may come from. */
bool	 signals_have_terminal(void);

/* Tell whether sig has come since it was last asked for; once. */
bool	 signals_take(int sig);

#endif
