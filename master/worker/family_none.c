#include <unistd.h>

#include "master/worker/family.h"

void
system_adopt_orphans(void)
{
}

int
system_die_with_parent(int sig, pid_t parent)
{
	(void)sig;
	return getppid() == parent ? 0 : -1;
}

pid_t
system_parent(pid_t pid)
{
	(void)pid;
	return -1;
}

bool
system_is_stray(pid_t pid, const struct system_mark *mark)
{
	(void)pid;
	(void)mark;
	return false;
}

int
system_kill_strays(const struct system_mark *mark)
{
	(void)mark;
	return 0;
}

int
system_stop_orphans(const char *socket, int sig)
{
	(void)socket;
	(void)sig;
	return 0;
}
