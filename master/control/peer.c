#include <sys/socket.h>

#include "master/control/peer.h"

int
peer_read(int fd, uid_t *uid, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == -1)
		return -1;
	*uid = cred.uid;
	*pid = cred.pid;
	return 0;
}
