#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#include <netinet/in.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "master/trap/caller.h"
#include "master/trap/linux.h"

enum {
	CAP_BIND_LOW = 10,		/* CAP_NET_BIND_SERVICE */
	NAME_SIZE = 24,			/* bytes: "fdinfo/1048576" */
};

/* The process and its descriptors. */

void
caller_init(struct caller *c, pid_t tid)
{
	memset(c, 0, sizeof(*c));
	c->tid = c->pid = tid;
	c->dup = -1;
	unixpath_init(&c->path);
}

void
caller_close(struct caller *c)
{
	unixpath_close(&c->path);
	/* The socket of a worker that closes it is open while this one is. */
	if (c->dup != -1)
		close(c->dup);
	c->dup = -1;
}

static enum caller_sight
note_hidden(struct caller *c, const char *what)
{
	c->hidden = what;
	return CALLER_HIDDEN;
}

static enum caller_sight
look_at_process(struct caller *c)
{
	char text[PROC_MAX];

	if (c->tid == 0)
		return note_hidden(c, "it is out of sight (pid namespace)");
	if (proc_read_of(c->tid, "status", text, sizeof(text)) == -1)
		return note_hidden(c, "it can't be looked at in /proc");
	c->pid = (pid_t)proc_number(text, "\nTgid:", 10);
	c->caps = proc_number(text, "\nCapEff:", 16);
	identity_read(&c->who, text);
	return CALLER_SEEN;
}

/* Not by stat(2), so that the file's name is made in one place. */
static int
stat_file(const struct caller *c, const char *name, struct stat *st)
{
	int fd = proc_open(c->tid, name, O_PATH), result;

	if (fd == -1)
		return -1;
	result = fstat(fd, st);
	close(fd);
	return result;
}

/* Look at the descriptor that the call names. */
static int
look_at_socket(struct caller *c, int fd)
{
	char name[NAME_SIZE], text[PROC_MAX];
	struct stat st;

	c->fd = fd;
	snprintf(name, sizeof(name), "fd/%d", fd);
	if (stat_file(c, name, &st) == -1)
		return -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = ENOTSOCK;
		return -1;
	}
	c->inode = st.st_ino;
	snprintf(name, sizeof(name), "fdinfo/%d", fd);
	if (proc_read_of(c->tid, name, text, sizeof(text)) == -1)
		return -1;
	c->flags = (int)proc_number(text, "flags:", 8) &
	    (O_NONBLOCK | O_CLOEXEC);
	return 0;
}

/* Tell whether the caller lives in our namespace of the kind; yes if that
 * can't be told. */
static bool
has_our_namespace(const struct caller *c, const char *name)
{
	struct stat theirs, ours;
	char path[NAME_SIZE];

	snprintf(path, sizeof(path), "/proc/self/%s", name);
	if (stat_file(c, name, &theirs) == -1 || stat(path, &ours) == -1)
		return true;
	return theirs.st_ino == ours.st_ino;
}

/* Its memory. */

/* Returns how much of it is there, perhaps none; -1 and errno if we may not
 * look. */
static ssize_t
read_memory(const struct caller *c, uint64_t where, void *buf, size_t size)
{
	int fd = proc_open(c->tid, "mem", O_RDONLY);
	ssize_t n;

	if (fd == -1)
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
read_address(struct caller *c, uint64_t where, uint32_t len)
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

int
caller_read_path(const struct caller *c, uint64_t where, char *buf, size_t size)
{
	ssize_t n = read_memory(c, where, buf, size);

	return n > 0 && memchr(buf, '\0', (size_t)n) != NULL ? 0 : -1;
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

static bool
has_right_to_port(const struct caller *c)
{
	char text[32];
	unsigned long first = IPPORT_RESERVED;

	if (c->address.u.sa.sa_family == AF_UNIX)
		return true;
	if (proc_read("/proc/sys/net/ipv4/ip_unprivileged_port_start", text,
	    sizeof(text)) > 0)
		first = strtoul(text, NULL, 10);
	if (address_port(&c->address) >= first)
		return true;
	return (c->caps >> CAP_BIND_LOW & 1) &&
	    has_our_namespace(c, "ns/user");
}

/* Its directories. */

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
open_from(const struct caller *c, const char *path, int root_fd, int here_fd)
{
	struct { uint64_t flags, mode, resolve; } how = {
		.flags = O_PATH | O_DIRECTORY | O_CLOEXEC,
	};
	char dir[PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct identity was;
	int fd, error, from = path[0] == '/' ? root_fd : here_fd;
	bool ours = is_our_root(root_fd) && has_our_namespace(c, "ns/mnt");

	snprintf(dir, sizeof(dir), "%.*s", slash == NULL ? 1 :
	    (int)(slash - path + 1), slash == NULL ? "." : path);
	identity_take(&c->who, &was);
	if (ours) {
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

/* Open the directory of a path; here is the link in /proc where relative ones
 * begin. */
static int
open_directory(const struct caller *c, const char *here, const char *path)
{
	int root_fd, here_fd, fd = -1, error;

	root_fd = proc_open(c->tid, "root", O_PATH | O_DIRECTORY);
	here_fd = proc_open(c->tid, here, O_PATH | O_DIRECTORY);
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

int
caller_open_directory(struct caller *c, int dir_fd, const char *path)
{
	char here[NAME_SIZE] = "cwd";

	if (look_at_process(c) != CALLER_SEEN) {
		errno = ESRCH;
		return -1;
	}
	if (dir_fd != AT_FDCWD)
		snprintf(here, sizeof(here), "fd/%d", dir_fd);
	return open_directory(c, here, path);
}

/* Make the path absolute if there is room for that. */
static void
make_absolute(struct caller *c)
{
	struct sockaddr_un *un = &c->address.u.un;
	char path[sizeof(un->sun_path)];
	ssize_t n = -1;
	size_t len;
	int fd;

	if (un->sun_path[0] == '/')
		return;
	if ((fd = proc_open(c->tid, "cwd", O_PATH | O_NOFOLLOW)) != -1) {
		n = readlinkat(fd, "", path, sizeof(path));
		close(fd);
	}
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

/* Open the directory of the Unix path, and note which one it is. */
static int
find_path(struct caller *c)
{
	struct address *a = &c->address;
	int dir_fd = open_directory(c, "cwd", address_path(a));

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

/* The kind of its socket. */

/* Duplicate it; that is forbidden in many containers. */
static int
duplicate_socket(const struct caller *c)
{
	int pidfd, fd;

	pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (pidfd == -1)
		return -1;
	fd = (int)syscall(SYS_pidfd_getfd, pidfd, c->fd, 0);
	close(pidfd);
	return fd;
}

int
caller_option(int fd, int level, int name)
{
	int value;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len) == -1)
		return -1;
	return value;
}

/* Note the kind from the duplicate. Returns whether it can be shared. */
static bool
note_kind_by_dup(struct caller *c)
{
	struct address *a = &c->address;
	int protocol = caller_option(c->dup, SOL_SOCKET, SO_PROTOCOL);

	a->type = caller_option(c->dup, SOL_SOCKET, SO_TYPE);
	if (caller_option(c->dup, SOL_SOCKET, SO_DOMAIN) != a->u.sa.sa_family)
		return false;
	if (a->u.sa.sa_family == AF_INET6)
		a->v6only = caller_option(c->dup, IPPROTO_IPV6,
		    IPV6_V6ONLY) == 1;
	if (a->type != SOCK_DGRAM && a->type != SOCK_STREAM)
		return false;
	if (a->u.sa.sa_family == AF_UNIX)
		return true;
	if (a->type == SOCK_DGRAM)
		return protocol == IPPROTO_UDP;
	/* A group of MPTCP's can't be steered: give it TCP, which is what all
	 * but MPTCP's own clients get from it. Go asks for MPTCP always. */
	c->needs_ours = protocol == IPPROTO_MPTCP;
	return protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP;
}

/* The same by the name that the kernel has for the socket's protocol. */
static bool
note_kind_by_name(struct caller *c)
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

	c->needs_ours = true;
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)c->tid, c->fd);
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

/* What the calls ask for. */

/* Tell by errno why a look has failed: we may not, or nothing is there. */
static enum caller_sight
judge_failure(struct caller *c, const char *what)
{
	return errno == EACCES || errno == EPERM ? note_hidden(c, what) :
	    CALLER_OTHER;
}

enum caller_sight
caller_look_bind(struct caller *c, int fd, uint64_t where, uint32_t len)
{
	enum caller_sight sight = look_at_process(c);

	if (sight != CALLER_SEEN)
		return sight;
	if (read_address(c, where, len) == -1)
		return note_hidden(c, "its memory can't be read");
	if (!is_candidate(&c->address) || !has_our_namespace(c, "ns/net") ||
	    look_at_socket(c, fd) == -1)
		return CALLER_OTHER;
	if (address_path(&c->address) != NULL && find_path(c) == -1)
		return judge_failure(c, "its directory can't be seen");
	c->dup = duplicate_socket(c);
	c->is_shareable = c->dup != -1 ? note_kind_by_dup(c) :
	    note_kind_by_name(c);
	c->may_bind = has_right_to_port(c);
	return CALLER_SEEN;
}

enum caller_sight
caller_look_listen(struct caller *c, int fd)
{
	enum caller_sight sight = look_at_process(c);

	if (sight != CALLER_SEEN)
		return sight;
	if (look_at_socket(c, fd) == -1)
		return judge_failure(c, "its descriptors can't be seen");
	return CALLER_SEEN;
}
