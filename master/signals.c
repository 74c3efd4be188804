#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/order.h"
#include "master/signals.h"
#include "master/supervise.h"

static int pipe_fd[2] = { -1, -1 };
static volatile sig_atomic_t came[NSIG];

/* Tell whether sig has come since it was last asked for. */
static bool
take_signal(int sig)
{
	bool has_come = came[sig];

	came[sig] = 0;
	return has_come;
}

bool
signals_have_terminal(void)
{
	int fd;

	fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	if (fd == -1)
		return false;
	close(fd);
	return true;
}

static void
scale_by(struct master *m, int by, int64_t now_ms)
{
	int n = m->pool.wanted + by;

	if (n < 1 || n > PLAN_WORKERS_MAX || order_is_stopping(m))
		return;
	clients_scaled(&m->clients, "another number of workers was asked for");
	if (order_scale(m, n, now_ms) == -1)
		log_warn("can't scale to %d workers", n);
}

/* The terminal that we were started from has been closed: nobody is there any
 * more to type Ctrl-C. */
static void
take_hangup(struct master *m, int64_t now_ms)
{
	if (m->life.had_terminal && !signals_have_terminal())
		order_stop(m, false, now_ms);
	else if (!order_is_stopping(m))
		order_reload(m, now_ms);
}

static void
pass_on_usr1(struct master *m, int64_t now_ms)
{
	int i;

	(void)now_ms;
	for (i = 0; i < m->pool.nseats; i++) {
		if (worker_runs(m->pool.seat[i]))
			process_signal(&m->pool.seat[i]->process,
			    SIGUSR1);
	}
}

/* Both at once, as a terminal and a script may send them, are one stop: the
 * second one would be in a hurry. */
static void
stop_once(struct master *m, int64_t now_ms)
{
	take_signal(SIGTERM);
	take_signal(SIGINT);
	order_stop(m, order_is_stopping(m), now_ms);
}

static void
stop_now(struct master *m, int64_t now_ms)
{
	order_stop(m, true, now_ms);
}

static void
add_worker(struct master *m, int64_t now_ms)
{
	scale_by(m, 1, now_ms);
}

static void
drop_worker(struct master *m, int64_t now_ms)
{
	scale_by(m, -1, now_ms);
}

/* What each signal does, in the order in which they are acted on: a worker that
 * has ended must not be sent another signal. */
static const struct {
	int	 sig;
	void	(*act)(struct master *m, int64_t now_ms);
} actions[] = {
	{ SIGCHLD,	supervise_reap },
	{ SIGHUP,	take_hangup },
	{ SIGTERM,	stop_once },
	{ SIGINT,	stop_once },
	{ SIGQUIT,	stop_now },
	{ SIGTTIN,	add_worker },
	{ SIGTTOU,	drop_worker },
	{ SIGUSR1,	pass_on_usr1 },
};

enum { NACTIONS = sizeof(actions) / sizeof(actions[0]) };

static void
note_signal(int sig)
{
	int error = errno;

	came[sig] = 1;
	(void)!write(pipe_fd[1], "", 1);
	errno = error;
}

static int
make_quiet(int fd)
{
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1)
		return -1;
	return fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int
signals_open(void)
{
	struct sigaction sa;
	sigset_t none;
	size_t i;

	if (pipe(pipe_fd) == -1 || make_quiet(pipe_fd[0]) == -1 ||
	    make_quiet(pipe_fd[1]) == -1)
		return -1;
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = note_signal;
	sa.sa_flags = SA_RESTART | SA_NOCLDSTOP;
	sigfillset(&sa.sa_mask);
	for (i = 0; i < NACTIONS; i++)
		sigaction(actions[i].sig, &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	/* Whoever started us may have blocked some. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return pipe_fd[0];
}

void
signals_act(struct master *m, int64_t now_ms)
{
	char buf[64];
	size_t i;

	/* Before the flags are looked at: what comes later fills it again. */
	while (read(pipe_fd[0], buf, sizeof(buf)) > 0)
		continue;
	for (i = 0; i < NACTIONS; i++) {
		if (take_signal(actions[i].sig))
			actions[i].act(m, now_ms);
	}
}

/* The handler stays, and has nowhere to write any more. */
void
signals_close(void)
{
	int fd[2] = { pipe_fd[0], pipe_fd[1] };

	pipe_fd[0] = pipe_fd[1] = -1;
	close(fd[0]);
	close(fd[1]);
}
