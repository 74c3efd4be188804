#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/http1.h"
#include "master/drain/connection.h"

enum { LOOKS = 8 };			/* until the figures fit together */

static unsigned
port_of(const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)ss)->sin_port);
	if (ss->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)ss)->sin6_port);
	return 0;
}

static bool
came_by(int fd, const struct listeners *ls)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	    listeners_have_port(ls, port_of(&ss));
}

int
connection_find(int fd, const struct listeners *ls, uint64_t *inode)
{
	struct diag_tcp tcp;
	struct stat st;

	if (!came_by(fd, ls))
		return 0;
	if (diag_read(fd, &tcp) == -1 || tcp.state == DIAG_CLOSE ||
	    tcp.state == DIAG_LISTEN)
		return 0;
	if (fstat(fd, &st) == -1)
		return -1;
	*inode = st.st_ino;
	return 1;
}

static int
read_figures(int fd, struct inhand_seen *seen, int *unread)
{
	return ioctl(fd, SIOCINQ, unread) == -1 ||
	    diag_read(fd, &seen->tcp) == -1 ||
	    ioctl(fd, SIOCOUTQNSD, &seen->unsent) == -1 ||
	    ioctl(fd, SIOCOUTQ, &seen->unacked) == -1 ||
	    ioctl(fd, SIOCINQ, &seen->unread) == -1 ? -1 : 0;
}

/* What lies in the queue must be what it was before the other figures. */
int
connection_look(int fd, struct inhand_seen *seen)
{
	int i, unread, quickack = 0;
	socklen_t len = sizeof(quickack);

	memset(seen, 0, sizeof(*seen));
	for (i = 0; i < LOOKS; i++) {
		if (read_figures(fd, seen, &unread) == -1)
			return -1;
		if (unread == seen->unread)
			break;
	}
	if (i == LOOKS) {
		errno = EAGAIN;
		return -1;
	}
	if (getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quickack, &len) == 0)
		seen->prompt = quickack == 0;
	return 0;
}

void
connection_convert(const struct diag_socket *socket, struct inhand_seen *seen)
{
	memset(seen, 0, sizeof(*seen));
	seen->tcp = socket->tcp;
	seen->unread = (int)socket->unread;
	seen->unsent = (int)socket->tcp.unsent;
	seen->unacked = (int)socket->unacked;
}

int
connection_mark(int fd, int *mark)
{
	socklen_t len = sizeof(*mark);

	return getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, mark, &len);
}

int
connection_best_mark(int fd)
{
	socklen_t len = sizeof(int);
	int buffer = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer, &len) == -1)
		return 1;
	return buffer / 2 < HOLD_MARK ? buffer / 2 : HOLD_MARK;
}

int
connection_set_mark(int fd, int mark)
{
	return setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark));
}

void
connection_cork(int fd, bool on)
{
	int value = on;

	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, sizeof(value));
}

bool
connection_is_awake(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags != -1 && (flags & O_NONBLOCK) != 0;
}

enum hold_verdict
connection_judge(int fd, size_t n, uint64_t *total, bool *unsafe)
{
	static char bytes[HOLD_MARK];
	struct http1_request r;
	enum http1_verdict v;

	*total = 0;
	*unsafe = true;
	if (n > sizeof(bytes) ||
	    recv(fd, bytes, n, MSG_PEEK | MSG_DONTWAIT) != (ssize_t)n)
		return HOLD_UNKNOWN;
	memset(&r, 0, sizeof(r));
	v = http1_request(bytes, n, &r);
	*total = r.total;
	*unsafe = !r.repeatable;
	switch (v) {
	case HTTP1_WHOLE:
		return HOLD_IS_WHOLE;
	case HTTP1_PART:
		return HOLD_IS_PART;
	case HTTP1_ODD:
		return HOLD_IS_ODD;
	case HTTP1_OTHER:
		break;
	}
	return HOLD_IS_OTHER;
}

void
connection_end(int fd)
{
	shutdown(fd, SHUT_RD);
}
