/*
 * bare RECEIVERS MESSAGES BYTES: measures what the kernel alone needs for the
 * same. One process writes the messages of crr's bus in batches to a socket
 * pair for each receiver, which reads them with crr's library. Prints
 * deliveries a second, in millions.
 */
#include <sys/socket.h>
#include <sys/wait.h>

#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc.h"

enum {
	RECEIVERS_MAX = 64,
	BATCH = 64,			/* messages written by one call */
};

static double
now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
receive(int fd, long messages)
{
	struct crr_frame f;
	struct crr_message m;
	struct crr crr;
	long n = 0;

	crr_init(&crr, fd);
	while (n < messages && crr_next(&crr, &f, -1) == 1)
		n += crr_message(&f, &m) == 0;
	_exit(n == messages ? 0 : 1);
}

static size_t
build(unsigned char *to, size_t bytes)
{
	static const char name[] = "load", id[] = "123";
	unsigned char *p = to + CRR_HEADER;
	size_t len = CRR_BUS_FIXED + 4 + 3 + bytes;

	crr_header(to, CRR_SAVED, (uint32_t)len, 0);
	memset(p, 0, len);
	crr_put16(p + 18, 4);
	crr_put16(p + 20, 3);
	memcpy(p + CRR_BUS_FIXED, name, 4);
	memcpy(p + CRR_BUS_FIXED + 4, id, 3);
	return CRR_HEADER + len;
}

static void
write_all(int fd, const unsigned char *p, size_t len)
{
	ssize_t n;

	for (; len > 0; p += n, len -= (size_t)n)
		if ((n = write(fd, p, len)) == -1)
			err(1, "write");
}

int
main(int argc, char **argv)
{
	int fds[RECEIVERS_MAX], pair[2], receivers, i, wstatus, bad = 0;
	unsigned char *batch;
	long messages, sent;
	size_t one = 0, k;
	double begin;

	if (argc != 4 || (receivers = atoi(argv[1])) > RECEIVERS_MAX)
		errx(2, "usage: bare RECEIVERS MESSAGES BYTES");
	messages = atol(argv[2]) / BATCH * BATCH;
	batch = malloc(BATCH * ((size_t)atol(argv[3]) + 256));
	if (batch == NULL)
		err(1, "memory");
	for (k = 0; k < BATCH; k++)
		one = build(batch + k * one, (size_t)atol(argv[3]));
	for (i = 0; i < receivers; i++) {
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
			err(1, "socketpair");
		fds[i] = pair[0];
		if (fork() == 0)
			receive(pair[1], messages);
		close(pair[1]);
	}
	begin = now_s();
	for (sent = 0; sent < messages; sent += BATCH)
		for (i = 0; i < receivers; i++)
			write_all(fds[i], batch, BATCH * one);
	for (i = 0; i < receivers; i++)
		bad += wait(&wstatus) == -1 || wstatus != 0;
	printf("%.3f\n", (double)(messages * receivers) / (now_s() - begin) /
	    1e6);
	return bad != 0;
}
