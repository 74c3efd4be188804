#include <string.h>
#include <unistd.h>

#include "master/worker/family.h"

void
family_begin(struct family *f)
{
	memset(f, 0, sizeof(*f));
	f->children_fd = -1;
}

void
family_end(struct family *f)
{
	(void)f;
}

void
family_started(struct family *f, pid_t leader)
{
	(void)f;
	(void)leader;
}

void
family_reaped(struct family *f, pid_t pid)
{
	(void)f;
	(void)pid;
}

int
family_list(struct family *f, pid_t leader, struct family_pids *pids)
{
	(void)f;
	(void)leader;
	pids->n = 0;
	return 0;
}

int
family_list_strays(struct family *f, pid_t leader,
    const struct family_mark *mark, struct family_pids *pids)
{
	(void)mark;
	return family_list(f, leader, pids);
}

void
family_free_pids(struct family_pids *pids)
{
	(void)pids;
}

int
family_kill_strays(struct family *f, const struct family_mark *mark)
{
	(void)f;
	(void)mark;
	return 0;
}

bool
family_is_stray(pid_t pid, const struct family_mark *mark)
{
	(void)pid;
	(void)mark;
	return false;
}

pid_t
family_parent(pid_t pid)
{
	(void)pid;
	return -1;
}

int
family_die_with_parent(int sig, pid_t parent)
{
	(void)sig;
	return getppid() == parent ? 0 : -1;
}

int
family_stop_orphans(const char *socket, int sig)
{
	(void)socket;
	(void)sig;
	return 0;
}
