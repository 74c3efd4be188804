/*
 * Leaves the process the calls that a porter needs, to receive, connect, read,
 * write and wait; of all others it is told EPERM: it opens no file and starts no
 * program. Linux, for processors whose number of the architecture is known.
 */
#ifndef PORTER_CONFINE_H
#define PORTER_CONFINE_H

/* Needs PR_SET_NO_NEW_PRIVS. Where the kernel knows no such filter, nothing is
 * changed. */
void	 confine(void);

#endif
