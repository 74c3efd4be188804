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
