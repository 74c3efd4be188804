#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/trap/bind.h"
#include "master/trap/caller.h"
#include "master/trap/linux.h"
#include "master/trap/trap.h"

enum { NOTIF_MAX = 512 };		/* bytes; 80 in Linux 6.18 */

/* One system call of a worker's, waiting for its answer. */
struct call {
	int	 trap_fd;
	uint64_t id;
	const struct seccomp_data *data;
	struct caller caller;
	const struct listener *named;	/* of unlink: whose name it is */
	struct listeners *ls;
	int	 seat;
	unsigned generation;
	struct trap_event *ev;
};

/* The filter, in the worker. */

static int
install_filter(unsigned long flags, bool names)
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
	fd = install_filter(SECCOMP_FILTER_FLAG_SPEC_ALLOW |
	    SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, names);
	if (fd == -1 && errno == EINVAL)	/* before Linux 5.19 */
		fd = install_filter(SECCOMP_FILTER_FLAG_SPEC_ALLOW, names);
	return fd;
}

/* Runs in a child of its own. */
static int
probe_here(void)
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
		_exit(probe_here());
	while (waitpid(pid, &wstatus, 0) == -1)
		if (errno != EINTR)
			return -1;
	errno = WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : EPERM;
	return errno == 0 ? 0 : -1;
}

/* Talking to the kernel. */

/* Not by ioctl(3): musl's takes the request as an int. */
static int
control_trap(const struct call *c, unsigned long request, void *arg)
{
	return (int)syscall(SYS_ioctl, c->trap_fd, request, arg);
}

/* Tell whether the caller still waits, so that what was read of it is its. */
static bool
is_waiting(const struct call *c)
{
	uint64_t id = c->id;

	return control_trap(c, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
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
	return control_trap(c, SECCOMP_IOCTL_NOTIF_SEND, &u);
}

/* Put a socket of ours in the place of the caller's. */
static int
put_socket(const struct call *c, int fd)
{
	struct seccomp_notif_addfd addfd = {
		.id = c->id,
		.flags = SECCOMP_ADDFD_FLAG_SETFD,
		.srcfd = (uint32_t)fd,
		.newfd = (uint32_t)c->caller.fd,
		.newfd_flags = (uint32_t)c->caller.flags & O_CLOEXEC,
	};

	return control_trap(c, SECCOMP_IOCTL_NOTIF_ADDFD, &addfd);
}

/* Verdicts, told and sent. */

static void __attribute__((format(printf, 4, 5)))
tell_event(const struct call *c, enum trap_news news, struct listener *l,
    const char *fmt, ...)
{
	struct trap_event *ev = c->ev;
	va_list ap;
	int n;

	ev->news = news;
	ev->listener = l;
	n = snprintf(ev->text, sizeof(ev->text), "%s ",
	    c->data->nr == SYS_bind ? "bind" : "listen");
	va_start(ap, fmt);
	vsnprintf(ev->text + n, sizeof(ev->text) - (size_t)n, fmt, ap);
	va_end(ap);
}

/* Let the kernel do what was asked. */
static int
pass_call(const struct call *c, const struct verdict *v)
{
	if (v->hint[0] != '\0')
		tell_event(c, TRAP_UNSHARED, NULL, "of pid %d: %s; not shared",
		    (int)c->caller.pid, v->hint);
	return send_answer(c, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

static int
refuse_call(const struct call *c, struct listener *l, int error,
    const char *hint)
{
	char where[ADDRESS_TEXT_MAX];

	address_format(l == NULL ? &c->caller.address : &l->address, where,
	    sizeof(where));
	tell_event(c, TRAP_REFUSED, l, "%s: %s%s", where, strerror(error),
	    hint);
	c->ev->error = error;
	return send_answer(c, error, 0);
}

/* What was asked has been done: for datagrams, a bind is all there is. */
static int
confirm_call(const struct call *c, const struct verdict *v)
{
	struct listener *l = v->listener;
	char where[ADDRESS_TEXT_MAX];

	if (l == NULL)
		return send_answer(c, 0, 0);
	listener_ask(l, c->seat, c->generation);
	address_format(&l->address, where, sizeof(where));
	if (v->hint[0] != '\0')
		tell_event(c, TRAP_UNSHARED, NULL, "%s: %s", where, v->hint);
	else
		tell_event(c, c->data->nr == SYS_listen ||
		    l->address.type == SOCK_DGRAM ? TRAP_LISTENS : TRAP_BOUND,
		    l, "%s", where);
	return send_answer(c, 0, 0);
}

static int
send_verdict(const struct call *c, const struct verdict *v)
{
	switch (v->kind) {
	case VERDICT_PASS:
		return pass_call(c, v);
	case VERDICT_ERRNO:
		return refuse_call(c, v->listener, v->error, v->hint);
	case VERDICT_PUT:
		if (put_socket(c, v->fd) == -1)
			return errno == ENOENT ? -1 :
			    refuse_call(c, v->listener, errno, "");
		break;
	case VERDICT_DONE:
		break;
	}
	return confirm_call(c, v);
}

/* A call, looked at and decided. */

/* Find the listener whose path the caller would unlink; or NULL. */
static const struct listener *
find_named(struct call *c)
{
	const struct seccomp_data *data = c->data;
	bool at = data->nr == SYS_unlinkat;
	const char *name, *slash;
	char path[PATH_MAX];
	struct stat st;
	int fd, result;

	if (c->caller.tid == 0 || (at && (data->args[2] & AT_REMOVEDIR) != 0) ||
	    caller_read_path(&c->caller, data->args[at], path,
	    sizeof(path)) == -1)
		return NULL;
	slash = strrchr(path, '/');
	name = slash == NULL ? path : slash + 1;
	/* Most of what is unlinked is no socket: look no further. */
	if (listeners_by_name(c->ls, 0, 0, name) == NULL)
		return NULL;
	fd = caller_open_directory(&c->caller,
	    at ? (int)data->args[0] : AT_FDCWD, path);
	if (fd == -1)
		return NULL;
	result = fstat(fd, &st);
	close(fd);
	return result == -1 ? NULL :
	    listeners_by_name(c->ls, st.st_dev, st.st_ino, name);
}

static enum caller_sight
look_at_call(struct call *c)
{
	const __u64 *args = c->data->args;

	if (c->data->nr == SYS_bind)
		return caller_look_bind(&c->caller, (int)args[0], args[1],
		    (uint32_t)args[2]);
	if (c->data->nr == SYS_listen)
		return caller_look_listen(&c->caller, (int)args[0]);
	c->named = find_named(c);
	return c->named == NULL ? CALLER_OTHER : CALLER_SEEN;
}

static void
decide_listen(const struct call *c, struct verdict *v)
{
	struct listener *l;
	struct queue *q;
	int backlog = (int)c->data->args[1];

	if ((q = listeners_by_inode(c->ls, c->caller.inode, &l)) == NULL)
		return;
	v->kind = VERDICT_DONE;
	v->listener = l;
	if (listener_listen(c->ls, l, (int)(q - l->group.queue),
	    backlog) == -1) {
		v->kind = VERDICT_ERRNO;
		v->error = errno;
	}
}

/*
 * A worker that would remove the name of a shared socket, before it binds it
 * or at its end, is told that it has: others are still found by it.
 */
static void
decide_unlink(const struct call *c, struct verdict *v)
{
	if (unixpath_is_there(c->named->path) &&
	    listener_is_common(c->named))
		v->kind = VERDICT_DONE;
}

/* What was read of the caller is its own only if it waits afterwards. */
static int
answer_call(struct call *c)
{
	struct verdict v = { .kind = VERDICT_PASS };
	enum caller_sight sight = look_at_call(c);

	if (!is_waiting(c))
		return -1;
	c->ev->pid = c->caller.pid;
	if (sight == CALLER_HIDDEN)
		snprintf(v.hint, sizeof(v.hint), "%s", c->caller.hidden);
	else if (sight == CALLER_SEEN && c->data->nr == SYS_bind)
		bind_decide(c->ls, &c->caller, c->seat, &v);
	else if (sight == CALLER_SEEN && c->data->nr == SYS_listen)
		decide_listen(c, &v);
	else if (sight == CALLER_SEEN)
		decide_unlink(c, &v);
	return send_verdict(c, &v);
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
	if (control_trap(&c, SECCOMP_IOCTL_NOTIF_RECV, &u) == -1)
		return -1;
	c.id = u.notif.id;
	c.data = &u.notif.data;
	caller_init(&c.caller, (pid_t)u.notif.pid);
	result = answer_call(&c);
	caller_close(&c.caller);
	return result;
}
