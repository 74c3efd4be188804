#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"

enum { PATH_SIZE = 64 };	/* bytes: "/proc/4194304/fdinfo/1048576" */

/* Read what has been opened, and close it. */
static ssize_t
read_whole(int fd, char *buf, size_t size)
{
	int error;
	ssize_t n;

	buf[0] = '\0';
	if (fd == -1)
		return -1;
	n = read(fd, buf, size - 1);
	error = errno;
	close(fd);
	errno = error;
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

ssize_t
proc_read(const char *path, char *buf, size_t size)
{
	return read_whole(open(path, O_RDONLY | O_CLOEXEC), buf, size);
}

int
proc_open(pid_t pid, const char *name, int flags)
{
	char path[PATH_SIZE];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return open(path, flags | O_CLOEXEC);
}

ssize_t
proc_read_of(pid_t pid, const char *name, char *buf, size_t size)
{
	return read_whole(proc_open(pid, name, O_RDONLY), buf, size);
}

uint64_t
proc_number(const char *text, const char *label, int base)
{
	const char *p = strstr(text, label);

	return p == NULL ? 0 : strtoull(p + strlen(label), NULL, base);
}
