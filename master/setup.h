/*
 * What stands before the loop begins, and is put away when it has ended:
 * descriptors, signals, the trap, the control socket, listeners. What is
 * missing is said in one line and ends the program.
 */
#ifndef MASTER_SETUP_H
#define MASTER_SETUP_H

#include "master/state.h"

/* Make all that m->plan asks for; no worker is started yet. */
void	 setup_begin(struct master *m);

/* Close all, and remove what is ours in the file system. */
void	 setup_end(struct master *m);

#endif
