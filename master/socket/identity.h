/*
 * Acting on files with the rights of somebody else, so that the master's are
 * not lent out. Linux: setfsuid(2). Elsewhere a stand-in acts as the master
 * itself: its identities are only those that have no other rights.
 */
#ifndef MASTER_SOCKET_IDENTITY_H
#define MASTER_SOCKET_IDENTITY_H

#include <sys/types.h>

enum { IDENTITY_GROUPS_MAX = 64 };	/* the groups beyond are left out */

struct identity {
	uid_t	 uid;			/* for access to files */
	gid_t	 gid;
	mode_t	 mask;			/* of umask(2) */
	int	 ngroups;		/* supplementary; -1: not known */
	gid_t	 groups[IDENTITY_GROUPS_MAX];
};

/*
 * Read the identity from the text of /proc/PID/status. What is not in it is
 * the master's uid or gid, a mask of 022, no groups.
 */
void	 identity_read(struct identity *who, const char *status);

/*
 * Look up the identity of a process. Returns 0, or -1 and errno where it can't
 * be told: the process has gone, or, in the stand-in, EACCES to root, whose
 * workers may be anybody.
 */
int	 identity_of(struct identity *who, pid_t pid);

/*
 * Act on files as who, umask included, until identity_back(was), and fill *was
 * for that. Groups and ids change only if the master is root; errors are
 * ignored, since root has the right to all of it. Not to be nested.
 */
void	 identity_take(const struct identity *who, struct identity *was);

/* Act as before identity_take. */
void	 identity_back(const struct identity *was);

#endif
