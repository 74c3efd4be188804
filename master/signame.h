/* Names of signals, both ways: POSIX 2008 has none, sys_siglist is gone. */
#ifndef MASTER_SIGNAME_H
#define MASTER_SIGNAME_H

/* The number of TERM, SIGTERM, term or 15; -1 if there is none. */
int	 signame_number(const char *name);

/* The name of a signal without SIG ("TERM"), or "?". */
const char *signame_text(int sig);

#endif
