/* Descriptors that travel with bytes. */
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/passfd.h"
#include "test/tap.h"

static bool
is_same_file(int a, int b)
{
	struct stat first, second;

	return fstat(a, &first) == 0 && fstat(b, &second) == 0 &&
	    first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

static void
test_one(int from, int to)
{
	int	fds[2], got = -1;
	char	buf[8] = "";

	if (pipe(fds) == -1)
		return;
	ok(passfd_send(from, "ab", 2, fds[0], 0) == 2, "bytes are sent");
	ok(passfd_receive(to, buf, sizeof(buf), &got, 0) == 2 &&
	    memcmp(buf, "ab", 2) == 0, "bytes are received");
	ok(got != -1 && got != fds[0] && is_same_file(got, fds[0]),
	    "with them comes another descriptor of the same file");
	ok((fcntl(got, F_GETFD) & FD_CLOEXEC) != 0, "it is close-on-exec");
	close(got);
	close(fds[0]);
	close(fds[1]);
}

static void
test_none(int from, int to)
{
	int	got = 7;
	char	buf[8];

	ok(send(from, "c", 1, 0) == 1 &&
	    passfd_receive(to, buf, sizeof(buf), &got, 0) == 1 && got == -1,
	    "bytes without a descriptor bring none");
	got = 7;
	ok(passfd_receive(to, buf, sizeof(buf), &got, MSG_DONTWAIT) == -1 &&
	    (errno == EAGAIN || errno == EWOULDBLOCK) && got == -1,
	    "no bytes are EAGAIN, and no descriptor");
}

/* Send a byte with two descriptors. */
static bool
send_two(int from, int fd)
{
	int		pair[2] = { fd, fd };
	struct iovec	iov = { .iov_base = (char[]){ 'd' }, .iov_len = 1 };
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(pair))];
	} control;
	struct msghdr	msg;

	memset(&msg, 0, sizeof(msg));
	memset(&control, 0, sizeof(control));
	msg.msg_iov = &iov;
	msg.msg_iovlen = 1;
	msg.msg_control = &control;
	msg.msg_controllen = sizeof(control.space);
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(pair));
	memcpy(CMSG_DATA(&control.head), pair, sizeof(pair));
	return sendmsg(from, &msg, 0) == 1;
}

static void
test_two(int from, int to)
{
	int	got = -1, next, after;
	char	buf[8];

	next = dup(to);
	close(next);
	ok(send_two(from, to) &&
	    passfd_receive(to, buf, sizeof(buf), &got, 0) == 1 && got == next,
	    "of two descriptors one is received");
	after = dup(to);
	ok(after == got + 1, "and the other is not left open");
	close(after);
	close(got);
}

int
main(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		return 1;
	test_one(pair[0], pair[1]);
	test_none(pair[0], pair[1]);
	test_two(pair[0], pair[1]);
	ok(close(pair[0]) == 0 && recv(pair[1], pair, 1, 0) == 0,
	    "nothing else holds the socket open");
	return done();
}
