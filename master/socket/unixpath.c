#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/socket/unixpath.h"

#ifndef O_PATH
#define O_PATH	O_RDONLY
#endif

enum { DIR_FLAGS = O_PATH | O_DIRECTORY | O_CLOEXEC };

void
unixpath_init(struct unixpath *up)
{
	memset(up, 0, sizeof(*up));
	up->dir_fd = -1;
}

static const char *
find_last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash == NULL ? path : slash + 1;
}

int
unixpath_at(struct unixpath *up, int dir_fd, const char *path)
{
	const char *name = find_last_part(path);
	struct stat st;

	unixpath_init(up);
	if (*name == '\0' || strcmp(name, ".") == 0 ||
	    strcmp(name, "..") == 0 || strlen(name) >= sizeof(up->name)) {
		errno = EINVAL;
		return -1;
	}
	if (fstat(dir_fd, &st) == -1)
		return -1;
	memcpy(up->name, name, strlen(name) + 1);
	up->dir_fd = dir_fd;
	up->dir_dev = st.st_dev;
	up->dir_ino = st.st_ino;
	return 0;
}

/* Open the directory of a path, as seen from the current one. */
static int
open_directory(const char *path)
{
	size_t len = (size_t)(find_last_part(path) - path);
	char *dir;
	int fd;

	if (len == 0)
		return open(".", DIR_FLAGS);
	if ((dir = strndup(path, len)) == NULL)
		return -1;
	fd = open(dir, DIR_FLAGS);
	free(dir);
	return fd;
}

int
unixpath_open(struct unixpath *up, const char *path)
{
	int fd, error;

	unixpath_init(up);
	if ((fd = open_directory(path)) == -1)
		return -1;
	if (unixpath_at(up, fd, path) == 0)
		return 0;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

/* The name is used from within its directory, whose path may be longer than an
 * address, unless text is another path for it. */
static int
call_by_name(int (*call)(int, const struct sockaddr *, socklen_t), int fd,
    const struct unixpath *up, const char *text)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	const char *path = text == NULL ? up->name : text;
	int here = -1, result, error;

	if (strlen(path) >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(un.sun_path, path, strlen(path));
	if (text == NULL) {
		if ((here = open(".", DIR_FLAGS)) == -1)
			return -1;
		if (fchdir(up->dir_fd) == -1) {
			close(here);
			return -1;
		}
	}
	result = call(fd, (const struct sockaddr *)&un, (socklen_t)
	    (offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1));
	error = errno;
	if (here != -1) {
		if (fchdir(here) == -1 && chdir("/") == -1)
			result = -1;
		close(here);
	}
	errno = error;
	return result;
}

static int
call_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
	return bind(fd, sa, len);
}

static int
call_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
	return connect(fd, sa, len);
}

/* Tell whether somebody has the socket open that has the name. */
static bool
is_served(const struct unixpath *up, int type)
{
	int fd, result;

	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return true;
	result = call_by_name(call_connect, fd, up, NULL);
	if (result == -1 && errno == EPROTOTYPE)
		result = 0;
	if (result == -1 && errno != ECONNREFUSED && errno != ENOENT)
		result = 0;
	close(fd);
	return result == 0;
}

int
unixpath_clear(const struct unixpath *up, int type)
{
	struct stat st;

	if (fstatat(up->dir_fd, up->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = ENOTSOCK;
		return -1;
	}
	if (is_served(up, type)) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlinkat(up->dir_fd, up->name, 0) == -1 && errno != ENOENT ?
	    -1 : 0;
}

static bool
is_ours(const struct unixpath *up, const char *name)
{
	struct stat st;

	return up->ino != 0 && name[0] != '\0' && fstatat(up->dir_fd, name,
	    &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_dev == up->dev &&
	    st.st_ino == up->ino;
}

/* Tell whether a name in the directory is the second link of a master that has
 * gone without removing it. */
static bool
is_left_over(const struct unixpath *up, const char *name)
{
	size_t len = strlen(up->name);
	const char *number;
	char *end;
	long pid;

	if (name[0] != '.' || strncmp(name + 1, up->name, len) != 0 ||
	    strncmp(name + 1 + len, ".crr-", 5) != 0)
		return false;
	number = name + 1 + len + 5;
	pid = strtol(number, &end, 10);
	return *number != '\0' && *end == '\0' && pid > 0 &&
	    kill((pid_t)pid, 0) == -1 && errno == ESRCH;
}

static void
remove_left_over(const struct unixpath *up)
{
	const struct dirent *de;
	struct stat st;
	DIR *dir;
	int fd;

	fd = openat(up->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1)
		return;
	if ((dir = fdopendir(fd)) == NULL) {
		close(fd);
		return;
	}
	while ((de = readdir(dir)) != NULL)
		if (is_left_over(up, de->d_name) && fstatat(up->dir_fd,
		    de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISSOCK(st.st_mode))
			unlinkat(up->dir_fd, de->d_name, 0);
	closedir(dir);
}

static int
link_spare(struct unixpath *up)
{
	char name[UNIXPATH_SPARE_MAX];

	snprintf(name, sizeof(name), ".%s.crr-%ld", up->name, (long)getpid());
	up->spare[0] = '\0';
	/* In a container each master has the same pid. */
	if (linkat(up->dir_fd, up->name, up->dir_fd, name, 0) == -1 &&
	    (errno != EEXIST || unlinkat(up->dir_fd, name, 0) == -1 ||
	    linkat(up->dir_fd, up->name, up->dir_fd, name, 0) == -1))
		return -1;
	memcpy(up->spare, name, sizeof(up->spare));
	return 0;
}

static int
note_file(struct unixpath *up)
{
	struct stat st;

	if (fstatat(up->dir_fd, up->name, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return -1;
	up->dev = st.st_dev;
	up->ino = st.st_ino;
	remove_left_over(up);
	link_spare(up);
	return 0;
}

/* Tell whether the path leads to the directory from here. */
static bool
leads_to_directory(const struct unixpath *up, const char *path)
{
	struct stat st;
	int fd;
	bool same;

	if (path[0] != '/' || (fd = open_directory(path)) == -1)
		return false;
	same = fstat(fd, &st) == 0 && st.st_dev == up->dir_dev &&
	    st.st_ino == up->dir_ino;
	close(fd);
	return same;
}

int
unixpath_bind(struct unixpath *up, int fd, const char *text)
{
	if (!leads_to_directory(up, text))
		text = NULL;
	if (call_by_name(call_bind, fd, up, text) == -1)
		return -1;
	return note_file(up);
}

int
unixpath_lend(struct unixpath *up)
{
	up->lent = true;
	return note_file(up);
}

int
unixpath_restore(struct unixpath *up)
{
	struct stat st;

	if (is_ours(up, up->name)) {
		if (!is_ours(up, up->spare))
			link_spare(up);
		return 0;
	}
	if (fstatat(up->dir_fd, up->name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EADDRINUSE;
		return -1;
	}
	if (errno != ENOENT)
		return -1;
	if (!is_ours(up, up->spare)) {
		errno = ENOENT;
		return -1;
	}
	if (linkat(up->dir_fd, up->spare, up->dir_fd, up->name, 0) == 0)
		return 0;
	if (errno == EEXIST)
		errno = EADDRINUSE;
	return -1;
}

bool
unixpath_is_there(const struct unixpath *up)
{
	return is_ours(up, up->name);
}

void
unixpath_remove(struct unixpath *up)
{
	if (up->dir_fd == -1)
		return;
	if (!up->lent && is_ours(up, up->name))
		unlinkat(up->dir_fd, up->name, 0);
	if (is_ours(up, up->spare))
		unlinkat(up->dir_fd, up->spare, 0);
	unixpath_close(up);
}

void
unixpath_close(struct unixpath *up)
{
	if (up->dir_fd != -1)
		close(up->dir_fd);
	unixpath_init(up);
}
