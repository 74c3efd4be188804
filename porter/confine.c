#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <errno.h>
#include <stddef.h>

#include "porter/confine.h"

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH 0				/* not known: no filter */
#endif

/* What a sanitizer does at the end is nobody's business here. */
#if defined(__SANITIZE_ADDRESS__)
#undef ARCH
#define ARCH 0
#endif

static const unsigned allowed[] = {
	SYS_recvfrom, SYS_sendto, SYS_recvmsg, SYS_sendmsg, SYS_socket,
	SYS_bind, SYS_connect, SYS_shutdown, SYS_getsockopt, SYS_setsockopt,
	SYS_getsockname, SYS_getpeername, SYS_ioctl, SYS_fcntl, SYS_close,
	SYS_ppoll, SYS_epoll_ctl, SYS_epoll_pwait, SYS_clock_gettime,
	SYS_read, SYS_write, SYS_writev, SYS_mmap, SYS_munmap, SYS_mremap,
	SYS_madvise, SYS_brk, SYS_futex, SYS_rt_sigreturn, SYS_rt_sigprocmask,
	SYS_rt_sigaction, SYS_restart_syscall, SYS_exit, SYS_exit_group,
#ifdef SYS_poll
	SYS_poll,
#endif
#ifdef SYS_epoll_wait
	SYS_epoll_wait,
#endif
};

enum { NALLOWED = sizeof(allowed) / sizeof(allowed[0]), AROUND = 6 };

static struct sock_filter
statement(unsigned code, unsigned k)
{
	return (struct sock_filter)BPF_STMT((unsigned short)code, k);
}

static struct sock_filter
jump_if(unsigned k, unsigned yes, unsigned no)
{
	return (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, k,
	    (unsigned char)yes, (unsigned char)no);
}

void
confine(void)
{
	struct sock_filter code[NALLOWED + AROUND];
	struct sock_fprog program = { .filter = code };
	unsigned n = 0, i;

	if (ARCH == 0)
		return;
	code[n++] = statement(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, arch));
	code[n++] = jump_if(ARCH, 0, NALLOWED + 1);
	code[n++] = statement(BPF_LD | BPF_W | BPF_ABS,
	    offsetof(struct seccomp_data, nr));
	for (i = 0; i < NALLOWED; i++)
		code[n++] = jump_if(allowed[i], NALLOWED - i, 0);
	code[n++] = statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
	code[n++] = statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)n;
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
