#include <errno.h>
#include <stdbool.h>

#include "master/socket/steer.h"

bool
steer_available(void)
{
	return false;
}

int
steer_attach(int fd, const int *place, int n)
{
	(void)fd;
	(void)place;
	(void)n;
	errno = ENOSYS;
	return -1;
}

int
steer_refuse(int fd)
{
	(void)fd;
	errno = ENOSYS;
	return -1;
}

int
steer_drop(int fd)
{
	(void)fd;
	errno = ENOSYS;
	return -1;
}

unsigned
steer_depth(int fd)
{
	(void)fd;
	return 0;
}
