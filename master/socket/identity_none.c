#include <sys/stat.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "master/socket/identity.h"

static void
fill_ours(struct identity *who)
{
	memset(who, 0, sizeof(*who));
	who->uid = geteuid();
	who->gid = getegid();
	who->ngroups = -1;
	who->mask = umask(0);
	umask(who->mask);
}

void
identity_read(struct identity *who, const char *status)
{
	(void)status;
	fill_ours(who);
}

/* A master that isn't root has workers of its own user alone. */
int
identity_of(struct identity *who, pid_t pid)
{
	(void)pid;
	if (geteuid() == 0) {
		errno = EACCES;
		return -1;
	}
	fill_ours(who);
	return 0;
}

void
identity_take(const struct identity *who, struct identity *was)
{
	fill_ours(was);
	umask(who->mask);
}

void
identity_back(const struct identity *was)
{
	umask(was->mask);
}
