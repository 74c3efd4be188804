#include <sys/socket.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/passfd.h"
#include "master/trap/trap.h"
#include "master/worker/envfile.h"
#include "master/worker/family.h"
#include "master/worker/process.h"

enum {
	BIRTH_MAX = 512,		/* bytes of a message of the child's */
	HANDED_NAME_MAX = 256,		/* bytes in LISTEN_FDNAMES */
};

/* First byte of what a child says on birth_fd. */
enum { SAYS_TRAP = 't', SAYS_FAILED = 'f' };

struct child {
	const struct worker_rules *rules;
	const struct launch *launch;	/* the rules' */
	int	 id, seat;
	pid_t	 master;
	int	 birth_fd;
	int	 channel_fd;		/* -1: none */
};

void
process_init(struct process *p)
{
	memset(p, 0, sizeof(*p));
	p->birth_fd = -1;
	p->trap_fd = -1;
	p->channel_fd = -1;
}

static void say_failed(const struct child *, int, const char *, ...)
	    __attribute__((format(printf, 3, 4), noreturn));

/* Tell the master why this worker can't start, and end. */
static void
say_failed(const struct child *c, int code, const char *fmt, ...)
{
	char buf[BIRTH_MAX];
	va_list ap;
	int n, error;

	error = errno;
	buf[0] = SAYS_FAILED;
	buf[1] = (char)code;
	va_start(ap, fmt);
	n = vsnprintf(buf + 2, sizeof(buf) - 2, fmt, ap);
	va_end(ap);
	n = n < 0 ? 2 : n + 2;
	if (n < (int)sizeof(buf))
		n += snprintf(buf + n, sizeof(buf) - (size_t)n, ": %s",
		    strerror(error));
	if (n > (int)sizeof(buf))
		n = sizeof(buf);
	(void)!write(c->birth_fd, buf, (size_t)n);
	_exit(code);
}

static void
reset_signals(void)
{
	struct sigaction sa;
	sigset_t none;
	int sig;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = SIG_DFL;
	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &sa, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
set_number(const char *name, long long value)
{
	char buf[32];

	snprintf(buf, sizeof(buf), "%lld", value);
	setenv(name, buf, 1);
}

/* What is meant for the master alone must not be taken for the worker's. */
static void
clean_environment(void)
{
	static const char *const ours[] = {
		"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
		"LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES",
		"SERVER_STARTER_PORT", "EINHORN_FD_COUNT", "CRR_SOCKET",
		"CRR_WORKER_ID", "CRR_WORKERS", "CRR_GENERATION",
		"NODE_CHANNEL_FD", "NODE_CHANNEL_SERIALIZATION_MODE",
		"NODE_UNIQUE_ID",
	};
	size_t i;

	for (i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		unsetenv(ours[i]);
}

static void
set_environment(const struct child *c)
{
	const struct launch *launch = c->launch;
	char why[BIRTH_MAX];

	clean_environment();
	setenv("PWD", launch->directory, 1);
	if (launch->env_file[0] != '\0' &&
	    envfile_load(launch->env_file, why, sizeof(why)) == -1)
		say_failed(c, 1, "--env-file %s%s", launch->env_file, why);
	setenv("CRR_SOCKET", launch->socket, 1);
	set_number("CRR_WORKER_ID", c->id);
	set_number("CRR_WORKERS", c->launch->workers);
	set_number("CRR_GENERATION", c->rules->generation);
	if (c->launch->notify != NULL)
		setenv("NOTIFY_SOCKET", c->launch->notify, 1);
}

/* The names of handed sockets, in the ways that servers know. */
struct handed {
	char	 names[LAUNCH_HANDED_MAX * HANDED_NAME_MAX];
	char	 ports[LAUNCH_HANDED_MAX * ADDRESS_TEXT_MAX];
	int	 above[LAUNCH_HANDED_MAX];
	int	 n;
};

static void
append(char *list, size_t size, const char *separator, const char *entry)
{
	size_t len = strlen(list);

	snprintf(list + len, size - len, "%s%s", len == 0 ? "" : separator,
	    entry);
}

static void
name_handed(struct handed *h, const struct listener *l)
{
	char text[ADDRESS_TEXT_MAX], entry[HANDED_NAME_MAX], variable[32];
	const char *path = address_path(&l->address);
	int fd = LAUNCH_HANDED_FIRST + h->n;

	address_format(&l->address, text, sizeof(text));
	snprintf(entry, sizeof(entry), "%s=%d", path == NULL ? text : path,
	    fd);
	append(h->ports, sizeof(h->ports), ";", entry);
	/* A colon separates these, so an address can't be one of them. */
	if (l->name != NULL)
		snprintf(entry, sizeof(entry), "%s", l->name);
	else
		snprintf(entry, sizeof(entry), "listen%d", h->n);
	append(h->names, sizeof(h->names), ":", entry);
	snprintf(variable, sizeof(variable), "EINHORN_FD_%d", h->n);
	set_number(variable, fd);
}

/* Out of the way of the numbers that are to be taken. */
static int
move_up(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC,
	    LAUNCH_HANDED_FIRST + LAUNCH_HANDED_MAX);
}

/* A worker before may have set O_NONBLOCK: it belongs to the open file. */
static int
make_blocking(int fd)
{
	int flags;

	flags = fcntl(fd, F_GETFL);
	if (flags == -1)
		return -1;
	return fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

static int
hand_over(struct child *c)
{
	const struct listeners *ls = c->launch->listeners;
	struct handed h = { .n = 0 };
	int i;

	c->birth_fd = move_up(c->birth_fd);
	if (c->birth_fd == -1)
		return -1;
	if (c->channel_fd != -1 &&
	    (c->channel_fd = move_up(c->channel_fd)) == -1)
		return -1;
	for (i = 0; i < ls->n; i++) {
		if (!ls->list[i]->handed)
			continue;
		h.above[h.n] = move_up(listener_queue(ls->list[i],
		    c->seat)->fd);
		if (h.above[h.n] == -1 || make_blocking(h.above[h.n]) == -1)
			return -1;
		name_handed(&h, ls->list[i]);
		h.n++;
	}
	for (i = 0; i < h.n; i++) {
		if (dup2(h.above[i], LAUNCH_HANDED_FIRST + i) == -1)
			return -1;
	}
	if (c->channel_fd != -1) {
		if (dup2(c->channel_fd, LAUNCH_HANDED_FIRST + h.n) == -1)
			return -1;
		set_number("NODE_CHANNEL_FD", LAUNCH_HANDED_FIRST + h.n);
		if (c->launch->node_cluster)
			set_number("NODE_UNIQUE_ID", c->id + 1);
	}
	if (h.n == 0)
		return 0;
	set_number("LISTEN_FDS", h.n);
	set_number("LISTEN_PID", getpid());
	setenv("LISTEN_FDNAMES", h.names, 1);
	setenv("SERVER_STARTER_PORT", h.ports, 1);
	set_number("EINHORN_FD_COUNT", h.n);
	return 0;
}

static void
install_trap(const struct child *c)
{
	const char says = SAYS_TRAP;
	int fd;

	fd = trap_install(listeners_have_path(c->launch->listeners));
	if (fd == -1)
		say_failed(c, 1, "catching bind(2)");
	if (passfd_send(c->birth_fd, &says, 1, fd, 0) == -1)
		say_failed(c, 1, "handing over the trap");
	close(fd);
}

static void
take_identity(const struct child *c)
{
	const struct launch *launch = c->launch;

	if (launch->user[0] == '\0')
		return;
	if (geteuid() == 0 && initgroups(launch->user, launch->gid) == -1 &&
	    setgroups(0, NULL) == -1)
		say_failed(c, 1, "--user %s: groups", launch->user);
	if (setgid(launch->gid) == -1 || setuid(launch->uid) == -1)
		say_failed(c, 1, "--user %s", launch->user);
}

/* A terminal stops a background process group that reads from it. */
static void
set_standard_fds(const struct child *c)
{
	int fd;

	if (dup2(c->launch->out_fd, STDOUT_FILENO) == -1 ||
	    dup2(c->launch->err_fd, STDERR_FILENO) == -1)
		say_failed(c, 1, "stdout and stderr");
	if (isatty(STDIN_FILENO)) {
		fd = open("/dev/null", O_RDONLY);
		if (fd == -1 || dup2(fd, STDIN_FILENO) == -1)
			say_failed(c, 1, "/dev/null");
		close(fd);
	}
}

static void
run_child(struct child *c)
{
	const struct launch *launch = c->launch;
	int code;

	setpgid(0, 0);
	reset_signals();
	if (chdir(launch->directory) == -1)
		say_failed(c, 1, "directory %s", launch->directory);
	set_standard_fds(c);
	set_environment(c);
	/* Before rights are given up: they spare no_new_privs. */
	if (c->launch->trap)
		install_trap(c);
	take_identity(c);
	if (family_die_with_parent(c->rules->stop_signal, c->master) == -1)
		_exit(1);
	if (hand_over(c) == -1)
		say_failed(c, 1, "handing over sockets");
	execvp(launch->command[0], launch->command);
	code = errno == ENOENT ? 127 : 126;
	say_failed(c, code, "can't run %s (%s)", launch->command[0],
	    code == 127 ? "check its path and $PATH" : "is it executable?");
}

static void
close_both(const int *pair)
{
	int error = errno;

	if (pair[0] != -1) {
		close(pair[0]);
		close(pair[1]);
	}
	errno = error;
}

int
process_start(struct process *p, const struct worker_rules *rules, int id,
    int seat)
{
	const struct launch *launch = rules->launch;
	struct child child = {
		rules, launch, id, seat, getpid(), -1, -1
	};
	int pair[2], channel[2] = { -1, -1 }, error;
	sigset_t all, before;
	pid_t pid;

	process_init(p);
	if (launch->node && socketpair(AF_UNIX,
	    SOCK_STREAM | SOCK_CLOEXEC, 0, channel) == -1)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == -1) {
		close_both(channel);
		return -1;
	}
	child.birth_fd = pair[1];
	child.channel_fd = channel[1];
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	error = errno;
	if (pid == 0)
		run_child(&child);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (pid == -1) {
		close_both(pair);
		close_both(channel);
		errno = error;
		return -1;
	}
	close(pair[1]);
	if (channel[1] != -1)
		close(channel[1]);
	p->channel_fd = channel[0];
	setpgid(pid, pid);
	p->mark.socket = launch->socket;
	p->mark.id = id;
	p->mark.generation = rules->generation;
	p->pid = pid;
	p->group = pid;
	p->birth_fd = pair[0];
	return 0;
}

/* The descriptor that came with a message, or -1. */
static int
passed_fd(struct msghdr *msg)
{
	struct cmsghdr *cmsg;
	int fd;

	cmsg = CMSG_FIRSTHDR(msg);
	if (cmsg == NULL || cmsg->cmsg_level != SOL_SOCKET ||
	    cmsg->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	return fd;
}

enum process_news
process_birth(struct process *p, char *why, size_t size, int *code)
{
	struct msghdr msg;
	struct iovec iov;
	char buf[BIRTH_MAX] = "";
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	ssize_t n;

	memset(&msg, 0, sizeof(msg));
	iov.iov_base = buf;
	iov.iov_len = sizeof(buf);
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control.space);
	n = recvmsg(p->birth_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return PROCESS_NONE;
	if (n > 0 && buf[0] == SAYS_TRAP) {
		p->trap_fd = passed_fd(&msg);
		return PROCESS_NONE;
	}
	close(p->birth_fd);
	p->birth_fd = -1;
	if (n < 2)
		return PROCESS_RUNS;
	*code = (unsigned char)buf[1];
	snprintf(why, size, "%.*s", (int)n - 2, buf + 2);
	return PROCESS_FAILED;
}

/* Below the leader; else *top is the last one below us, or some stranger. */
static bool
descends(const struct process *p, pid_t pid, pid_t *top)
{
	int depth;

	for (depth = 0; depth < 64 && pid > 1 && pid != getpid(); depth++) {
		if (pid == p->pid)
			return true;
		*top = pid;
		pid = family_parent(pid);
	}
	return false;
}

pid_t
process_group(pid_t pid)
{
	return getpgid(pid);
}

pid_t
process_parent(pid_t pid)
{
	return family_parent(pid);
}

bool
process_is_us(pid_t pid)
{
	return pid == getpid();
}

bool
process_is_stray(const struct process *p, pid_t pid)
{
	return family_is_stray(pid, &p->mark);
}

void
process_signal(const struct process *p, int sig)
{
	pid_t pid = p->pid, top;

	/* Its number may have been given to a stranger. One that the leader
	 * can't wait for goes when the leader has. */
	if (p->listen_pid != 0 && (getpgid(p->listen_pid) == p->group ||
	    descends(p, p->listen_pid, &top)))
		pid = p->listen_pid;
	if (pid != 0)
		kill(pid, sig);
}

void
process_kill(const struct process *p)
{
	if (p->group != 0)
		kill(-p->group, SIGKILL);
}

void
process_ended(struct process *p)
{
	if (p->birth_fd != -1)
		close(p->birth_fd);
	p->birth_fd = -1;
	if (p->channel_fd != -1)
		close(p->channel_fd);
	p->channel_fd = -1;
	p->pid = 0;
	p->listen_pid = 0;
	p->rest = p->trap_fd != -1;
}

void
process_gone(struct process *p)
{
	if (p->trap_fd != -1)
		close(p->trap_fd);
	p->trap_fd = -1;
	p->rest = false;
	p->group = p->pid;
}
