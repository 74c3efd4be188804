#include <sys/socket.h>

#include "base/reset.h"

/* Connecting it to no address disconnects it: tcp(7). */
void
reset_connection(int fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	const struct sockaddr none = { .sa_family = AF_UNSPEC };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	(void)!connect(fd, &none, sizeof(none));
}
