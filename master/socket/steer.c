#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <linux/bpf.h>
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
#ifndef SO_ATTACH_REUSEPORT_EBPF
#define SO_ATTACH_REUSEPORT_EBPF	52
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

/* A program that returns SK_DROP. */
static int
load_refusal(void)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0,
		    .imm = SK_DROP },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SK_REUSEPORT;
	attr.insn_cnt = sizeof(code) / sizeof(code[0]);
	attr.insns = (uint64_t)(uintptr_t)code;
	attr.license = (uint64_t)(uintptr_t)"MIT";
	return (int)syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

int
steer_refuse(int fd)
{
	int program = load_refusal(), result;

	if (program == -1)
		return -1;
	result = setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &program,
	    sizeof(program));
	close(program);
	return result;
}

int
steer_drop(int fd)
{
	enum { FLAGS = 13, SYN = 0x02, ACK = 0x10 };	/* in TCP's header */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, FLAGS),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, SYN | ACK),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYN, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog program = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
	    sizeof(program));
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
