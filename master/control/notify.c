#include <sys/socket.h>
#include <sys/un.h>

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "master/control/notify.h"

enum {
	NOTIFY_MAX = 4096,		/* bytes of a message we read */
	NOTIFY_FDS_MAX = 253,		/* SCM_MAX_FD of Linux */
};

int
notify_open(char *name, size_t size)
{
	struct sockaddr_un sun;
	socklen_t len = sizeof(sun);
	int fd, on = 1;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd == -1)
		return -1;
	memset(&sun, 0, sizeof(sun));
	sun.sun_family = AF_UNIX;
	/* The family alone: the kernel chooses an abstract name, unix(7). */
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sa_family_t)) == -1 ||
	    setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == -1 ||
	    getsockname(fd, (struct sockaddr *)&sun, &len) == -1) {
		close(fd);
		return -1;
	}
	len -= (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1;
	snprintf(name, size, "@%.*s", (int)len, sun.sun_path + 1);
	return fd;
}

static void
close_passed(struct cmsghdr *cmsg)
{
	size_t i, n;
	int fd;

	n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	for (i = 0; i < n; i++) {
		memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
		close(fd);
	}
}

/* musl's CMSG_NXTHDR changes signs. */
static struct cmsghdr *
next_header(struct msghdr *msg, struct cmsghdr *cmsg)
{
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsign-conversion"
	return CMSG_NXTHDR(msg, cmsg);
#pragma GCC diagnostic pop
}

static void
read_control(struct msghdr *msg, pid_t *pid)
{
	struct cmsghdr *cmsg;
	struct ucred cred;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg != NULL;
	    cmsg = next_header(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET)
			continue;
		if (cmsg->cmsg_type == SCM_RIGHTS)
			close_passed(cmsg);
		if (cmsg->cmsg_type == SCM_CREDENTIALS) {
			memcpy(&cred, CMSG_DATA(cmsg), sizeof(cred));
			*pid = cred.pid;
		}
	}
}

static bool
has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	while (text != NULL) {
		if (strncmp(text, line, len) == 0 &&
		    (text[len] == '\n' || text[len] == '\0'))
			return true;
		text = strchr(text, '\n');
		if (text != NULL)
			text++;
	}
	return false;
}

bool
notify_read(int fd, bool *ready, pid_t *pid)
{
	char buf[NOTIFY_MAX];
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(struct ucred)) +
		    CMSG_SPACE(NOTIFY_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { buf, sizeof(buf) - 1 };
	struct msghdr msg;
	ssize_t n;

	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control.space);
	n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	if (n == -1)
		return false;
	buf[n] = '\0';
	*pid = 0;
	read_control(&msg, pid);
	*ready = has_line(buf, "READY=1");
	return true;
}
