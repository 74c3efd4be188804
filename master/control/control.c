#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc.h"
#include "master/control/control.h"

enum { CONTROL_BACKLOG = 128 };

/* Anybody who may write there could put a socket of theirs in our place. */
static void
check_directory(const char *path, uid_t uid)
{
	char copy[PATH_MAX], standard[PATH_MAX];
	const char *dir;
	struct stat st;
	bool ours;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	ours = false;
	if (crr_path(NULL, "x", standard, sizeof(standard)) == 0)
		ours = strcmp(dirname(standard), dir) == 0;
	if (ours && mkdir(dir, 0700) == -1 && errno != EEXIST)
		fatal(1, "%s: can't make the control socket's directory; give "
		    "another place by -s PATH", dir);
	if (lstat(dir, &st) == -1)
		fatal(1, "%s: can't use the control socket's directory; make "
		    "it, or give another place by -s PATH", dir);
	/* Workers with another user must reach the socket, but not list the
	 * directory. */
	if (ours && uid != geteuid() && S_ISDIR(st.st_mode) &&
	    st.st_uid == geteuid())
		chmod(dir, 0711);
	if (S_ISLNK(st.st_mode) && !ours && stat(dir, &st) == -1)
		fatal(1, "%s: the control socket's directory", dir);
	if (!S_ISDIR(st.st_mode))
		fatalx(1, "%s: not a directory, so no place for the control "
		    "socket", dir);
	if ((st.st_uid != geteuid() && (ours || st.st_uid != 0)) ||
	    (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		fatalx(1, "%s: others may write there, so no place for the "
		    "control socket; give one in a directory of your own by "
		    "-s PATH", dir);
}

/*
 * The master that holds the lock may remove the file between our open and our
 * lock: then our lock is on a file that nobody else will find.
 */
static void
take_lock(struct control *c)
{
	struct flock whole = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct stat locked, named;

	for (;;) {
		c->lock_fd = open(c->lock, O_RDWR | O_CREAT | O_CLOEXEC |
		    O_NOFOLLOW, 0600);
		if (c->lock_fd == -1)
			fatal(1, "%s: the control socket's lock", c->lock);
		if (fcntl(c->lock_fd, F_SETLK, &whole) == -1) {
			if (errno == EAGAIN || errno == EACCES)
				fatalx(1, "%s: a master is running there; "
				    "choose another name by -n NAME, or stop "
				    "it by crr stop", c->path);
			fatal(1, "%s: the control socket's lock", c->lock);
		}
		if (fstat(c->lock_fd, &locked) == 0 &&
		    lstat(c->lock, &named) == 0 &&
		    locked.st_dev == named.st_dev &&
		    locked.st_ino == named.st_ino)
			return;
		close(c->lock_fd);
	}
}

static void
fail_at_path(struct control *c, const char *why)
{
	unlink(c->lock);
	fatalx(1, "%s: %s", c->path, why);
}

static void
remove_stale(struct control *c)
{
	struct stat st;
	int fd;

	if (lstat(c->path, &st) == -1)
		return;
	if (!S_ISSOCK(st.st_mode))
		fail_at_path(c, "is there and not a socket; give another "
		    "control socket by -s PATH, or remove it");
	fd = crr_connect(c->path, 1000);
	if (fd != -1)
		fail_at_path(c, "another program listens there; give another "
		    "control socket by -s PATH");
	if (unlink(c->path) == -1)
		fail_at_path(c, "a stale socket that can't be removed");
	c->stale = true;
}

void
control_open(struct control *c, const char *path, uid_t uid, gid_t gid)
{
	struct sockaddr_un sun;
	mode_t mask;
	int result;

	if (snprintf(c->path, sizeof(c->path), "%s", path) >=
	    (int)sizeof(sun.sun_path) ||
	    snprintf(c->lock, sizeof(c->lock), "%s.lock", path) < 0)
		fatalx(1, "%s: longer than a socket's address can be", path);
	check_directory(c->path, uid);
	take_lock(c);
	remove_stale(c);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd == -1)
		fail_at_path(c, strerror(errno));
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	memcpy(sun.sun_path, c->path, strlen(c->path));
	mask = umask(0177);
	result = bind(c->fd, (struct sockaddr *)&sun, sizeof(sun));
	umask(mask);
	if (result == -1 || listen(c->fd, CONTROL_BACKLOG) == -1)
		fail_at_path(c, strerror(errno));
	if (uid != geteuid() && chown(c->path, uid, gid) == -1)
		log_warn("%s: workers can't reach it", c->path);
}

void
control_close(struct control *c)
{
	unlink(c->path);
	unlink(c->lock);
	close(c->fd);
	close(c->lock_fd);
}
