/*
 * Numbers of Linux that older headers lack. The kernel that runs may lack what
 * they name as well: whoever uses one looks at errno.
 */
#ifndef MASTER_TRAP_LINUX_H
#define MASTER_TRAP_LINUX_H

#include <sys/syscall.h>

#include <linux/audit.h>
#include <linux/seccomp.h>

#include <netinet/in.h>
#include <stdint.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV	(1UL << 5)
#endif
#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE	(1UL << 0)
#endif
#ifndef SECCOMP_IOCTL_NOTIF_ADDFD
#define SECCOMP_ADDFD_FLAG_SETFD		(1UL << 0)
#define SECCOMP_IOCTL_NOTIF_ADDFD \
	SECCOMP_IOW(3, struct seccomp_notif_addfd)
struct seccomp_notif_addfd {
	uint64_t id;
	uint32_t flags;
	uint32_t srcfd;
	uint32_t newfd;
	uint32_t newfd_flags;
};
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open	434
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd	438
#endif
#ifndef SYS_unlink
#define SYS_unlink	SYS_unlinkat
#endif
#ifndef SYS_openat2
#define SYS_openat2	437
#endif
#ifndef RESOLVE_IN_ROOT
#define RESOLVE_BENEATH	0x08
#define RESOLVE_IN_ROOT	0x10
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP	262
#endif

/* The architecture whose calls a filter knows; 0: none that is supported. */
#if defined(__x86_64__)
#define ARCH	AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH	AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH	AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define ARCH	AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define ARCH	AUDIT_ARCH_S390X
#elif defined(__loongarch64) && defined(AUDIT_ARCH_LOONGARCH64)
#define ARCH	AUDIT_ARCH_LOONGARCH64
#else
#define ARCH	0
#endif

#endif
