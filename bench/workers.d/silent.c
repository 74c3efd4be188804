/*
 * silent N: connects N times to the master at $CRR_SOCKET and subscribes to the
 * messages of the bus, which carries none. Prints a line when the master has
 * answered the last of them, and keeps them until a signal ends it.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ipc.h"

enum { TIMEOUT_MS = 10000 };		/* for each answer */

static void
subscribe(const char *path)
{
	struct crr_frame f;
	struct crr crr;
	int fd;

	if ((fd = crr_connect(path, TIMEOUT_MS)) == -1)
		err(1, "%s", path);
	crr_init(&crr, fd);
	if (crr_subscribe(&crr, CRR_SUBSCRIBE_MESSAGES) == -1 ||
	    crr_next(&crr, &f, TIMEOUT_MS) != 1)
		err(1, "subscribing");
	if (f.type == CRR_ERROR)
		errx(1, "%.*s", (int)f.len, (const char *)f.payload);
	/* The end closes what crr_close does not. */
	free(crr.buf);
}

int
main(int argc, char **argv)
{
	char path[108];
	int i, n;

	if (argc != 2 || (n = atoi(argv[1])) < 1)
		errx(2, "usage: silent N");
	if (crr_path(NULL, NULL, path, sizeof(path)) == -1)
		err(1, "$CRR_SOCKET");
	for (i = 0; i < n; i++)
		subscribe(path);
	printf("%d connected\n", n);
	fflush(stdout);
	for (;;)
		pause();
}
