#include <errno.h>

#include "master/control/notify.h"

int
notify_open(char *name, size_t size)
{
	(void)name;
	(void)size;
	errno = ENOSYS;
	return -1;
}

bool
notify_read(int fd, bool *ready, pid_t *pid)
{
	(void)fd;
	*ready = false;
	*pid = 0;
	return false;
}
