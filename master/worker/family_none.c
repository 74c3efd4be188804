#include <unistd.h>

#include "master/worker/family.h"

void
family_adopt_orphans(void)
{
}

int
family_die_with_parent(int sig, pid_t parent)
{
	(void)sig;
	return getppid() == parent ? 0 : -1;
}

pid_t
family_parent(pid_t pid)
{
	(void)pid;
	return -1;
}

bool
family_is_stray(pid_t pid, const struct family_mark *mark)
{
	(void)pid;
	(void)mark;
	return false;
}

int
family_kill_strays(const struct family_mark *mark)
{
	(void)mark;
	return 0;
}

int
family_stop_orphans(const char *socket, int sig)
{
	(void)socket;
	(void)sig;
	return 0;
}
