/*
 * Acting on files with a worker's rights, so that the master's are not lent
 * out. Linux: setfsuid(2).
 */
#ifndef MASTER_SOCKET_IDENTITY_H
#define MASTER_SOCKET_IDENTITY_H

#include <sys/types.h>

enum { IDENTITY_GROUPS_MAX = 64 };

struct identity {
	uid_t	 uid;			/* that files are made with */
	gid_t	 gid;
	mode_t	 mask;			/* of umask(2) */
	int	 ngroups;
	gid_t	 groups[IDENTITY_GROUPS_MAX];
};

/* Read one from the text of /proc/PID/status. */
void	 identity_read(struct identity *who, const char *status);

/* Act as who from now on, its groups too where they can be set; *was is to be
 * given to identity_back. */
void	 identity_take(const struct identity *who, struct identity *was);

/* Act as before again. */
void	 identity_back(const struct identity *was);

#endif
