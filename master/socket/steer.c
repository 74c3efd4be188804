#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/filter.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "master/socket/steer.h"

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF	51
#endif

static int
attach_program(int fd, struct sock_filter *code, int len)
{
	struct sock_fprog prog;

	/* The kernel is given its padding, too. */
	memset(&prog, 0, sizeof(prog));
	prog.len = (unsigned short)len;
	prog.filter = code;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &prog,
	    sizeof(prog));
}

bool
steer_available(void)
{
	struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, 0);
	int fd, error, one = 1;

	if ((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1 &&
	    (fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return false;
	error = setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (error == 0)
		error = attach_program(fd, &code, 1);
	close(fd);
	return error == 0;
}

int
steer_attach(int fd, const int *place, int n)
{
	struct sock_filter code[BPF_MAXINSNS] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    (uint32_t)(SKF_AD_OFF + SKF_AD_RANDOM)),
		BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, (uint32_t)n),
	};
	int i, first, len = 2;

	/* Neighbouring places are one run, of at most three instructions. */
	for (first = 0; first < n; first = i) {
		for (i = first + 1; i < n; i++)
			if (place[i] != place[i - 1] + 1)
				break;
		if (len + 3 > BPF_MAXINSNS) {
			errno = E2BIG;
			return -1;
		}
		if (i < n)
			code[len++] = (struct sock_filter)BPF_JUMP(
			    BPF_JMP | BPF_JGE | BPF_K, (uint32_t)i, 2, 0);
		code[len++] = (struct sock_filter)BPF_STMT(
		    BPF_ALU | BPF_ADD | BPF_K,
		    (uint32_t)(place[first] - first));
		code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_A, 0);
	}
	return attach_program(fd, code, len);
}

unsigned
steer_depth(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info), type_len = sizeof(int);
	int type = 0, unread = 0;

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0)
		return info.tcpi_state == TCP_LISTEN ? info.tcpi_unacked : 0;
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_len) == 0 &&
	    type == SOCK_DGRAM && ioctl(fd, FIONREAD, &unread) == 0 &&
	    unread > 0;
}
