/* This very binary, started again in another role. */
#ifndef BASE_SELF_H
#define BASE_SELF_H

/*
 * Open the binary that this process runs, whatever is at its path now: for
 * self_run. Returns a descriptor, close-on-exec, or -1 and errno; the stand-in
 * for systems without /proc fails with ENOSYS.
 */
int	 self_open(void);

/* Become it, with an empty environment. Returns -1 and errno. */
int	 self_run(int fd, char *const argv[]);

#endif
