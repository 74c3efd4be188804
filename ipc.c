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
	CRR_TYPES(X)
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
crr_type_name(unsigned number)
{
	const struct type *type = find(number);

	return type == NULL ? "unknown" : type->name;
}

void
crr_put16(unsigned char *p, uint16_t v)
{
	p[0] = (unsigned char)(v >> 8);
	p[1] = (unsigned char)v;
}

void
crr_put32(unsigned char *p, uint32_t v)
{
	crr_put16(p, (uint16_t)(v >> 16));
	crr_put16(p + 2, (uint16_t)v);
}

void
crr_put64(unsigned char *p, uint64_t v)
{
	crr_put32(p, (uint32_t)(v >> 32));
	crr_put32(p + 4, (uint32_t)v);
}

uint16_t
crr_get16(const unsigned char *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t
crr_get32(const unsigned char *p)
{
	return (uint32_t)crr_get16(p) << 16 | crr_get16(p + 2);
}

uint64_t
crr_get64(const unsigned char *p)
{
	return (uint64_t)crr_get32(p) << 32 | crr_get32(p + 4);
}

void
crr_header(unsigned char *head, enum crr_type type, uint32_t len, uint32_t id)
{
	memcpy(head, CRR_MAGIC, MAGIC_SIZE);
	crr_put16(head + 4, CRR_OUR_VERSION);
	crr_put16(head + 6, (uint16_t)type);
	crr_put32(head + 8, len);
	crr_put32(head + 12, id);
}

enum crr_result
crr_parse(const void *data, size_t size, struct crr_frame *f)
{
	const unsigned char	*p = data;
	const struct type	*type;

	memset(f, 0, sizeof(*f));
	if (size == 0)
		return CRR_MORE;
	if (memcmp(p, CRR_MAGIC, size < MAGIC_SIZE ? size : MAGIC_SIZE) != 0)
		return CRR_GARBAGE;
	if (size < CRR_HEADER)
		return CRR_MORE;

	f->version = crr_get16(p + 4);
	f->len = crr_get32(p + 8);
	f->id = crr_get32(p + 12);
	if (f->version != CRR_OUR_VERSION)
		return CRR_OTHER_VERSION;
	f->type = crr_get16(p + 6);
	if ((type = find(f->type)) == NULL)
		return CRR_OTHER_TYPE;
	if (f->len < type->least || f->len > type->greatest)
		return CRR_WRONG_LENGTH;
	if (size - CRR_HEADER < f->len)
		return CRR_MORE;
	f->payload = p + CRR_HEADER;
	return CRR_FRAME;
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
crr_path(const char *path, const char *name, char *buf, size_t size)
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
crr_connect(const char *path, int timeout_ms)
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
crr_init(struct crr *crr, int fd)
{
	memset(crr, 0, sizeof(*crr));
	crr->fd = fd;
}

void
crr_close(struct crr *crr)
{
	if (crr->fd != -1) {
		crr_flush(crr);
		close(crr->fd);
	}
	free(crr->buf);
	crr_init(crr, -1);
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
send_now(const struct crr *crr, struct iovec *iov, int n)
{
	struct msghdr	msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	int		flags = MSG_NOSIGNAL;
	size_t		left = length(iov, n);
	ssize_t		sent;

	if (crr->nonblock)
		flags |= MSG_DONTWAIT;
	while (left > 0) {
		sent = sendmsg(crr->fd, &msg, flags);
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
crr_gather(struct crr *crr, void *buf, size_t size)
{
	crr->out = buf;
	crr->out_size = size;
	crr->out_used = 0;
}

int
crr_flush(struct crr *crr)
{
	int	flags = MSG_NOSIGNAL | (crr->nonblock ? MSG_DONTWAIT : 0);
	size_t	begin = 0;
	ssize_t	n = 0;

	while (begin < crr->out_used) {
		n = send(crr->fd, crr->out + begin, crr->out_used - begin,
		    flags);
		if (n == -1 && errno != EINTR)
			break;
		if (n > 0)
			begin += (size_t)n;
	}
	crr->out_used -= begin;
	if (begin > 0 && crr->out_used > 0)
		memmove(crr->out, crr->out + begin, crr->out_used);
	if (crr->out_used == 0)
		return 0;
	if (errno == EAGAIN && !crr->nonblock)
		errno = ETIMEDOUT;
	return -1;
}

/* Send all parts, or gather them. */
static int
send_all(struct crr *crr, struct iovec *iov, int n)
{
	size_t	len = length(iov, n);
	int	i;

	if (crr->out == NULL)
		return send_now(crr, iov, n);
	if (len > crr->out_size - crr->out_used && crr_flush(crr) == -1)
		return -1;
	if (len > crr->out_size)
		return send_now(crr, iov, n);
	for (i = 0; i < n; i++) {
		memcpy(crr->out + crr->out_used, iov[i].iov_base,
		    iov[i].iov_len);
		crr->out_used += iov[i].iov_len;
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
crr_send(struct crr *crr, enum crr_type number, uint32_t id,
    const void *payload, size_t len)
{
	const struct type	*type = find(number);
	unsigned char		 head[CRR_HEADER];
	struct iovec		 iov[2];

	if (type == NULL || len < type->least || len > type->greatest) {
		errno = EMSGSIZE;
		return -1;
	}
	crr_header(head, number, (uint32_t)len, id);
	iov[0] = part(head, sizeof(head));
	iov[1] = part(payload, len);
	return send_all(crr, iov, len == 0 ? 1 : 2);
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
make_room(struct crr *crr, size_t need)
{
	unsigned char *buf;

	if (need < READ_SIZE)
		need = READ_SIZE;
	if (crr->size - crr->begin >= need && crr->end < crr->size)
		return 0;
	if (crr->begin > 0) {
		memmove(crr->buf, crr->buf + crr->begin,
		    crr->end - crr->begin);
		crr->end -= crr->begin;
		crr->begin = 0;
	}
	if (need <= crr->size)
		return 0;
	if ((buf = realloc(crr->buf, need)) == NULL)
		return -1;
	crr->buf = buf;
	crr->size = need;
	return 0;
}

/* Read more behind what is in the buffer; as recv(2) returns. */
static ssize_t
fill(struct crr *crr, int64_t until_ms)
{
	ssize_t n;

	for (;;) {
		n = recv(crr->fd, crr->buf + crr->end, crr->size - crr->end,
		    MSG_DONTWAIT);
		if (n >= 0)
			break;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN || wait_readable(crr->fd, until_ms) == -1)
			return -1;
	}
	crr->end += (size_t)n;
	return n;
}

/* Drop the frame that the last call gave out. */
static void
drop(struct crr *crr)
{
	crr->begin += crr->taken;
	crr->taken = 0;
	if (crr->begin == crr->end)
		crr->begin = crr->end = 0;
}

/* What to make of an end of file. */
static int
end(const struct crr *crr)
{
	if (crr->end == crr->begin)
		return 0;
	errno = EPROTO;
	return -1;
}

/* An empty buffer is none at the beginning. */
static enum crr_result
look(const struct crr *crr, struct crr_frame *f)
{
	if (crr->begin == crr->end)
		return crr_parse("", 0, f);
	return crr_parse(crr->buf + crr->begin, crr->end - crr->begin, f);
}

int
crr_next(struct crr *crr, struct crr_frame *f, int timeout_ms)
{
	int64_t	until_ms = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
	ssize_t	n;

	if (crr->out_used > 0)
		crr_flush(crr);
	drop(crr);
	for (;;) {
		switch (look(crr, f)) {
		case CRR_FRAME:
			crr->taken = CRR_HEADER + f->len;
			return 1;
		case CRR_MORE:
			break;
		case CRR_OTHER_VERSION:
			errno = EPROTONOSUPPORT;
			return -1;
		case CRR_OTHER_TYPE:
		case CRR_WRONG_LENGTH:
		case CRR_GARBAGE:
			errno = EPROTO;
			return -1;
		}
		if (make_room(crr, CRR_HEADER + (size_t)f->len) == -1 ||
		    (n = fill(crr, until_ms)) == -1)
			return -1;
		if (n == 0)
			return end(crr);
	}
}

int
crr_message(const struct crr_frame *f, struct crr_message *m)
{
	const unsigned char *p = f->payload;
	size_t fixed;

	errno = EPROTO;
	switch (f->type) {
	case CRR_BROADCAST:
	case CRR_SAVE:
	case CRR_DELETE:
	case CRR_MESSAGE:
	case CRR_SAVED:
	case CRR_DELETED:
		break;
	default:
		return -1;
	}
	m->seq = crr_get64(p + CRR_BUS_SEQ);
	m->pid = (int32_t)crr_get32(p + CRR_BUS_PID);
	m->worker = (int32_t)crr_get32(p + CRR_BUS_WORKER);
	m->flags = crr_get16(p + CRR_BUS_FLAGS);
	m->name_len = crr_get16(p + CRR_BUS_NAME_LEN);
	m->id_len = crr_get16(p + CRR_BUS_ID_LEN);
	fixed = CRR_BUS_FIXED + m->name_len + m->id_len;
	if (fixed > f->len)
		return -1;
	m->name = (const char *)p + CRR_BUS_FIXED;
	m->id = m->name + m->name_len;
	m->data = p + fixed;
	m->data_len = f->len - fixed;
	return 0;
}

int
crr_publish(struct crr *crr, enum crr_type type, uint32_t id,
    const struct crr_message *m)
{
	unsigned char head[CRR_HEADER + CRR_BUS_FIXED] = { 0 };
	unsigned char *p = head + CRR_HEADER;
	struct iovec iov[4];

	if (m->id_len == 0 && type != CRR_BROADCAST) {
		errno = EINVAL;
		return -1;
	}
	if (m->name_len > CRR_NAME_MAX || m->id_len > CRR_NAME_MAX ||
	    m->data_len > CRR_DATA_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	crr_header(head, type, (uint32_t)(CRR_BUS_FIXED + m->name_len +
	    m->id_len + m->data_len), id);
	crr_put16(p + CRR_BUS_NAME_LEN, (uint16_t)m->name_len);
	crr_put16(p + CRR_BUS_ID_LEN, (uint16_t)m->id_len);
	iov[0] = part(head, sizeof(head));
	iov[1] = part(m->name, m->name_len);
	iov[2] = part(m->id, m->id_len);
	iov[3] = part(m->data, m->data_len);
	return send_all(crr, iov, 4);
}

static int
publish(struct crr *crr, enum crr_type type, const char *name,
    const char *id, const void *data, size_t len)
{
	const struct crr_message m = {
		.name = name, .name_len = strlen(name),
		.id = id, .id_len = strlen(id),
		.data = data, .data_len = len,
	};

	return crr_publish(crr, type, 0, &m);
}

int
crr_save(struct crr *crr, const char *name, const char *id, const void *data,
    size_t len)
{
	return publish(crr, CRR_SAVE, name, id, data, len);
}

int
crr_delete(struct crr *crr, const char *name, const char *id)
{
	return publish(crr, CRR_DELETE, name, id, "", 0);
}

int
crr_broadcast(struct crr *crr, const char *name, const void *data, size_t len)
{
	return publish(crr, CRR_BROADCAST, name, "", data, len);
}

int
crr_subscribe(struct crr *crr, uint32_t flags)
{
	unsigned char payload[4];

	crr_put32(payload, flags);
	return crr_send(crr, CRR_SUBSCRIBE, 1, payload, sizeof(payload));
}

/* Wait for DONE or ERROR. */
static int
wait_done(struct crr *crr, int timeout_ms)
{
	struct crr_frame f;
	int rc;

	while ((rc = crr_next(crr, &f, timeout_ms)) == 1) {
		if (f.type == CRR_DONE)
			return 0;
		if (f.type == CRR_ERROR) {
			errno = EPERM;
			return -1;
		}
	}
	if (rc == 0)
		errno = ECONNRESET;
	return -1;
}

static int
ask(const char *path, enum crr_type type, const void *payload, size_t len,
    int timeout_ms)
{
	char found[sizeof(((struct sockaddr_un *)0)->sun_path)];
	struct crr crr;
	int fd, rc, saved;

	if (crr_path(path, NULL, found, sizeof(found)) == -1 ||
	    (fd = crr_connect(found, timeout_ms)) == -1)
		return -1;
	crr_init(&crr, fd);
	rc = crr_send(&crr, type, 1, payload, len);
	if (rc == 0)
		rc = wait_done(&crr, timeout_ms);
	saved = errno;
	crr_close(&crr);
	errno = saved;
	return rc;
}

int
crr_say_ready(const char *path, int timeout_ms)
{
	return ask(path, CRR_READY, NULL, 0, timeout_ms);
}

int
crr_ask_reload(const char *path, int timeout_ms)
{
	unsigned char payload[4];

	crr_put32(payload, CRR_RELOAD_NOWAIT);
	return ask(path, CRR_RELOAD, payload, sizeof(payload), timeout_ms);
}
