/*
 * deny CALL ... -- COMMAND: run a command in which each system call named is
 * answered EPERM, as a container's policy does: pidfd_getfd, pidfd_open,
 * seccomp, process_vm_readv; "listener" stands around the command with a
 * filter of crr's own kind, so that there can't be another.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned nr;
} calls[] = {
	{ "pidfd_getfd", SYS_pidfd_getfd },
	{ "pidfd_open", SYS_pidfd_open },
	{ "seccomp", SYS_seccomp },
	{ "process_vm_readv", SYS_process_vm_readv },
	{ "socket", SYS_socket },
};

static int
install(unsigned nr, unsigned action, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { 4, code };
	int fd = -1;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags,
		    &prog);
	if (fd == -1) {
		perror("deny: seccomp");
		exit(125);
	}
	return fd;
}

static void
deny(const char *name)
{
	size_t i;
	int fd;

	/* Nobody answers here, but the call is one that nobody makes. The
	 * filter lasts as long as its descriptor, so that stays open. */
	if (strcmp(name, "listener") == 0) {
		fd = install(SYS_vhangup, SECCOMP_RET_USER_NOTIF,
		    SECCOMP_FILTER_FLAG_NEW_LISTENER);
		fcntl(fd, F_SETFD, 0);
		return;
	}
	for (i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(name, calls[i].name) == 0) {
			install(calls[i].nr, SECCOMP_RET_ERRNO | 1, 0);
			return;
		}
	}
	fprintf(stderr, "deny: no call %s\n", name);
	exit(125);
}

int
main(int argc, char **argv)
{
	int i, end;

	for (end = 1; end < argc && strcmp(argv[end], "--") != 0; end++)
		continue;
	if (end >= argc - 1) {
		fprintf(stderr, "usage: deny CALL ... -- COMMAND\n");
		return 125;
	}
	/* seccomp itself last: it is what denies. */
	for (i = 1; i < end; i++) {
		if (strcmp(argv[i], "seccomp") != 0)
			deny(argv[i]);
	}
	for (i = 1; i < end; i++) {
		if (strcmp(argv[i], "seccomp") == 0)
			deny(argv[i]);
	}
	execvp(argv[end + 1], argv + end + 1);
	perror(argv[end + 1]);
	return 127;
}
