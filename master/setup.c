#include <sys/socket.h>
#include <sys/stat.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/control/notify.h"
#include "master/setup.h"
#include "master/signals.h"
#include "master/socket/handed.h"
#include "master/trap/trap.h"
#include "master/worker/family.h"

enum {
	STALE_RETRIES = 500,		/* of a bind, after a killed master */
};

/* What we were started with is not for workers. */
static void
close_on_exec_all(void)
{
	const struct dirent *de;
	DIR *dir;
	int fd;

	dir = opendir("/dev/fd");
	if (dir == NULL)
		return;
	while ((de = readdir(dir)) != NULL) {
		fd = (int)strtol(de->d_name, NULL, 10);
		if (fd > STDERR_FILENO)
			fcntl(fd, F_SETFD, FD_CLOEXEC);
	}
	closedir(dir);
}

/*
 * Workers get the descriptor as it is. Ours is opened again, so that a pipe or
 * a terminal that nobody reads can't block us; O_NONBLOCK on the old one would
 * be theirs too. A file never blocks, and a second opening would write over
 * its beginning.
 */
static int
keep_for_workers(int fd, const char *path)
{
	struct stat st;
	int kept, mine;

	kept = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (kept == -1)
		fatal(1, "%s", path);
	if (fstat(fd, &st) == -1 ||
	    (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode)))
		return kept;
	mine = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (mine != -1) {
		dup2(mine, fd);
		close(mine);
	}
	return kept;
}

/* Where calls can't be caught, workers share only what is handed to them. */
static void
set_trap(struct master *m)
{
	bool gives = m->plan.nlisten > 0 || m->plan.launch.node_cluster;
	const char *why;

	m->plan.launch.trap = false;
	if (!m->plan.share) {
		if (m->plan.rules.ready == WORKER_READY_LISTEN && !gives)
			fatalx(2, "--no-share: listen(2) is not seen; give "
			    "addresses by -l, or say --ready notify or "
			    "alive:TIME");
		return;
	}
	if (trap_probe() == 0) {
		m->plan.launch.trap = true;
		return;
	}
	why = errno == EBUSY ? "another program catches calls around us" :
	    strerror(errno);
	if (!gives && m->plan.launch.workers > 1)
		fatalx(1, "bind(2) can't be caught here (%s): give the "
		    "workers their addresses by -l, or run one by -w 1", why);
	log_warnx("bind(2) can't be caught here (%s): workers share what "
	    "crr gives them alone", why);
	if (!gives)
		m->plan.surge = 0;
}

/* The same of a Unix path. */
static const char *
path_hint(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "somebody serves it: stop that, or give another path";
	case ENOTSOCK:
		return "something else than a socket is there: remove it, or "
		    "give another path";
	case ENOENT:
	case ENOTDIR:
		return "no such directory: make it first";
	case EACCES:
	case EPERM:
		return "its directory can't be written to: give another path, "
		    "or start crr as its owner";
	case EROFS:
		return "its file system is read-only: give another path";
	default:
		return strerror(error);
	}
}

/* Why an address can't be had, and what to do. */
static const char *
bind_hint(int error)
{
	switch (error) {
	case EEXIST:
		return "given twice";
	case EADDRINUSE:
		return "in use: stop what serves it, or give another";
	case EADDRNOTAVAIL:
		return "no address of this machine: ip addr shows them";
	case EACCES:
		return "ports below 1024 are root's: give another, or start "
		    "crr as root with --user";
	default:
		return strerror(error);
	}
}

static void
open_listener(struct master *m, const struct address *a, const char *name,
    int fd)
{
	char text[ADDRESS_TEXT_MAX];
	int error;

	address_format(a, text, sizeof(text));
	if (fd == -1 ? handed_open(&m->listeners, a) != NULL :
	    handed_inherit(&m->listeners, a, fd, name) != NULL)
		return;
	error = errno;
	control_close(&m->control);
	listeners_free(&m->listeners);
	fatalx(1, "%s %s (%s)", fd == -1 ? "-l" : "LISTEN_FDS:", text,
	    address_path(a) != NULL && error != EEXIST ? path_hint(error) :
	    bind_hint(error));
}

/* Take the first off a list of names, separated by colons. */
static const char *
next_name(char **names)
{
	const char *name = *names == NULL ? NULL : strsep(names, ":");

	return name == NULL || *name == '\0' ? "unknown" : name;
}

static void
open_listeners(struct master *m)
{
	const struct plan *plan = &m->plan;
	char *names = plan->inherited;
	int i;

	if (listeners_init(&m->listeners, plan->launch.workers + plan->surge,
	    plan->shared_queue) == -1)
		fatal(1, "listeners");
	/* Its workers are on their way out. */
	if (m->control.stale) {
		family_stop_orphans(plan->launch.socket,
		    plan->rules.stop_signal);
		m->listeners.retries = STALE_RETRIES;
	}
	for (i = 0; i < plan->ninherited; i++)
		open_listener(m, &plan->listen[i], next_name(&names),
		    PLAN_INHERITED_FIRST + i);
	for (; i < plan->nlisten; i++)
		open_listener(m, &plan->listen[i], NULL, -1);
}

static void
open_poller(struct master *m)
{
	m->poller = poller_new();
	if (m->poller == NULL || poller_watch(m->poller, m->signal_fd, POLLIN,
	    SOURCE_SIGNAL, m) == -1 || (m->notify_fd != -1 &&
	    poller_watch(m->poller, m->notify_fd, POLLIN, SOURCE_NOTIFY,
	    m) == -1))
		fatal(1, "poller");
	m->clients.set.poller = m->poller;
	m->clients.kind = SOURCE_CONN;
	m->clients.quiet = m->plan.quiet;
	m->clients.signs = event_signs();
}

/* Each connection that is held is a descriptor of ours. Workers get the limit
 * that we had. */
static void
raise_limit(struct launch *launch)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == -1)
		fatal(1, "limit of descriptors");
	launch->files = limit;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void
setup_begin(struct master *m)
{
	const struct plan *plan = &m->plan;

	close_on_exec_all();
	raise_limit(&m->plan.launch);
	m->plan.launch.listeners = &m->listeners;
	m->plan.launch.out_fd = keep_for_workers(STDOUT_FILENO, "/dev/stdout");
	m->plan.launch.err_fd = keep_for_workers(STDERR_FILENO, "/dev/stderr");
	/* Before a child is waited for: SIGCHLD may have come to us ignored. */
	m->signal_fd = signals_open();
	if (m->signal_fd == -1)
		fatal(1, "signal pipe");
	set_trap(m);
	m->life.had_terminal = signals_have_terminal();
	m->life.started_ms = clock_now();
	family_begin(&m->family);
	m->plan.launch.family = &m->family;
	control_open(&m->control, plan->launch.socket, plan->launch.uid,
	    plan->launch.gid);
	open_listeners(m);
	m->notify_fd = notify_open(m->notify_name, sizeof(m->notify_name));
	m->plan.launch.notify = m->notify_fd == -1 ? NULL : m->notify_name;
	if (bus_init(&m->bus, plan->retain) == -1)
		fatal(1, "--retain");
	open_poller(m);
	m->post.bus = &m->bus;
	m->post.pool = &m->pool;
	steering_init(&m->steering, &m->pool, &m->listeners);
	handoff_init(&m->handoff, &m->plan.launch);
	if (pool_init(&m->pool, &plan->launch, &plan->rules,
	    plan->launch.workers, plan->surge) == -1)
		fatal(1, "workers");
}

void
setup_end(struct master *m)
{
	control_close(&m->control);
	listeners_free(&m->listeners);
	pool_free(&m->pool);
	family_end(&m->family);
	steering_free(&m->steering);
	handoff_end(&m->handoff);
	poller_free(m->poller);
	bus_free(&m->bus);
	cluster_free(&m->cluster);
	signals_close();
	if (m->notify_fd != -1)
		close(m->notify_fd);
	close(m->plan.launch.out_fd);
	close(m->plan.launch.err_fd);
}
