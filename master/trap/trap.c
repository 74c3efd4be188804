#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "master/socket/claim.h"
#include "master/trap/linux.h"
#include "master/trap/trap.h"

enum {
	NOTIF_MAX = 512,		/* bytes; 80 in Linux 6.18 */
	CAP_BIND_LOW = 10,		/* CAP_NET_BIND_SERVICE */
};

/* One system call of a worker's, waiting for its answer. */
struct call {
	int	 trap_fd;
	uint64_t id;
	pid_t	 tid;			/* who calls: a thread */
	pid_t	 pid;			/* its process */
	const char *name;		/* "bind" or "listen" */
	int	 fd;			/* the worker's number of the socket */
	uint64_t inode;			/* of the socket */
	int	 flags;			/* its O_NONBLOCK and O_CLOEXEC */
	uint64_t caps;			/* effective capabilities */
	int	 dup;			/* the socket, in the master; or -1 */
	bool	 own;			/* one of ours takes its place */
	struct address address;		/* asked for by bind */
	struct unixpath path;		/* where that is one */
	struct identity who;		/* the caller's rights to files */
	struct listeners *ls;
	int	 seat;
	unsigned generation;
	struct trap_event *ev;
};

/* What a server sets before bind, carried over to a kept socket. */
static const struct {
	int	 level;
	int	 name;
	int	 divisor;		/* the kernel doubles what is set */
} carried[] = {
	{ SOL_SOCKET,	SO_KEEPALIVE,		1 },
	{ SOL_SOCKET,	SO_RCVBUF,		2 },
	{ SOL_SOCKET,	SO_SNDBUF,		2 },
	{ IPPROTO_TCP,	TCP_NODELAY,		1 },
	{ IPPROTO_TCP,	TCP_DEFER_ACCEPT,	1 },
	{ IPPROTO_TCP,	TCP_FASTOPEN,		1 },
};

static int
install(unsigned long flags, bool names)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, 6),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_bind, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_listen, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    names ? SYS_unlink : SYS_bind, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
		    names ? SYS_unlinkat : SYS_bind, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog prog = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};
	long fd;

	flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
	if (fd == -1 && errno == EACCES &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags,
		    &prog);
	return (int)fd;
}

int
trap_install(bool names)
{
	int fd;

	if (ARCH == 0) {
		errno = ENOSYS;
		return -1;
	}
	fd = install(SECCOMP_FILTER_FLAG_SPEC_ALLOW |
	    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, names);
	if (fd == -1 && errno == EINVAL)	/* before Linux 5.19 */
		fd = install(SECCOMP_FILTER_FLAG_SPEC_ALLOW, names);
	return fd;
}

/* Runs in a child of its own. */
static int
probe(void)
{
	struct seccomp_notif_addfd addfd = { .id = 0 };
	int fd;

	if ((fd = trap_install(false)) == -1)
		return errno;
	/* No such call to answer: ENOENT where it is known (Linux 5.9). */
	addfd.srcfd = (uint32_t)fd;
	if (syscall(SYS_ioctl, fd, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd) == -1 &&
	    errno != ENOENT)
		return ENOSYS;
	return 0;
}

int
trap_probe(void)
{
	int wstatus;
	pid_t pid;

	if ((pid = fork()) == -1)
		return -1;
	if (pid == 0)
		_exit(probe());
	while (waitpid(pid, &wstatus, 0) == -1)
		if (errno != EINTR)
			return -1;
	errno = WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : EPERM;
	return errno == 0 ? 0 : -1;
}

static void
proc_path(const struct call *c, char *buf, size_t size, const char *name)
{
	snprintf(buf, size, "/proc/%d/%s", (int)c->tid, name);
}

static void
fd_path(const struct call *c, char *buf, size_t size, const char *dir)
{
	snprintf(buf, size, "/proc/%d/%s/%d", (int)c->tid, dir, c->fd);
}

static void
news(struct call *c, enum trap_news what, struct listener *l)
{
	c->ev->news = what;
	c->ev->listener = l;
}

static void __attribute__((format(printf, 2, 3)))
say(struct call *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->ev->text, sizeof(c->ev->text), fmt, ap);
	va_end(ap);
}

/* Not by ioctl(3): musl's takes the request as an int. */
static int
control(const struct call *c, unsigned long request, void *arg)
{
	return (int)syscall(SYS_ioctl, c->trap_fd, request, arg);
}

/* Tell whether the caller still waits, so that what was read of it is its. */
static bool
is_valid(const struct call *c)
{
	uint64_t id = c->id;

	return control(c, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

static int
send_answer(const struct call *c, int error, uint32_t flags)
{
	union {
		struct seccomp_notif_resp resp;
		char	 bytes[NOTIF_MAX];
	} u = { .bytes = { 0 } };

	u.resp.id = c->id;
	u.resp.error = -error;
	u.resp.flags = flags;
	return control(c, SECCOMP_IOCTL_NOTIF_SEND, &u);
}

/* Let the kernel do what was asked. */
static int
pass(const struct call *c)
{
	return send_answer(c, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static int
unshared(struct call *c, const char *why)
{
	news(c, TRAP_UNSHARED, NULL);
	say(c, "%s of pid %d: %s; not shared", c->name, (int)c->pid, why);
	return pass(c);
}

static int
refuse(struct call *c, struct listener *l, int error, const char *hint)
{
	char where[ADDRESS_TEXT_MAX];

	news(c, TRAP_REFUSED, l);
	c->ev->error = error;
	address_format(&c->address, where, sizeof(where));
	say(c, "%s %s: %s%s", c->name, where, strerror(error), hint);
	return send_answer(c, error, 0);
}

/* The bind is done: for datagrams, that is all there is to wait for. */
static int
bound(struct call *c, struct listener *l)
{
	char where[ADDRESS_TEXT_MAX];

	listener_ask(l, c->seat, c->generation);
	news(c, l->address.type == SOCK_DGRAM ? TRAP_LISTENS : TRAP_BOUND, l);
	address_format(&l->address, where, sizeof(where));
	say(c, "%s %s", c->name, where);
	return send_answer(c, 0, 0);
}

static int
inspect_caller(struct call *c)
{
	char text[PROC_MAX];

	if (proc_read_of(c->tid, "status", text, sizeof(text)) == -1)
		return -1;
	c->pid = (pid_t)proc_number(text, "\nTgid:", 10);
	c->caps = proc_number(text, "\nCapEff:", 16);
	identity_read(&c->who, text);
	c->ev->pid = c->pid;
	return 0;
}

/* Look at the descriptor that the call names. */
static int
inspect_fd(struct call *c)
{
	char path[64], text[PROC_MAX];
	struct stat st;

	fd_path(c, path, sizeof(path), "fd");
	if (stat(path, &st) == -1)
		return -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = ENOTSOCK;
		return -1;
	}
	c->inode = st.st_ino;
	fd_path(c, path, sizeof(path), "fdinfo");
	if (proc_read(path, text, sizeof(text)) == -1)
		return -1;
	c->flags = (int)proc_number(text, "flags:", 8) & (O_NONBLOCK | O_CLOEXEC);
	return 0;
}

/*
 * Read the caller's memory: how much of it is there, perhaps none; -1 and
 * errno if we may not look.
 */
static ssize_t
read_memory(const struct call *c, uint64_t where, void *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	proc_path(c, path, sizeof(path), "mem");
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1)
		return -1;
	n = pread(fd, buf, size, (off_t)where);
	close(fd);
	return n == -1 ? 0 : n;
}

/*
 * Read the address that bind was given. What can't be read because it isn't
 * there has length 0: the kernel will say so.
 */
static int
read_address(struct call *c, uint64_t where, uint64_t len)
{
	struct address *a = &c->address;
	ssize_t n;

	if (len < sizeof(sa_family_t) || len > sizeof(a->u))
		return 0;
	n = read_memory(c, where, &a->u, len);
	if (n == (ssize_t)len)
		a->len = (socklen_t)len;
	return n == -1 ? -1 : 0;
}

/* Tell whether the caller lives in our namespace of the kind; yes if that
 * can't be told. */
static bool
same_namespace(const struct call *c, const char *name)
{
	char path[64], ours[64];
	struct stat theirs_st, ours_st;

	proc_path(c, path, sizeof(path), name);
	snprintf(ours, sizeof(ours), "/proc/self/%s", name);
	if (stat(path, &theirs_st) == -1 || stat(ours, &ours_st) == -1)
		return true;
	return theirs_st.st_ino == ours_st.st_ino;
}

/* Tell whether the caller could bind the port without the master's rights. */
static bool
may_bind(const struct call *c)
{
	char text[32];
	unsigned long first = IPPORT_RESERVED;

	if (c->address.u.sa.sa_family == AF_UNIX)
		return true;
	if (proc_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", text,
	    sizeof(text)) == 0)
		first = strtoul(text, NULL, 10);
	if (address_port(&c->address) >= first)
		return true;
	return (c->caps >> CAP_BIND_LOW & 1) && same_namespace(c, "ns/user");
}

/* Duplicate the caller's socket; not to be had in every container. */
static int
duplicate(const struct call *c)
{
	int pidfd, fd;

	pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (pidfd == -1)
		return -1;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, c->fd, 0);
	close(pidfd);
	return fd;
}

static int
get(int fd, int level, int name)
{
	int value;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len) == -1)
		return -1;
	return value;
}

/*
 * Note the type of the caller's socket from its duplicate. Returns whether it
 * is one that can be shared.
 */
static bool
kind_by_dup(struct call *c)
{
	struct address *a = &c->address;
	int protocol = get(c->dup, SOL_SOCKET, SO_PROTOCOL);

	a->type = get(c->dup, SOL_SOCKET, SO_TYPE);
	if (get(c->dup, SOL_SOCKET, SO_DOMAIN) != a->u.sa.sa_family)
		return false;
	if (a->u.sa.sa_family == AF_INET6)
		a->v6only = get(c->dup, IPPROTO_IPV6, IPV6_V6ONLY) == 1;
	if (a->type != SOCK_DGRAM && a->type != SOCK_STREAM)
		return false;
	if (a->u.sa.sa_family == AF_UNIX)
		return true;
	if (a->type == SOCK_DGRAM)
		return protocol == IPPROTO_UDP;
	/* A group of MPTCP's can't be steered: give it TCP, which is what all
	 * but MPTCP's own clients get from it. Go asks for MPTCP always. */
	c->own = protocol == IPPROTO_MPTCP;
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* The same from the name that the kernel has for the socket's protocol. */
static bool
kind_by_name(struct call *c)
{
	static const struct {
		const char *name;
		int	 family;
		int	 type;
	} kinds[] = {
		{ "TCP",	AF_INET,	SOCK_STREAM },
		{ "TCPv6",	AF_INET6,	SOCK_STREAM },
		{ "MPTCP",	AF_INET,	SOCK_STREAM },
		{ "MPTCPv6",	AF_INET6,	SOCK_STREAM },
		{ "UDP",	AF_INET,	SOCK_DGRAM },
		{ "UDPv6",	AF_INET6,	SOCK_DGRAM },
		{ "UNIX-STREAM", AF_UNIX,	SOCK_STREAM },
		{ "UNIX",	AF_UNIX,	SOCK_DGRAM },
	};
	char path[64], name[32];
	ssize_t n;

	c->own = true;
	fd_path(c, path, sizeof(path), "fd");
	n = getxattr(path, "system.sockprotoname", name, sizeof(name) - 1);
	if (n == -1)
		return false;
	name[n] = '\0';
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		c->address.type = kinds[i].type;
		if (strcmp(name, kinds[i].name) == 0)
			return kinds[i].family == c->address.u.sa.sa_family;
	}
	return false;
}

static void
carry_options(const struct call *c, int fd)
{
	for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		int value = get(c->dup, carried[i].level, carried[i].name);

		if (value == -1 ||
		    value == get(fd, carried[i].level, carried[i].name))
			continue;
		value /= carried[i].divisor;
		setsockopt(fd, carried[i].level, carried[i].name, &value,
		    sizeof(value));
	}
}

/*
 * Put a socket of ours in the place of the caller's. O_NONBLOCK belongs to
 * what the two then share, so it becomes what the caller's was.
 */
static int
put(struct call *c, struct listener *l, int fd)
{
	struct seccomp_notif_addfd addfd = {
		.id = c->id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)fd,
		.newfd = (uint32_t)c->fd,
		.newfd_flags = (uint32_t)c->flags & O_CLOEXEC,
	};
	int flags = fcntl(fd, F_GETFL);

	if (c->dup != -1)
		carry_options(c, fd);
	if (flags == -1 || fcntl(fd, F_SETFL,
	    (flags & ~O_NONBLOCK) | (c->flags & O_NONBLOCK)) == -1 ||
	    control(c, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd) == -1)
		return errno == ENOENT ? -1 : refuse(c, l, errno, "");
	return bound(c, l);
}

static int
refuse_bind(struct call *c, int error, bool may_bind_it)
{
	struct listener *l;
	char ours[ADDRESS_TEXT_MAX], asked[ADDRESS_TEXT_MAX];
	char hint[2 * ADDRESS_TEXT_MAX + 32] = "";

	l = claim_find_other_family(c->ls, &c->address);
	if (error == EACCES && !may_bind_it) {
		snprintf(hint, sizeof(hint),
		    ": a privileged port; give it to crr with -l");
	} else if (error == EADDRINUSE && l != NULL && l->handed) {
		address_format(&l->address, ours, sizeof(ours));
		address_format(&c->address, asked, sizeof(asked));
		snprintf(hint, sizeof(hint), " by -l %s: say -l %s", ours,
		    asked);
	}
	return refuse(c, NULL, error, hint);
}

/* Say so where the next one to remove the name will not find it back. */
static int
warn_alone(struct call *c, int result)
{
	const struct listener *l = c->ev->listener;

	if (result == 0 && l != NULL && l->path != NULL && !l->path->lent &&
	    l->path->spare[0] == '\0' && c->ev->news == TRAP_BOUND) {
		news(c, TRAP_UNSHARED, NULL);
		say(c, "%s %s: no second link can be made beside it; not "
		    "shared if workers remove it before they bind", c->name,
		    address_path(&c->address));
	}
	return result;
}

static int
share(struct call *c, bool known)
{
	struct claim claim = {
		.address = &c->address,
		.path = &c->path,
		.who = &c->who,
		.seat = c->seat,
		.fd = c->own ? -1 : c->dup,
		.may_bind = may_bind(c),
		.is_guess = !known,
	};
	struct listener *l = claim_socket(c->ls, &claim);
	int fd, result;

	if (l == NULL)
		return refuse_bind(c, errno, claim.may_bind);
	fd = listener_queue(l, c->seat)->fd;
	if (fd == c->dup) {
		c->dup = -1;
		result = bound(c, l);
	} else
		result = put(c, l, fd);
	return claim.made ? warn_alone(c, result) : result;
}

/* A call restarted after a signal, or after we have put a socket there. */
static int
bind_again(struct call *c, struct listener *l)
{
	c->address.type = l->address.type;
	c->address.v6only = l->address.v6only;
	if (!address_equal(&c->address, &l->address))
		return pass(c);
	return bound(c, l);
}

/* Not one that the kernel is to choose. */
static bool
is_unix_candidate(struct address *a)
{
	const size_t begin = offsetof(struct sockaddr_un, sun_path);

	if (a->len <= begin || a->len > sizeof(a->u.un))
		return false;
	if (a->u.un.sun_path[0] == '\0')
		return a->len > begin + 1;
	a->len = (socklen_t)(begin + strnlen(a->u.un.sun_path,
	    a->len - begin) + 1);
	return a->len <= sizeof(a->u.un);
}

/*
 * Tell whether the address is of a kind that can be shared, and leave in it
 * only what tells it from others.
 */
static bool
is_candidate(struct address *a)
{
	socklen_t len = a->len;

	if (len >= sizeof(sa_family_t) && a->u.sa.sa_family == AF_UNIX)
		return is_unix_candidate(a);
	if (len < sizeof(sa_family_t) || address_port(a) == 0)
		return false;
	if (a->u.sa.sa_family == AF_INET) {
		a->len = sizeof(a->u.in);
	} else {
		a->len = sizeof(a->u.in6);
		a->u.in6.sin6_flowinfo = 0;
		if (!IN6_IS_ADDR_LINKLOCAL(&a->u.in6.sin6_addr))
			a->u.in6.sin6_scope_id = 0;
	}
	return len >= a->len;
}

static int
bind_socket(struct call *c)
{
	struct listener *l;
	bool known = c->dup != -1;

	if (!is_valid(c))
		return -1;
	if (listeners_by_inode(c->ls, c->inode, &l) != NULL)
		return bind_again(c, l);
	if (!(known ? kind_by_dup(c) : kind_by_name(c)))
		return pass(c);
	return share(c, known);
}

/* Open a directory of the caller's; name is that of a link in /proc. */
static int
open_of_caller(const struct call *c, const char *name)
{
	char path[64];

	proc_path(c, path, sizeof(path), name);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static bool
is_our_root(int root_fd)
{
	struct stat theirs, ours;

	return fstat(root_fd, &theirs) == 0 && stat("/", &ours) == 0 &&
	    theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino &&
	    theirs.st_rdev == ours.st_rdev;
}

/* In a root of the caller's own, links can't lead out of it. */
static int
open_from(const struct call *c, const char *path, int root_fd, int cwd_fd)
{
	struct { uint64_t flags, mode, resolve; } how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	};
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct identity was;
	int fd, error, from = path[0] == '/' ? root_fd : cwd_fd;

	snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 :
	    (int)(slash - path + 1), slash == NULL ? "." : path);
	identity_take(&c->who, &was);
	if (is_our_root(root_fd) && same_namespace(c, "ns/mnt")) {
		fd = openat(from, dir, (int)how.flags);
	} else {
		how.resolve = from == root_fd ? RESOLVE_IN_ROOT :
		    RESOLVE_BENEATH;
		fd = (int)syscall(SYS_openat2, from, dir, &how, sizeof(how));
	}
	error = errno;
	identity_back(&was);
	errno = error;
	return fd;
}

/* Open the directory of a path as the caller would, with its rights; here is
 * where relative ones begin. */
static int
open_directory(const struct call *c, const char *path, const char *here)
{
	int root_fd, here_fd, fd = -1, error;

	root_fd = open_of_caller(c, "root");
	here_fd = open_of_caller(c, here);
	if (root_fd != -1 && here_fd != -1)
		fd = open_from(c, path, root_fd, here_fd);
	error = errno;
	if (root_fd != -1)
		close(root_fd);
	if (here_fd != -1)
		close(here_fd);
	errno = error;
	return fd;
}

/* The path, made absolute where it has room. */
static void
make_absolute(struct call *c)
{
	struct sockaddr_un *un = &c->address.u.un;
	char link[64], path[sizeof(un->sun_path)];
	ssize_t n;
	size_t len;

	if (un->sun_path[0] == '/')
		return;
	proc_path(c, link, sizeof(link), "cwd");
	n = readlink(link, path, sizeof(path));
	len = strlen(un->sun_path);
	if (n < 1 || (size_t)n + 1 + len >= sizeof(path))
		return;
	if (path[n - 1] != '/')
		path[n++] = '/';
	memcpy(path + n, un->sun_path, len + 1);
	len += (size_t)n;
	memcpy(un->sun_path, path, len + 1);
	c->address.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) +
	    len + 1);
}

/* Look the directory of a Unix path up, as the caller sees it. */
static int
find_path(struct call *c)
{
	struct address *a = &c->address;
	int dir_fd = open_directory(c, address_path(a), "cwd");

	if (dir_fd == -1)
		return -1;
	if (unixpath_at(&c->path, dir_fd, address_path(a)) == -1) {
		close(dir_fd);
		errno = EINVAL;
		return -1;
	}
	a->dir_dev = c->path.dir_dev;
	a->dir_ino = c->path.dir_ino;
	make_absolute(c);
	return 0;
}

static int
answer_bind(struct call *c, const struct seccomp_data *data)
{
	int result;

	if (read_address(c, data->args[1], (uint32_t)data->args[2]) == -1)
		return unshared(c, "its memory can't be read");
	if (!is_candidate(&c->address) || !same_namespace(c, "ns/net") ||
	    inspect_fd(c) == -1)
		return pass(c);
	if (address_path(&c->address) != NULL && find_path(c) == -1)
		return errno == EACCES || errno == EPERM ?
		    unshared(c, "its directory can't be seen") : pass(c);
	c->dup = duplicate(c);
	result = bind_socket(c);
	unixpath_close(&c->path);
	/* Its owner's close would not close it while we have it. */
	if (c->dup != -1)
		close(c->dup);
	return result;
}

static int
answer_listen(struct call *c, const struct seccomp_data *data)
{
	struct listener *l;
	struct queue *q;
	int seat;

	if (inspect_fd(c) == -1)
		return errno == EACCES || errno == EPERM ?
		    unshared(c, "its descriptors can't be seen") : pass(c);
	if (!is_valid(c))
		return -1;
	if ((q = listeners_by_inode(c->ls, c->inode, &l)) == NULL)
		return pass(c);
	c->address = l->address;
	seat = (int)(q - l->group.queue);
	if (listener_listen(c->ls, l, seat, (int)data->args[1]) == -1)
		return refuse(c, l, errno, "");
	if (bound(c, l) == -1)
		return -1;
	c->ev->news = TRAP_LISTENS;
	return 0;
}

static int
read_path(const struct call *c, uint64_t where, char *buf, size_t size)
{
	ssize_t n = read_memory(c, where, buf, size);

	return n > 0 && memchr(buf, '\0', (size_t)n) != NULL ? 0 : -1;
}

/* The listener that a path of the caller's names. */
static struct listener *
find_named(struct call *c, const char *path, const char *here)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	struct stat st;
	int fd, result;

	/* Most of what is unlinked is no socket: look no further. */
	if (listeners_by_name(c->ls, 0, 0, name) == NULL ||
	    inspect_caller(c) == -1 ||
	    (fd = open_directory(c, path, here)) == -1)
		return NULL;
	result = fstat(fd, &st);
	close(fd);
	return result == -1 ? NULL :
	    listeners_by_name(c->ls, st.st_dev, st.st_ino, name);
}

/*
 * A worker that would remove the name of a shared socket, before it binds it
 * or at its end, is told that it has: others are still found by it.
 */
static int
answer_unlink(struct call *c, const struct seccomp_data *data)
{
	bool at = data->nr == SYS_unlinkat;
	char path[PATH_MAX], here[32] = "cwd";
	const struct listener *l;

	if (at && c->fd != AT_FDCWD)
		snprintf(here, sizeof(here), "fd/%d", c->fd);
	if ((at && (data->args[2] & AT_REMOVEDIR) != 0) ||
	    read_path(c, data->args[at], path, sizeof(path)) == -1)
		return pass(c);
	l = find_named(c, path, here);
	if (!is_valid(c))
		return -1;
	if (l == NULL || !unixpath_is_there(l->path) ||
	    !listener_is_common(l))
		return pass(c);
	return send_answer(c, 0, 0);
}

static int
answer(struct call *c, const struct seccomp_data *data)
{
	if (data->nr == SYS_unlink || data->nr == SYS_unlinkat)
		return c->tid == 0 ? pass(c) : answer_unlink(c, data);
	/* The caller is in a pid namespace that has no number for it here. */
	if (c->tid == 0)
		return unshared(c, "it is out of sight (pid namespace)");
	if (inspect_caller(c) == -1)
		return unshared(c, "it can't be looked at in /proc");
	if (data->nr == SYS_bind)
		return answer_bind(c, data);
	return answer_listen(c, data);
}

int
trap_answer(int trap_fd, struct listeners *ls, int seat, unsigned generation,
    struct trap_event *ev)
{
	union {
		struct seccomp_notif notif;
		char	 bytes[NOTIF_MAX];
	} u = { .bytes = { 0 } };
	struct call c = {
		.trap_fd = trap_fd,
		.dup = -1,
		.ls = ls,
		.seat = seat,
		.generation = generation,
		.ev = ev,
	};

	memset(ev, 0, sizeof(*ev));
	unixpath_init(&c.path);
	if (control(&c, SECCOMP_IOCTL_NOTIF_RECV, &u) == -1)
		return -1;
	c.id = u.notif.id;
	c.tid = c.pid = (pid_t)u.notif.pid;
	c.name = u.notif.data.nr == SYS_bind ? "bind" : "listen";
	c.fd = (int)u.notif.data.args[0];
	return answer(&c, &u.notif.data);
}
