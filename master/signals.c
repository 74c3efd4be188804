#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "master/signals.h"

static const int caught[] = {
	SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTTIN, SIGTTOU, SIGUSR1,
};

enum { NCAUGHT = sizeof(caught) / sizeof(caught[0]) };

static int pipe_fd[2] = { -1, -1 };
static volatile sig_atomic_t came[NCAUGHT];

static void
catch(int sig)
{
	int error = errno;
	int i;

	for (i = 0; i < NCAUGHT; i++) {
		if (caught[i] == sig)
			came[i] = 1;
	}
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
	int i;

	if (pipe(pipe_fd) == -1 || make_quiet(pipe_fd[0]) == -1 ||
	    make_quiet(pipe_fd[1]) == -1)
		return -1;
	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = catch;
	sa.sa_flags = SA_RESTART | SA_NOCLDSTOP;
	sigfillset(&sa.sa_mask);
	for (i = 0; i < NCAUGHT; i++)
		sigaction(caught[i], &sa, NULL);
	sa.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &sa, NULL);
	/* Whoever started us may have blocked some. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return pipe_fd[0];
}

void
signals_drain(void)
{
	char buf[64];

	while (read(pipe_fd[0], buf, sizeof(buf)) > 0)
		continue;
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

bool
signals_take(int sig)
{
	int i;

	for (i = 0; i < NCAUGHT; i++) {
		if (caught[i] == sig && came[i]) {
			came[i] = 0;
			return true;
		}
	}
	return false;
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
