#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "master/drain/connection.h"

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

static int
read_figures(int fd, struct inhand_seen *seen)
{
	int quickack = 0;
	socklen_t len = sizeof(quickack);

	memset(seen, 0, sizeof(*seen));
	if (diag_read(fd, &seen->tcp) == -1 ||
	    ioctl(fd, SIOCINQ, &seen->unread) == -1 ||
	    ioctl(fd, SIOCOUTQNSD, &seen->unsent) == -1 ||
	    ioctl(fd, SIOCOUTQ, &seen->unacked) == -1)
		return -1;
	if (getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quickack, &len) == 0)
		seen->prompt = quickack == 0;
	return 0;
}

int
connection_look(int fd, const struct listeners *ls, uint64_t *inode,
    struct inhand_seen *seen)
{
	struct stat st;

	if (!came_by(fd, ls) || fstat(fd, &st) == -1 ||
	    read_figures(fd, seen) == -1 || seen->tcp.state == DIAG_CLOSE ||
	    seen->tcp.state == DIAG_LISTEN)
		return -1;
	*inode = st.st_ino;
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

/* Only bare acknowledgements and FINs pass. The client sends again what a
 * filter drops, as if it had been lost on its way. */
static int
close_gate(int fd)
{
	enum { HEADER_LENGTH = 12 };	/* TCP's, in words, upper 4 bits */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, HEADER_LENGTH),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog prog = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};
	socklen_t len = 0;

	/* The server's own, if it has one, stays. */
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) == -1 ||
	    len != 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
	    sizeof(prog));
}

static int
open_gate(int fd)
{
	int unused = 0;

	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused,
	    sizeof(unused));
}

int
connection_do(int fd, enum inhand_deed deed)
{
	switch (deed) {
	case INHAND_WAIT:
		break;
	case INHAND_GATE:
		return close_gate(fd);
	case INHAND_OPEN:
		return open_gate(fd);
	case INHAND_END:
		return shutdown(fd, SHUT_RD);
	}
	return 0;
}
