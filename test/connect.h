/* A listening Unix socket for unit tests, and clients of it. */
#ifndef TEST_CONNECT_H
#define TEST_CONNECT_H

#include <sys/socket.h>
#include <sys/un.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc.h"

static struct sockaddr_un connect_address;

static inline int
connect_listen(const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memset(&connect_address, 0, sizeof(connect_address));
	connect_address.sun_family = AF_UNIX;
	snprintf(connect_address.sun_path, sizeof(connect_address.sun_path),
	    "/tmp/crr-unit-%s.%d", name, (int)getpid());
	unlink(connect_address.sun_path);
	if (fd == -1 || bind(fd, (struct sockaddr *)&connect_address,
	    sizeof(connect_address)) == -1 || listen(fd, 512) == -1)
		abort();
	return fd;
}

static inline int
connect_client(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&connect_address,
	    sizeof(connect_address)) == -1)
		abort();
	return fd;
}

static inline void
connect_end(int fd)
{
	unlink(connect_address.sun_path);
	close(fd);
}

/* The next frame that a client has got, its payload in buf; type 0: none. */
static inline struct crr_frame
connect_read(int fd, unsigned char *buf, size_t size)
{
	struct crr_frame f = { .type = 0 };
	size_t len;

	if (recv(fd, buf, CRR_HEADER, MSG_DONTWAIT) != CRR_HEADER)
		return f;
	len = crr_get32(buf + 8);
	if (len > size - CRR_HEADER || (len > 0 && recv(fd, buf + CRR_HEADER,
	    len, MSG_DONTWAIT) != (ssize_t)len) ||
	    crr_parse(buf, CRR_HEADER + len, &f) != CRR_FRAME)
		abort();
	return f;
}

#endif
