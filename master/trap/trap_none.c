#include <errno.h>

#include "master/trap/trap.h"

int
trap_install(bool names)
{
	(void)names;
	errno = ENOSYS;
	return -1;
}

int
trap_probe(void)
{
	errno = ENOSYS;
	return -1;
}

int
trap_answer(int trap_fd, struct listeners *ls, int seat, unsigned generation,
    struct trap_event *ev)
{
	(void)trap_fd;
	(void)ls;
	(void)seat;
	(void)generation;
	(void)ev;
	errno = ENOSYS;
	return -1;
}
