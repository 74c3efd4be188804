#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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

#include "master/socket/claim.h"
#include "master/trap/caller.h"
#include "master/trap/linux.h"
#include "master/trap/trap.h"

enum {
	NOTIF_MAX = 512,		/* bytes; 80 in Linux 6.18 */
};

/* One system call of a worker's, waiting for its answer. */
struct call {
	int	 trap_fd;
	uint64_t id;
	const char *name;		/* "bind" or "listen" */
	struct caller caller;
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
	say(c, "%s of pid %d: %s; not shared", c->name, (int)c->caller.pid, why);
	return pass(c);
}

static int
refuse(struct call *c, struct listener *l, int error, const char *hint)
{
	char where[ADDRESS_TEXT_MAX];

	news(c, TRAP_REFUSED, l);
	c->ev->error = error;
	address_format(&c->caller.address, where, sizeof(where));
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
get(int fd, int level, int name)
{
	int value;
	socklen_t len = sizeof(value);

	if (getsockopt(fd, level, name, &value, &len) == -1)
		return -1;
	return value;
}

static void
carry_options(const struct call *c, int fd)
{
	for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		int value = get(c->caller.dup, carried[i].level, carried[i].name);

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
		.newfd = (uint32_t)c->caller.fd,
		.newfd_flags = (uint32_t)c->caller.flags & O_CLOEXEC,
	};
	int flags = fcntl(fd, F_GETFL);

	if (c->caller.dup != -1)
		carry_options(c, fd);
	if (flags == -1 || fcntl(fd, F_SETFL,
	    (flags & ~O_NONBLOCK) | (c->caller.flags & O_NONBLOCK)) == -1 ||
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

	l = claim_find_other_family(c->ls, &c->caller.address);
	if (error == EACCES && !may_bind_it) {
		snprintf(hint, sizeof(hint),
		    ": a privileged port; give it to crr with -l");
	} else if (error == EADDRINUSE && l != NULL && l->handed) {
		address_format(&l->address, ours, sizeof(ours));
		address_format(&c->caller.address, asked, sizeof(asked));
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
		    address_path(&c->caller.address));
	}
	return result;
}

static int
share(struct call *c)
{
	struct claim claim = {
		.address = &c->caller.address,
		.path = &c->caller.path,
		.who = &c->caller.who,
		.seat = c->seat,
		.fd = c->caller.needs_ours ? -1 : c->caller.dup,
		.may_bind = c->caller.may_bind,
		.is_guess = c->caller.dup == -1,
	};
	struct listener *l = claim_socket(c->ls, &claim);
	int fd, result;

	if (l == NULL)
		return refuse_bind(c, errno, claim.may_bind);
	fd = listener_queue(l, c->seat)->fd;
	if (fd == c->caller.dup) {
		c->caller.dup = -1;
		result = bound(c, l);
	} else
		result = put(c, l, fd);
	return claim.made ? warn_alone(c, result) : result;
}

/* A call restarted after a signal, or after we have put a socket there. */
static int
bind_again(struct call *c, struct listener *l)
{
	c->caller.address.type = l->address.type;
	c->caller.address.v6only = l->address.v6only;
	if (!address_equal(&c->caller.address, &l->address))
		return pass(c);
	return bound(c, l);
}

static int
answer_bind(struct call *c)
{
	struct listener *l;

	if (listeners_by_inode(c->ls, c->caller.inode, &l) != NULL)
		return bind_again(c, l);
	return c->caller.is_shareable ? share(c) : pass(c);
}

static int
answer_listen(struct call *c, int backlog)
{
	struct listener *l;
	struct queue *q;
	int seat;

	if ((q = listeners_by_inode(c->ls, c->caller.inode, &l)) == NULL)
		return pass(c);
	c->caller.address = l->address;
	seat = (int)(q - l->group.queue);
	if (listener_listen(c->ls, l, seat, backlog) == -1)
		return refuse(c, l, errno, "");
	if (bound(c, l) == -1)
		return -1;
	c->ev->news = TRAP_LISTENS;
	return 0;
}

/* What is read of the caller is its own only if it waits afterwards. */
static int
answer_socket(struct call *c, const struct seccomp_data *data)
{
	bool is_bind = data->nr == SYS_bind;
	enum caller_sight sight = is_bind ?
	    caller_look_bind(&c->caller, (int)data->args[0], data->args[1],
	    (uint32_t)data->args[2]) :
	    caller_look_listen(&c->caller, (int)data->args[0]);

	if (!is_valid(c))
		return -1;
	c->ev->pid = c->caller.pid;
	switch (sight) {
	case CALLER_SEEN:
		break;
	case CALLER_OTHER:
		return pass(c);
	case CALLER_HIDDEN:
		return unshared(c, c->caller.hidden);
	}
	return is_bind ? answer_bind(c) :
	    answer_listen(c, (int)data->args[1]);
}

/* The listener that a path of the caller's names. */
static struct listener *
find_named(struct call *c, int dir_fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash == NULL ? path : slash + 1;
	struct stat st;
	int fd, result;

	/* Most of what is unlinked is no socket: look no further. */
	if (listeners_by_name(c->ls, 0, 0, name) == NULL ||
	    (fd = caller_open_directory(&c->caller, dir_fd, path)) == -1)
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
	char path[PATH_MAX];
	const struct listener *l;

	if (c->caller.tid == 0 || (at && (data->args[2] & AT_REMOVEDIR) != 0) ||
	    caller_read_path(&c->caller, data->args[at], path,
	    sizeof(path)) == -1)
		return pass(c);
	l = find_named(c, at ? (int)data->args[0] : AT_FDCWD, path);
	if (!is_valid(c))
		return -1;
	if (l == NULL || !unixpath_is_there(l->path) ||
	    !listener_is_common(l))
		return pass(c);
	return send_answer(c, 0, 0);
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
		.ls = ls,
		.seat = seat,
		.generation = generation,
		.ev = ev,
	};

	int result;

	memset(ev, 0, sizeof(*ev));
	if (control(&c, SECCOMP_IOCTL_NOTIF_RECV, &u) == -1)
		return -1;
	c.id = u.notif.id;
	c.name = u.notif.data.nr == SYS_bind ? "bind" : "listen";
	caller_init(&c.caller, (pid_t)u.notif.pid);
	if (u.notif.data.nr == SYS_unlink || u.notif.data.nr == SYS_unlinkat)
		result = answer_unlink(&c, &u.notif.data);
	else
		result = answer_socket(&c, &u.notif.data);
	caller_close(&c.caller);
	return result;
}
