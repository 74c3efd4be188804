#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"

ssize_t
proc_read(const char *path, char *buf, size_t size)
{
	int fd, error;
	ssize_t n;

	buf[0] = '\0';
	fd = open(path, O_RDONLY | O_CLOEXEC);
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
proc_read_of(pid_t pid, const char *name, char *buf, size_t size)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	return proc_read(path, buf, size);
}

uint64_t
proc_number(const char *text, const char *label, int base)
{
	const char *p = strstr(text, label);

	return p == NULL ? 0 : strtoull(p + strlen(label), NULL, base);
}
