#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc.h"

enum {
	READ_SIZE = 4096,		/* bytes, least room for a read */
	MAGIC_SIZE = 4,			/* bytes */
};

static const struct type {
	char		 name[16];
	uint16_t	 number;
	uint32_t	 least, greatest;	/* bytes of payload */
} types[] = {
#define X(name, number, least, greatest) { #name, number, least, greatest },
	PROTO_TYPES(X)
#undef X
};

static const struct type *
find(unsigned number)
{
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].number == number)
			return &types[i];
	return NULL;
}

const char *
ipc_type_name(unsigned number)
{
	const struct type *type = find(number);

	return type == NULL ? "unknown" : type->name;
}

void
ipc_put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

void
ipc_put32(unsigned char *p, uint32_t v)
{
	ipc_put16(p, (uint16_t)(v >> 16));
	ipc_put16(p + 2, (uint16_t)v);
}

void
ipc_put64(unsigned char *p, uint64_t v)
{
	ipc_put32(p, (uint32_t)(v >> 32));
	ipc_put32(p + 4, (uint32_t)v);
}

uint16_t
ipc_get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t
ipc_get32(const unsigned char *p)
{
	return (uint32_t)ipc_get16(p) << 16 | ipc_get16(p + 2);
}

uint64_t
ipc_get64(const unsigned char *p)
{
	return (uint64_t)ipc_get32(p) << 32 | ipc_get32(p + 4);
}

void
ipc_header(unsigned char *head, enum proto_type type, uint32_t len, uint32_t id)
{
	memcpy(head, PROTO_MAGIC, MAGIC_SIZE);
	ipc_put16(head + 4, PROTO_OUR_VERSION);
	ipc_put16(head + 6, (uint16_t)type);
	ipc_put32(head + 8, len);
	ipc_put32(head + 12, id);
}

enum ipc_result
ipc_parse(const void *data, size_t size, struct ipc_frame *f)
{
	const unsigned char	*p = data;
	const struct type	*type;

	memset(f, 0, sizeof(*f));
	if (size == 0)
		return IPC_MORE;
	if (memcmp(p, PROTO_MAGIC, size < MAGIC_SIZE ? size : MAGIC_SIZE) != 0)
		return IPC_GARBAGE;
	if (size < PROTO_HEADER)
		return IPC_MORE;

	f->version = ipc_get16(p + 4);
	f->len = ipc_get32(p + 8);
	f->id = ipc_get32(p + 12);
	if (f->version != PROTO_OUR_VERSION)
		return IPC_VERSION;
	f->type = ipc_get16(p + 6);
	if ((type = find(f->type)) == NULL)
		return IPC_TYPE;
	if (f->len < type->least || f->len > type->greatest)
		return IPC_LENGTH;
	if (size - PROTO_HEADER < f->len)
		return IPC_MORE;
	f->payload = p + PROTO_HEADER;
	return IPC_FRAME;
}

/* Make the default path of a master's name. */
static int
default_path(const char *name, char *buf, size_t size)
{
	unsigned uid = (unsigned)getuid();

	if (*name == '\0' || *name == '.' || strchr(name, '/') != NULL) {
		errno = EINVAL;
		return -1;
	}
	if (uid == 0)
		return snprintf(buf, size, "/run/crr/%s.sock", name);
	return snprintf(buf, size, "/tmp/crr-%u/%s.sock", uid, name);
}

int
ipc_path(const char *path, const char *name, char *buf, size_t size)
{
	struct sockaddr_un	sun;
	int			len;

	if (path == NULL && name == NULL) {
		path = getenv("CRR_SOCKET");
		if (path != NULL && *path == '\0')
			path = NULL;
		name = "default";
	}
	if (path != NULL)
		len = snprintf(buf, size, "%s", path);
	else
		len = default_path(name, buf, size);
	if (len == -1)
		return -1;
	if (len == 0) {
		errno = EINVAL;
		return -1;
	}
	if ((size_t)len >= size || (size_t)len >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	return 0;
}

/*
 * Limit how long connect and send may block. On a Unix socket connect(2) waits
 * for room in the peer's queue, and gives up after SO_SNDTIMEO (unix(7)).
 */
static int
limit(int fd, int timeout_ms)
{
	struct timeval tv = {
		.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000L,
	};

	if (timeout_ms < 0)
		return 0;
	if (timeout_ms == 0)
		tv.tv_usec = 1;		/* all zero would be no limit */
	return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

int
ipc_connect(const char *path, int timeout_ms)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	size_t			len = strlen(path);
	int			fd, rc, saved;

	if (len >= sizeof(sun.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, len);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	rc = limit(fd, timeout_ms);
	while (rc == 0) {
		rc = connect(fd, (struct sockaddr *)&sun, sizeof(sun));
		if (rc == 0)
			return fd;
		if (errno == EINTR)
			rc = 0;
	}
	saved = errno == EAGAIN ? ETIMEDOUT : errno;
	close(fd);
	errno = saved;
	return -1;
}

void
ipc_init(struct ipc *ipc, int fd)
{
	memset(ipc, 0, sizeof(*ipc));
	ipc->fd = fd;
}

void
ipc_close(struct ipc *ipc)
{
	if (ipc->fd != -1)
		close(ipc->fd);
	free(ipc->buf);
	ipc_init(ipc, -1);
}

/* Send what is left of both parts; moves them on by what was taken. */
static int
send_part(int fd, struct iovec *iov)
{
	struct msghdr	msg = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t		n;
	size_t		sent, part;
	int		i;

	if ((n = sendmsg(fd, &msg, MSG_NOSIGNAL)) == -1) {
		if (errno == EAGAIN)
			errno = ETIMEDOUT;
		return errno == EINTR ? 0 : -1;
	}
	sent = (size_t)n;
	for (i = 0; i < 2; i++) {
		part = sent < iov[i].iov_len ? sent : iov[i].iov_len;
		iov[i].iov_base = (unsigned char *)iov[i].iov_base + part;
		iov[i].iov_len -= part;
		sent -= part;
	}
	return 0;
}

int
ipc_send(struct ipc *ipc, enum proto_type number, uint32_t id,
    const void *payload, size_t len)
{
	const struct type	*type = find(number);
	unsigned char		 head[PROTO_HEADER], none = 0;
	struct iovec		 iov[2] = {
		{ .iov_base = head, .iov_len = sizeof(head) },
		{ .iov_base = &none, .iov_len = len },
	};

	if (type == NULL || len < type->least || len > type->greatest) {
		errno = EMSGSIZE;
		return -1;
	}
	if (len > 0)	/* iov_base is not const; sendmsg only reads */
		memcpy(&iov[1].iov_base, &payload, sizeof(payload));
	ipc_header(head, number, (uint32_t)len, id);
	while (iov[0].iov_len + iov[1].iov_len > 0)
		if (send_part(ipc->fd, iov) == -1)
			return -1;
	return 0;
}

static int64_t
now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Wait until there is something to read, or until a time (0: for ever). */
static int
wait_readable(int fd, int64_t until_ms)
{
	struct pollfd	pfd = { .fd = fd, .events = POLLIN };
	int64_t		left_ms = -1;
	int		n;

	for (;;) {
		if (until_ms != 0) {
			left_ms = until_ms - now_ms();
			if (left_ms < 0)
				left_ms = 0;
		}
		n = poll(&pfd, 1, (int)left_ms);
		if (n > 0)
			return 0;
		if (n == -1 && errno == EINTR)
			continue;
		if (n == 0)
			errno = ETIMEDOUT;
		return -1;
	}
}

/* Make room for a frame of need bytes at the buffer's start. */
static int
make_room(struct ipc *ipc, size_t need)
{
	unsigned char *buf;

	if (need < READ_SIZE)
		need = READ_SIZE;
	if (need <= ipc->size)
		return 0;
	if ((buf = realloc(ipc->buf, need)) == NULL)
		return -1;
	ipc->buf = buf;
	ipc->size = need;
	return 0;
}

/* Read more behind what is in the buffer; as recv(2) returns. */
static ssize_t
fill(struct ipc *ipc, int64_t until_ms)
{
	ssize_t n;

	do {
		if (wait_readable(ipc->fd, until_ms) == -1)
			return -1;
		n = recv(ipc->fd, ipc->buf + ipc->used, ipc->size - ipc->used,
		    MSG_DONTWAIT);
	} while (n == -1 && (errno == EINTR || errno == EAGAIN));
	if (n > 0)
		ipc->used += (size_t)n;
	return n;
}

/* Drop the frame that the last call gave out. */
static void
drop(struct ipc *ipc)
{
	ipc->used -= ipc->taken;
	if (ipc->taken > 0 && ipc->used > 0)
		memmove(ipc->buf, ipc->buf + ipc->taken, ipc->used);
	ipc->taken = 0;
}

int
ipc_next(struct ipc *ipc, struct ipc_frame *f, int timeout_ms)
{
	int64_t	until_ms = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
	ssize_t	n;

	drop(ipc);
	for (;;) {
		switch (ipc_parse(ipc->buf, ipc->used, f)) {
		case IPC_FRAME:
			ipc->taken = PROTO_HEADER + f->len;
			return 1;
		case IPC_MORE:
			break;
		case IPC_VERSION:
			errno = EPROTONOSUPPORT;
			return -1;
		case IPC_TYPE:
		case IPC_LENGTH:
		case IPC_GARBAGE:
			errno = EPROTO;
			return -1;
		}
		if (make_room(ipc, PROTO_HEADER + (size_t)f->len) == -1)
			return -1;
		if ((n = fill(ipc, until_ms)) == -1)
			return -1;
		if (n == 0 && ipc->used > 0)
			errno = EPROTO;
		if (n == 0)
			return ipc->used > 0 ? -1 : 0;
	}
}
