#include <fcntl.h>
#include <unistd.h>

#include "base/self.h"

int
self_open(void)
{
	return open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
}

int
self_run(int fd, char *const argv[])
{
	char *const none[] = { NULL };

	return fexecve(fd, argv, none);
}
