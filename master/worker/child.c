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
#include "master/socket/listener.h"
#include "master/trap/trap.h"
#include "master/worker/child.h"
#include "master/worker/envfile.h"
#include "master/worker/family.h"

enum {
	HANDED_NAME_MAX = 256,		/* bytes of a name in LISTEN_FDNAMES */
};

void
child_init(struct child *c, const struct worker_rules *rules, int id, int seat,
    int birth_fd, int channel_fd)
{
	c->rules = rules;
	c->id = id;
	c->seat = seat;
	c->master = getpid();
	c->birth_fd = birth_fd;
	c->channel_fd = channel_fd;
}

static void say_failed(const struct child *, int, const char *, ...)
	    __attribute__((format(printf, 3, 4), noreturn));

/* Tell the master why this worker can't start, and end. */
static void
say_failed(const struct child *c, int code, const char *fmt, ...)
{
	char buf[CHILD_SAYS_MAX];
	va_list ap;
	int n, error;

	error = errno;
	buf[0] = CHILD_SAYS_FAILED;
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

/* A worker must not take for its own what is meant for the master. */
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
	const struct launch *launch = c->rules->launch;
	char why[CHILD_SAYS_MAX];

	clean_environment();
	setenv("PWD", launch->directory, 1);
	if (launch->env_file[0] != '\0' &&
	    envfile_load(launch->env_file, why, sizeof(why)) == -1)
		say_failed(c, 1, "--env-file %s%s", launch->env_file, why);
	setenv("CRR_SOCKET", launch->socket, 1);
	set_number("CRR_WORKER_ID", c->id);
	set_number("CRR_WORKERS", launch->workers);
	set_number("CRR_GENERATION", c->rules->generation);
	if (launch->notify != NULL)
		setenv("NOTIFY_SOCKET", launch->notify, 1);
}

/* The sockets that are handed over, in the order of their numbers. */
struct handed {
	const struct listener *listener[LAUNCH_HANDED_MAX];
	int	 fd[LAUNCH_HANDED_MAX];
	int	 n;
};

/* Above the numbers that sockets and Node's channel get. */
static int
move_up(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC,
	    LAUNCH_HANDED_FIRST + LAUNCH_HANDED_MAX + 1);
}

/* An earlier worker may have set O_NONBLOCK: it belongs to the open file. Where
 * all workers have the same one, event loops of others still depend on it. */
static int
make_blocking(const struct listeners *ls, const struct listener *l, int fd)
{
	int flags;

	if (l->group.nqueues < ls->nseats)
		return 0;
	flags = fcntl(fd, F_GETFL);
	if (flags == -1)
		return -1;
	return fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

/* All of them first: one may stand where another is to go. */
static int
move_sockets(struct child *c, struct handed *h)
{
	const struct listeners *ls = c->rules->launch->listeners;
	int i, fd;

	c->birth_fd = move_up(c->birth_fd);
	if (c->birth_fd == -1)
		return -1;
	if (c->channel_fd != -1 &&
	    (c->channel_fd = move_up(c->channel_fd)) == -1)
		return -1;
	h->n = 0;
	for (i = 0; i < ls->n; i++) {
		if (!ls->list[i]->handed)
			continue;
		fd = move_up(listener_queue(ls->list[i], c->seat)->fd);
		if (fd == -1 || make_blocking(ls, ls->list[i], fd) == -1)
			return -1;
		h->listener[h->n] = ls->list[i];
		h->fd[h->n++] = fd;
	}
	return 0;
}

static int
number_sockets(const struct child *c, const struct handed *h)
{
	int i;

	for (i = 0; i < h->n; i++) {
		if (dup2(h->fd[i], LAUNCH_HANDED_FIRST + i) == -1)
			return -1;
	}
	if (c->channel_fd != -1 &&
	    dup2(c->channel_fd, LAUNCH_HANDED_FIRST + h->n) == -1)
		return -1;
	return 0;
}

static void
append_entry(char *list, size_t size, const char *separator, const char *entry)
{
	size_t len = strlen(list);

	snprintf(list + len, size - len, "%s%s", len == 0 ? "" : separator,
	    entry);
}

/* For systemd's LISTEN_FDNAMES; a colon separates names, so that no address
 * can be one. */
static void
name_for_systemd(const struct handed *h)
{
	char names[LAUNCH_HANDED_MAX * HANDED_NAME_MAX] = "";
	char name[HANDED_NAME_MAX];
	int i;

	for (i = 0; i < h->n; i++) {
		if (h->listener[i]->name != NULL)
			snprintf(name, sizeof(name), "%s",
			    h->listener[i]->name);
		else
			snprintf(name, sizeof(name), "listen%d", i);
		append_entry(names, sizeof(names), ":", name);
	}
	set_number("LISTEN_FDS", h->n);
	set_number("LISTEN_PID", getpid());
	setenv("LISTEN_FDNAMES", names, 1);
}

static void
name_for_starter(const struct handed *h)
{
	char ports[LAUNCH_HANDED_MAX * ADDRESS_TEXT_MAX] = "";
	char text[ADDRESS_TEXT_MAX], entry[HANDED_NAME_MAX];
	const struct address *a;
	const char *path;
	int i;

	for (i = 0; i < h->n; i++) {
		a = &h->listener[i]->address;
		path = address_path(a);
		address_format(a, text, sizeof(text));
		snprintf(entry, sizeof(entry), "%s=%d",
		    path == NULL ? text : path, LAUNCH_HANDED_FIRST + i);
		append_entry(ports, sizeof(ports), ";", entry);
	}
	setenv("SERVER_STARTER_PORT", ports, 1);
}

static void
name_for_einhorn(const struct handed *h)
{
	char variable[32];
	int i;

	for (i = 0; i < h->n; i++) {
		snprintf(variable, sizeof(variable), "EINHORN_FD_%d", i);
		set_number(variable, LAUNCH_HANDED_FIRST + i);
	}
	set_number("EINHORN_FD_COUNT", h->n);
}

static void
name_channel(const struct child *c, const struct handed *h)
{
	set_number("NODE_CHANNEL_FD", LAUNCH_HANDED_FIRST + h->n);
	if (c->rules->launch->node_cluster)
		set_number("NODE_UNIQUE_ID", c->id + 1);
}

static int
hand_over(struct child *c)
{
	struct handed h;

	if (move_sockets(c, &h) == -1 || number_sockets(c, &h) == -1)
		return -1;
	if (c->channel_fd != -1)
		name_channel(c, &h);
	if (h.n > 0) {
		name_for_systemd(&h);
		name_for_starter(&h);
		name_for_einhorn(&h);
	}
	return 0;
}

static void
install_trap(const struct child *c)
{
	const char says = CHILD_SAYS_TRAP;
	int fd;

	fd = trap_install(listeners_have_path(c->rules->launch->listeners));
	if (fd == -1)
		say_failed(c, 1, "catching bind(2)");
	if (passfd_send(c->birth_fd, &says, 1, fd, 0) == -1)
		say_failed(c, 1, "handing over the trap");
	close(fd);
}

static void
take_identity(const struct child *c)
{
	const struct launch *launch = c->rules->launch;

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

	if (dup2(c->rules->launch->out_fd, STDOUT_FILENO) == -1 ||
	    dup2(c->rules->launch->err_fd, STDERR_FILENO) == -1)
		say_failed(c, 1, "stdout and stderr");
	if (isatty(STDIN_FILENO)) {
		fd = open("/dev/null", O_RDONLY);
		if (fd == -1 || dup2(fd, STDIN_FILENO) == -1)
			say_failed(c, 1, "/dev/null");
		close(fd);
	}
}

void
child_run(struct child *c)
{
	const struct launch *launch = c->rules->launch;
	int code;

	setpgid(0, 0);
	reset_signals();
	if (chdir(launch->directory) == -1)
		say_failed(c, 1, "directory %s", launch->directory);
	set_standard_fds(c);
	set_environment(c);
	/* Before rights are given up: they spare no_new_privs. */
	if (launch->trap)
		install_trap(c);
	take_identity(c);
	if (family_die_with_parent(c->rules->stop_signal, c->master) == -1)
		_exit(1);
	if (hand_over(c) == -1)
		say_failed(c, 1, "handing over sockets");
	setrlimit(RLIMIT_NOFILE, &launch->files);
	execvp(launch->command[0], launch->command);
	code = errno == ENOENT ? 127 : 126;
	say_failed(c, code, "can't run %s (%s)", launch->command[0],
	    code == 127 ? "check its path and $PATH" : "is it executable?");
}
