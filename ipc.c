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

static const struct type {		/* by number */
	char		 name[20];	/* "": no type has this number */
	uint32_t	 least, greatest;	/* bytes of payload */
} types[] = {
#define X(name, number, least, greatest) [number] = { #name, least, greatest },
	CRR_TYPES(X)
#undef X
};

/* Frames in memory. */

static const struct type *
find_type(unsigned number)
{
	if (number >= sizeof(types) / sizeof(types[0]) ||
	    types[number].name[0] == '\0')
		return NULL;
	return &types[number];
}

const char *
crr_type_name(unsigned type)
{
	const struct type *known = find_type(type);

	return known == NULL ? "unknown" : known->name;
}

void
crr_put16(unsigned char *p, uint16_t number)
{
	p[0] = (unsigned char)(number >> 8);
	p[1] = (unsigned char)number;
}

void
crr_put32(unsigned char *p, uint32_t number)
{
	crr_put16(p, (uint16_t)(number >> 16));
	crr_put16(p + 2, (uint16_t)number);
}

void
crr_put64(unsigned char *p, uint64_t number)
{
	crr_put32(p, (uint32_t)(number >> 32));
	crr_put32(p + 4, (uint32_t)number);
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
crr_parse(const void *data, size_t size, struct crr_frame *frame)
{
	const unsigned char	*p = data;
	const struct type	*type;

	memset(frame, 0, sizeof(*frame));
	if (size == 0)
		return CRR_MORE;
	if (memcmp(p, CRR_MAGIC, size < MAGIC_SIZE ? size : MAGIC_SIZE) != 0)
		return CRR_GARBAGE;
	if (size < CRR_HEADER)
		return CRR_MORE;

	frame->version = crr_get16(p + 4);
	frame->len = crr_get32(p + 8);
	frame->id = crr_get32(p + 12);
	if (frame->version != CRR_OUR_VERSION)
		return CRR_OTHER_VERSION;
	frame->type = crr_get16(p + 6);
	if ((type = find_type(frame->type)) == NULL)
		return CRR_OTHER_TYPE;
	if (frame->len < type->least || frame->len > type->greatest)
		return CRR_WRONG_LENGTH;
	if (size - CRR_HEADER < frame->len)
		return CRR_MORE;
	frame->payload = p + CRR_HEADER;
	return CRR_FRAME;
}

/* Connections. */

/* Returns as snprintf does. */
static int
make_default_path(const char *name, char *buf, size_t size)
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
crr_path(const char *path, const char *name, char *path_out, size_t size)
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
		len = snprintf(path_out, size, "%s", path);
	else
		len = make_default_path(name, path_out, size);
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

/* On a Unix socket connect(2) waits for room in the peer's queue, and gives up
 * after SO_SNDTIMEO (unix(7)). */
static int
limit_blocking(int fd, int timeout_ms)
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
	rc = limit_blocking(fd, timeout_ms);
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

/* Sending. */

static void
skip_sent(struct iovec *iov, int n, size_t sent)
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
count_bytes(const struct iovec *iov, int n)
{
	size_t	len = 0;
	int	i;

	for (i = 0; i < n; i++)
		len += iov[i].iov_len;
	return len;
}

/* A frame that has begun must end: only the first part may fail with EAGAIN. */
static int
send_now(const struct crr *crr, struct iovec *iov, int n)
{
	struct msghdr	msg = { .msg_iov = iov, .msg_iovlen = (size_t)n };
	int		flags = MSG_NOSIGNAL;
	size_t		left = count_bytes(iov, n);
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
		skip_sent(iov, n, (size_t)sent);
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

static int
send_or_gather(struct crr *crr, struct iovec *iov, int n)
{
	size_t	len = count_bytes(iov, n);
	int	i;

	if (crr->out == NULL)
		return send_now(crr, iov, n);
	if (len > crr->out_size - crr->out_used && crr_flush(crr) == -1)
		return -1;
	if (len > crr->out_size)
		return send_now(crr, iov, n);
	for (i = 0; i < n; i++) {
		if (iov[i].iov_len == 0)	/* and perhaps NULL */
			continue;
		memcpy(crr->out + crr->out_used, iov[i].iov_base,
		    iov[i].iov_len);
		crr->out_used += iov[i].iov_len;
	}
	return 0;
}

/* iov_base is not const; sendmsg only reads. */
static struct iovec
make_part(const void *base, size_t len)
{
	struct iovec iov = { .iov_len = len };

	memcpy(&iov.iov_base, &base, sizeof(base));
	return iov;
}

int
crr_send(struct crr *crr, enum crr_type type, uint32_t id,
    const void *payload, size_t len)
{
	const struct type	*known = find_type(type);
	unsigned char		 head[CRR_HEADER];
	struct iovec		 iov[2];

	if (known == NULL || len < known->least || len > known->greatest) {
		errno = EMSGSIZE;
		return -1;
	}
	crr_header(head, type, (uint32_t)len, id);
	iov[0] = make_part(head, sizeof(head));
	iov[1] = make_part(payload, len);
	return send_or_gather(crr, iov, len == 0 ? 1 : 2);
}

/* Reading. */

static int64_t
read_clock_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* until_ms 0: without limit. */
static int
wait_readable(int fd, int64_t until_ms)
{
	struct pollfd	pfd = { .fd = fd, .events = POLLIN };
	int64_t		left_ms = -1;
	int		n;

	for (;;) {
		if (until_ms != 0) {
			left_ms = until_ms - read_clock_ms();
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

/* Make the buffer large enough for a frame of need bytes, and leave room behind
 * what is in it. */
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

/* Returns as recv(2) does. */
static ssize_t
read_more(struct crr *crr, int64_t until_ms)
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

static void
drop_taken(struct crr *crr)
{
	crr->begin += crr->taken;
	crr->taken = 0;
	if (crr->begin == crr->end)
		crr->begin = crr->end = 0;
}

static int
judge_end(const struct crr *crr)
{
	if (crr->end == crr->begin)
		return 0;
	errno = EPROTO;
	return -1;
}

/* Before the first read there is no buffer. */
static enum crr_result
parse_first(const struct crr *crr, struct crr_frame *frame)
{
	if (crr->begin == crr->end)
		return crr_parse("", 0, frame);
	return crr_parse(crr->buf + crr->begin, crr->end - crr->begin,
	    frame);
}

int
crr_next(struct crr *crr, struct crr_frame *frame, int timeout_ms)
{
	int64_t	until_ms = timeout_ms < 0 ? 0 : read_clock_ms() + timeout_ms;
	ssize_t	n;

	if (crr->out_used > 0)
		crr_flush(crr);
	drop_taken(crr);
	for (;;) {
		switch (parse_first(crr, frame)) {
		case CRR_FRAME:
			crr->taken = CRR_HEADER + frame->len;
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
		if (make_room(crr, CRR_HEADER + (size_t)frame->len) == -1 ||
		    (n = read_more(crr, until_ms)) == -1)
			return -1;
		if (n == 0)
			return judge_end(crr);
	}
}

/* The bus. */

int
crr_message(const struct crr_frame *frame, struct crr_message *message)
{
	const unsigned char *p = frame->payload;
	size_t fixed;

	errno = EPROTO;
	switch (frame->type) {
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
	message->seq = crr_get64(p + CRR_BUS_SEQ);
	message->pid = (int32_t)crr_get32(p + CRR_BUS_PID);
	message->worker = (int32_t)crr_get32(p + CRR_BUS_WORKER);
	message->flags = crr_get16(p + CRR_BUS_FLAGS);
	message->name_len = crr_get16(p + CRR_BUS_NAME_LEN);
	message->id_len = crr_get16(p + CRR_BUS_ID_LEN);
	fixed = CRR_BUS_FIXED + message->name_len + message->id_len;
	if (fixed > frame->len)
		return -1;
	message->name = (const char *)p + CRR_BUS_FIXED;
	message->id = message->name + message->name_len;
	message->data = p + fixed;
	message->data_len = frame->len - fixed;
	return 0;
}

int
crr_publish(struct crr *crr, enum crr_type type, uint32_t id,
    const struct crr_message *message)
{
	unsigned char head[CRR_HEADER + CRR_BUS_FIXED] = { 0 };
	unsigned char *p = head + CRR_HEADER;
	struct iovec iov[4];

	if (message->id_len == 0 && type != CRR_BROADCAST) {
		errno = EINVAL;
		return -1;
	}
	if (message->name_len > CRR_NAME_MAX ||
	    message->id_len > CRR_NAME_MAX ||
	    message->data_len > CRR_DATA_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	crr_header(head, type, (uint32_t)(CRR_BUS_FIXED + message->name_len +
	    message->id_len + message->data_len), id);
	crr_put16(p + CRR_BUS_NAME_LEN, (uint16_t)message->name_len);
	crr_put16(p + CRR_BUS_ID_LEN, (uint16_t)message->id_len);
	iov[0] = make_part(head, sizeof(head));
	iov[1] = make_part(message->name, message->name_len);
	iov[2] = make_part(message->id, message->id_len);
	iov[3] = make_part(message->data, message->data_len);
	return send_or_gather(crr, iov, 4);
}

static int
publish_text(struct crr *crr, enum crr_type type, const char *name,
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
	return publish_text(crr, CRR_SAVE, name, id, data, len);
}

int
crr_delete(struct crr *crr, const char *name, const char *id)
{
	return publish_text(crr, CRR_DELETE, name, id, "", 0);
}

int
crr_broadcast(struct crr *crr, const char *name, const void *data, size_t len)
{
	return publish_text(crr, CRR_BROADCAST, name, "", data, len);
}

int
crr_subscribe(struct crr *crr, uint32_t flags)
{
	unsigned char payload[4];

	crr_put32(payload, flags);
	return crr_send(crr, CRR_SUBSCRIBE, 1, payload, sizeof(payload));
}

/* Single requests. */

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
ask_master(const char *path, enum crr_type type, const void *payload,
    size_t len, int timeout_ms)
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
	return ask_master(path, CRR_READY, NULL, 0, timeout_ms);
}

int
crr_ask_reload(const char *path, int timeout_ms)
{
	unsigned char payload[4];

	crr_put32(payload, CRR_RELOAD_NOWAIT);
	return ask_master(path, CRR_RELOAD, payload, sizeof(payload),
	    timeout_ms);
}
