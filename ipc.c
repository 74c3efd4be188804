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
	READ_SIZE = 65536,		/* bytes, least room for a read */
	MAGIC_SIZE = 4,			/* bytes */
};

/* By number. */
static const struct type {
	char		 name[20];	/* "": there is no such type */
	uint32_t	 least, greatest;	/* bytes of payload */
} types[] = {
#define X(name, number, least, greatest) [number] = { #name, least, greatest },
	PROTO_TYPES(X)
#undef X
};

static const struct type *
find(unsigned number)
{
	if (number >= sizeof(types) / sizeof(types[0]) ||
	    types[number].name[0] == '\0')
		return NULL;
	return &types[number];
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
	if (ipc->fd != -1) {
		ipc_flush(ipc);
		close(ipc->fd);
	}
	free(ipc->buf);
	ipc_init(ipc, -1);
}

/* Move both parts on by what was taken. */
static void
move_on(struct iovec *iov, int n, size_t sent)
{
	size_t	part;
	int	i;

	for (i = 0; i < n; i++) {
		part = sent < iov[i].iov_len ? sent : iov[i].iov_len;
		iov[i].iov_base = (unsigned char *)iov[i].iov_base + part;
		iov[i].iov_len -= part;
		sent -= part;
	}
}

static size_t
length(const struct iovec *iov, int n)
{
	size_t	len = 0;
	int	i;

	for (i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* Send all parts. Without waiting to begin: EAGAIN if nothing is taken. */
static int
send_now(const struct ipc *ipc, struct iovec *iov, int n)
{
	struct msghdr	msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	int		flags = MSG_NOSIGNAL;
	size_t		left = length(iov, n);
	ssize_t		sent;

	if (ipc->nonblock)
		flags |= MSG_DONTWAIT;
	while (left > 0) {
		sent = sendmsg(ipc->fd, &msg, flags);
		if (sent == -1 && errno == EINTR)
			continue;
		if (sent == -1) {
			if (errno == EAGAIN && (flags & MSG_DONTWAIT) == 0)
				errno = ETIMEDOUT;
			return -1;
		}
		flags &= ~MSG_DONTWAIT;
		left -= (size_t)sent;
		move_on(iov, n, (size_t)sent);
	}
	return 0;
}

void
ipc_gather(struct ipc *ipc, void *buf, size_t size)
{
	ipc->out = buf;
	ipc->out_size = size;
	ipc->out_used = 0;
}

int
ipc_flush(struct ipc *ipc)
{
	int	flags = MSG_NOSIGNAL | (ipc->nonblock ? MSG_DONTWAIT : 0);
	size_t	begin = 0;
	ssize_t	n = 0;

	while (begin < ipc->out_used) {
		n = send(ipc->fd, ipc->out + begin, ipc->out_used - begin,
		    flags);
		if (n == -1 && errno != EINTR)
			break;
		if (n > 0)
			begin += (size_t)n;
	}
	ipc->out_used -= begin;
	if (begin > 0 && ipc->out_used > 0)
		memmove(ipc->out, ipc->out + begin, ipc->out_used);
	if (ipc->out_used == 0)
		return 0;
	if (errno == EAGAIN && !ipc->nonblock)
		errno = ETIMEDOUT;
	return -1;
}

/* Send all parts, or gather them. */
static int
send_all(struct ipc *ipc, struct iovec *iov, int n)
{
	size_t	len = length(iov, n);
	int	i;

	if (ipc->out == NULL)
		return send_now(ipc, iov, n);
	if (len > ipc->out_size - ipc->out_used && ipc_flush(ipc) == -1)
		return -1;
	if (len > ipc->out_size)
		return send_now(ipc, iov, n);
	for (i = 0; i < n; i++) {
		memcpy(ipc->out + ipc->out_used, iov[i].iov_base,
		    iov[i].iov_len);
		ipc->out_used += iov[i].iov_len;
	}
	return 0;
}

/* iov_base is not const; sendmsg only reads. */
static struct iovec
part(const void *base, size_t len)
{
	struct iovec iov = { .iov_len = len };

	memcpy(&iov.iov_base, &base, sizeof(base));
	return iov;
}

int
ipc_send(struct ipc *ipc, enum proto_type number, uint32_t id,
    const void *payload, size_t len)
{
	const struct type	*type = find(number);
	unsigned char		 head[PROTO_HEADER];
	struct iovec		 iov[2];

	if (type == NULL || len < type->least || len > type->greatest) {
		errno = EMSGSIZE;
		return -1;
	}
	ipc_header(head, number, (uint32_t)len, id);
	iov[0] = part(head, sizeof(head));
	iov[1] = part(payload, len);
	return send_all(ipc, iov, len == 0 ? 1 : 2);
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

/* Make room behind what is in the buffer, for the rest of a frame of need
 * bytes at least. */
static int
make_room(struct ipc *ipc, size_t need)
{
	unsigned char *buf;

	if (need < READ_SIZE)
		need = READ_SIZE;
	if (ipc->size - ipc->begin >= need && ipc->end < ipc->size)
		return 0;
	if (ipc->begin > 0) {
		memmove(ipc->buf, ipc->buf + ipc->begin,
		    ipc->end - ipc->begin);
		ipc->end -= ipc->begin;
		ipc->begin = 0;
	}
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

	for (;;) {
		n = recv(ipc->fd, ipc->buf + ipc->end, ipc->size - ipc->end,
		    MSG_DONTWAIT);
		if (n >= 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || wait_readable(ipc->fd, until_ms) == -1)
			return -1;
	}
	ipc->end += (size_t)n;
	return n;
}

/* Drop the frame that the last call gave out. */
static void
drop(struct ipc *ipc)
{
	ipc->begin += ipc->taken;
	ipc->taken = 0;
	if (ipc->begin == ipc->end)
		ipc->begin = ipc->end = 0;
}

/* What to make of an end of file. */
static int
end(const struct ipc *ipc)
{
	if (ipc->end == ipc->begin)
		return 0;
	errno = EPROTO;
	return -1;
}

/* An empty buffer is none at the beginning. */
static enum ipc_result
look(const struct ipc *ipc, struct ipc_frame *f)
{
	if (ipc->begin == ipc->end)
		return ipc_parse("", 0, f);
	return ipc_parse(ipc->buf + ipc->begin, ipc->end - ipc->begin, f);
}

int
ipc_next(struct ipc *ipc, struct ipc_frame *f, int timeout_ms)
{
	int64_t	until_ms = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
	ssize_t	n;

	if (ipc->out_used > 0)
		ipc_flush(ipc);
	drop(ipc);
	for (;;) {
		switch (look(ipc, f)) {
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
		if (make_room(ipc, PROTO_HEADER + (size_t)f->len) == -1 ||
		    (n = fill(ipc, until_ms)) == -1)
			return -1;
		if (n == 0)
			return end(ipc);
	}
}

int
ipc_message(const struct ipc_frame *f, struct ipc_message *m)
{
	const unsigned char *p = f->payload;
	size_t fixed;

	errno = EPROTO;
	switch (f->type) {
	case PROTO_BROADCAST:
	case PROTO_SAVE:
	case PROTO_DELETE:
	case PROTO_MESSAGE:
	case PROTO_SAVED:
	case PROTO_DELETED:
		break;
	default:
		return -1;
	}
	m->seq = ipc_get64(p + PROTO_BUS_SEQ);
	m->pid = (int32_t)ipc_get32(p + PROTO_BUS_PID);
	m->worker = (int32_t)ipc_get32(p + PROTO_BUS_WORKER);
	m->flags = ipc_get16(p + PROTO_BUS_FLAGS);
	m->name_len = ipc_get16(p + PROTO_BUS_NAME_LEN);
	m->id_len = ipc_get16(p + PROTO_BUS_ID_LEN);
	fixed = PROTO_BUS_FIXED + m->name_len + m->id_len;
	if (fixed > f->len)
		return -1;
	m->name = (const char *)p + PROTO_BUS_FIXED;
	m->id = m->name + m->name_len;
	m->data = p + fixed;
	m->data_len = f->len - fixed;
	return 0;
}

int
ipc_publish(struct ipc *ipc, enum proto_type type, uint32_t id,
    const struct ipc_message *m)
{
	unsigned char head[PROTO_HEADER + PROTO_BUS_FIXED] = { 0 };
	unsigned char *p = head + PROTO_HEADER;
	struct iovec iov[4];

	if (m->id_len == 0 && type != PROTO_BROADCAST) {
		errno = EINVAL;
		return -1;
	}
	if (m->name_len > PROTO_NAME_MAX || m->id_len > PROTO_NAME_MAX ||
	    m->data_len > PROTO_DATA_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	ipc_header(head, type, (uint32_t)(PROTO_BUS_FIXED + m->name_len +
	    m->id_len + m->data_len), id);
	ipc_put16(p + PROTO_BUS_NAME_LEN, (uint16_t)m->name_len);
	ipc_put16(p + PROTO_BUS_ID_LEN, (uint16_t)m->id_len);
	iov[0] = part(head, sizeof(head));
	iov[1] = part(m->name, m->name_len);
	iov[2] = part(m->id, m->id_len);
	iov[3] = part(m->data, m->data_len);
	return send_all(ipc, iov, 4);
}

static int
publish(struct ipc *ipc, enum proto_type type, const char *name,
    const char *id, const void *data, size_t len)
{
	const struct ipc_message m = {
		.name = name, .name_len = strlen(name),
		.id = id, .id_len = strlen(id),
		.data = data, .data_len = len,
	};

	return ipc_publish(ipc, type, 0, &m);
}

int
ipc_save(struct ipc *ipc, const char *name, const char *id, const void *data,
    size_t len)
{
	return publish(ipc, PROTO_SAVE, name, id, data, len);
}

int
ipc_delete(struct ipc *ipc, const char *name, const char *id)
{
	return publish(ipc, PROTO_DELETE, name, id, "", 0);
}

int
ipc_broadcast(struct ipc *ipc, const char *name, const void *data, size_t len)
{
	return publish(ipc, PROTO_BROADCAST, name, "", data, len);
}

int
ipc_subscribe(struct ipc *ipc, uint32_t flags)
{
	unsigned char payload[4];

	ipc_put32(payload, flags);
	return ipc_send(ipc, PROTO_SUBSCRIBE, 1, payload, sizeof(payload));
}

/* Wait for DONE or ERROR. */
static int
wait_done(struct ipc *ipc, int timeout_ms)
{
	struct ipc_frame f;
	int rc;

	while ((rc = ipc_next(ipc, &f, timeout_ms)) == 1) {
		if (f.type == PROTO_DONE)
			return 0;
		if (f.type == PROTO_ERROR) {
			errno = EPERM;
			return -1;
		}
	}
	if (rc == 0)
		errno = ECONNRESET;
	return -1;
}

static int
ask(const char *path, enum proto_type type, const void *payload, size_t len,
    int timeout_ms)
{
	char found[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct ipc ipc;
	int fd, rc, saved;

	if (ipc_path(path, NULL, found, sizeof(found)) == -1 ||
	    (fd = ipc_connect(found, timeout_ms)) == -1)
		return -1;
	ipc_init(&ipc, fd);
	rc = ipc_send(&ipc, type, 1, payload, len);
	if (rc == 0)
		rc = wait_done(&ipc, timeout_ms);
	saved = errno;
	ipc_close(&ipc);
	errno = saved;
	return rc;
}

int
ipc_say_ready(const char *path, int timeout_ms)
{
	return ask(path, PROTO_READY, NULL, 0, timeout_ms);
}

int
ipc_ask_reload(const char *path, int timeout_ms)
{
	unsigned char payload[4];

	ipc_put32(payload, PROTO_RELOAD_NOWAIT);
	return ask(path, PROTO_RELOAD, payload, sizeof(payload), timeout_ms);
}
