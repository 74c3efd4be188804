/*
 * start SERVER PORT ...: starts the server on one port after another (--port,
 * and $PORT), each when the one before it listens, and prints how long that
 * took in ms.
 * start -c COMMAND ...: prints how long the command took.
 */

#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
	MAX_SERVERS = 64,
	PAUSE_US = 100,		/* between two looks */
	LIMIT_MS = 10000	/* for one to listen */
};

extern char **environ;

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static pid_t
spawn(char **argv)
{
	pid_t pid;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return -1;
	return pid;
}

static bool
listens(int port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)
	};
	bool connected;
	int fd;

	if ((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) == -1)
		return false;
	connected = connect(fd, (struct sockaddr *)&sin, sizeof sin) == 0;
	close(fd);
	return connected;
}

static bool
wait_until_listens(int port)
{
	const struct timespec pause = { .tv_nsec = PAUSE_US * 1000L };
	int64_t end = now_us() + LIMIT_MS * 1000L;

	while (!listens(port)) {
		if (now_us() >= end)
			return false;
		nanosleep(&pause, NULL);
	}
	return true;
}

static void
end(const pid_t *pids, int n)
{
	int i;

	for (i = 0; i < n; i++)
		kill(pids[i], SIGKILL);
	for (i = 0; i < n; i++)
		waitpid(pids[i], NULL, 0);
}

static bool
start_all(char *server, char **ports, pid_t *pids, int *n)
{
	char option[] = "--port";

	for (*n = 0; ports[*n] != NULL && *n < MAX_SERVERS; (*n)++) {
		setenv("PORT", ports[*n], 1);
		pids[*n] = spawn((char *[]){ server, option, ports[*n], NULL });
		if (pids[*n] == -1)
			return false;
		if (!wait_until_listens(atoi(ports[*n]))) {
			(*n)++;
			return false;
		}
	}
	return true;
}

static bool
run(char **argv)
{
	int wstatus;
	pid_t pid;

	if ((pid = spawn(argv)) == -1 || waitpid(pid, &wstatus, 0) == -1)
		return false;
	return WIFEXITED(wstatus) && WEXITSTATUS(wstatus) == 0;
}

int
main(int argc, char **argv)
{
	pid_t pids[MAX_SERVERS];
	int64_t begin_us, took_us;
	bool done;
	int n = 0;

	if (argc < 3) {
		fputs("usage: start SERVER PORT ... | -c COMMAND ...\n",
		    stderr);
		return 2;
	}
	begin_us = now_us();
	if (strcmp(argv[1], "-c") == 0)
		done = run(argv + 2);
	else
		done = start_all(argv[1], argv + 2, pids, &n);
	took_us = now_us() - begin_us;
	end(pids, n);
	if (!done) {
		fputs("start: failed\n", stderr);
		return 1;
	}
	printf("%.3f\n", (double)took_us / 1000);
	return 0;
}
