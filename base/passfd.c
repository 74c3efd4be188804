#include <sys/socket.h>
#include <sys/uio.h>

#include <stdint.h>
#include <string.h>

#include "base/passfd.h"

ssize_t
passfd_send(int to, const void *bytes, size_t len, int fd, int flags)
{
	struct iovec iov = {
		.iov_base = (void *)(uintptr_t)bytes,
		.iov_len = len,
	};
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg;

	memset(&msg, 0, sizeof(msg));
	memset(&control, 0, sizeof(control));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control.space);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	return sendmsg(to, &msg, flags);
}

ssize_t
passfd_receive(int from, void *bytes, size_t len, int *fd, int flags)
{
	struct iovec iov = { .iov_base = bytes, .iov_len = len };
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	const struct cmsghdr *cmsg;
	struct msghdr msg;
	ssize_t n;

	*fd = -1;
	memset(&msg, 0, sizeof(msg));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &control;
	/* The padding of CMSG_SPACE has room for a second descriptor. */
	msg.msg_controllen = CMSG_LEN(sizeof(int));
	n = recvmsg(from, &msg, flags | MSG_CMSG_CLOEXEC);
	if (n == -1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET &&
	    cmsg->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(cmsg), sizeof(*fd));
	return n;
}
