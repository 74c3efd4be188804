/* Frames whole, in pieces and wrong; and the examples of doc/protocol.md. */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/event.h"
#include "ipc.h"
#include "test/tap.h"

static const struct type {
	const char	*name;
	unsigned	 number;
	uint32_t	 least, greatest;
} types[] = {
#define X(name, number, least, greatest) { #name, number, least, greatest },
	CRR_TYPES(X)
#undef X
};

enum {
	NTYPES = sizeof(types) / sizeof(types[0]),
	ID = 0x01020304,
	PAUSE_MS = 2,
	SOON_MS = 5000,			/* what should not take long */
};

/* Write a frame whose payload is n bytes of 'x'; return its size. */
static size_t
build(unsigned char *buf, unsigned type, uint32_t len, size_t n)
{
	crr_header(buf, (enum crr_type)type, len, ID);
	memset(buf + CRR_HEADER, 'x', n);
	return CRR_HEADER + n;
}

static void
pause_ms(int ms)
{
	poll(NULL, 0, ms);
}

static void
test_numbers(void)
{
	unsigned char p[8];

	crr_put16(p, 0xfedc);
	ok(p[0] == 0xfe && p[1] == 0xdc && crr_get16(p) == 0xfedc,
	    "16 bits are big-endian both ways");
	crr_put32(p, 0xfedcba98);
	ok(p[0] == 0xfe && p[3] == 0x98 && crr_get32(p) == 0xfedcba98,
	    "32 bits are big-endian both ways");
	crr_put64(p, UINT64_C(0xfedcba9876543210));
	ok(p[0] == 0xfe && p[7] == 0x10 &&
	    crr_get64(p) == UINT64_C(0xfedcba9876543210),
	    "64 bits are big-endian both ways");
}

static void
test_header(void)
{
	static const unsigned char	expected[] = {
		'c', 'r', 'r', 0, 0, 1, 0, 5, 0, 0, 0, 4, 1, 2, 3, 4
	};
	unsigned char			head[CRR_HEADER];

	crr_header(head, CRR_RELOAD, 4, ID);
	ok(memcmp(head, expected, sizeof(head)) == 0,
	    "a header has magic, version, type, len and id");
	ok(strcmp(crr_type_name(CRR_RELOAD), "RELOAD") == 0,
	    "a type has a name");
	ok(strcmp(crr_type_name(0), "unknown") == 0 &&
	    strcmp(crr_type_name(65535), "unknown") == 0,
	    "another number has none");
}

static void
test_pieces(void)
{
	unsigned char		buf[64];
	size_t			size = build(buf, CRR_SCALE, 8, 8), i;
	struct crr_frame	f;
	bool			more = true;

	for (i = 0; i < size; i++)
		more = more && crr_parse(buf, i, &f) == CRR_MORE;
	ok(more, "a frame that lacks a byte or more needs more");
	ok(crr_parse(buf, size, &f) == CRR_FRAME &&
	    f.version == CRR_OUR_VERSION && f.type == CRR_SCALE &&
	    f.len == 8 && f.id == ID && f.payload == buf + CRR_HEADER,
	    "with its last byte it is whole");
	memset(buf + size, 'y', sizeof(buf) - size);
	ok(crr_parse(buf, sizeof(buf), &f) == CRR_FRAME && f.len == 8,
	    "what follows it does not matter");
}

static void
test_many(void)
{
	unsigned char		buf[4096];
	struct crr_frame	f;
	size_t			used = 0, at = 0;
	unsigned		n = 0;

	while (used + CRR_HEADER + 8 <= sizeof(buf))
		used += n++ % 2 == 0 ? build(buf + used, CRR_SCALE, 8, 8) :
		    build(buf + used, CRR_DONE, 0, 0);
	while (crr_parse(buf + at, used - at, &f) == CRR_FRAME) {
		at += CRR_HEADER + f.len;
		n--;
	}
	ok(n == 0 && at == used, "each of many frames in one read is found");
}

static void
test_version(void)
{
	unsigned char		buf[CRR_HEADER];
	struct crr_frame	f;
	size_t			i;
	bool			more = true;

	build(buf, 0xffff, 0xffffffff, 0);
	crr_put16(buf + 4, 2);
	for (i = 0; i < sizeof(buf); i++)
		more = more && crr_parse(buf, i, &f) == CRR_MORE;
	ok(more && crr_parse(buf, sizeof(buf), &f) == CRR_OTHER_VERSION &&
	    f.version == 2 && f.len == 0xffffffff && f.id == ID,
	    "another version is told from the header alone, whatever its type");
	crr_put16(buf + 4, 0);
	ok(crr_parse(buf, sizeof(buf), &f) == CRR_OTHER_VERSION && f.version == 0,
	    "version 0 is another one");
}

static void
test_types(void)
{
	unsigned char		buf[CRR_HEADER];
	struct crr_frame	f;
	unsigned		type, i;
	bool			good = true, known;

	for (type = 0; type <= 0xffff; type++) {
		build(buf, type, 0xffffffff, 0);
		for (known = false, i = 0; i < NTYPES; i++)
			known = known || types[i].number == type;
		if (!known)
			good = good && crr_parse(buf, sizeof(buf), &f) ==
			    CRR_OTHER_TYPE && f.type == type && f.id == ID;
	}
	ok(good, "every unknown type is told from the header alone");
}

static enum crr_result
parse_len(unsigned type, uint32_t len)
{
	unsigned char		buf[CRR_HEADER];
	struct crr_frame	f;

	build(buf, type, len, 0);
	return crr_parse(buf, sizeof(buf), &f);
}

static void
test_lengths(void)
{
	const struct type	*t;
	char			 sentence[80];

	for (t = types; t < types + NTYPES; t++) {
		snprintf(sentence, sizeof(sentence), "%s has %lu to %lu bytes, "
		    "no fewer, no more", t->name, (unsigned long)t->least,
		    (unsigned long)t->greatest);
		ok((t->least == 0 ||
		    parse_len(t->number, t->least - 1) == CRR_WRONG_LENGTH) &&
		    parse_len(t->number, t->least) ==
		    (t->least == 0 ? CRR_FRAME : CRR_MORE) &&
		    parse_len(t->number, t->greatest) ==
		    (t->greatest == 0 ? CRR_FRAME : CRR_MORE) &&
		    parse_len(t->number, t->greatest + 1) == CRR_WRONG_LENGTH &&
		    parse_len(t->number, 0x80000000) == CRR_WRONG_LENGTH &&
		    parse_len(t->number, 0xffffffff) == CRR_WRONG_LENGTH &&
		    t->greatest <= CRR_PAYLOAD_MAX, sentence);
	}
}

static void
test_garbage(void)
{
	unsigned char		buf[CRR_HEADER];
	struct crr_frame	f;
	size_t			i;
	bool			good = true;

	for (i = 0; i < 4; i++) {
		build(buf, CRR_DONE, 0, 0);
		buf[i] ^= 1;
		good = good && crr_parse(buf, i, &f) == CRR_MORE &&
		    crr_parse(buf, i + 1, &f) == CRR_GARBAGE;
	}
	ok(good, "garbage is told from the first byte that differs");
	ok(crr_parse("GET / HTTP/1.1\r\n", 16, &f) == CRR_GARBAGE,
	    "HTTP is garbage");
}

static void
check_path(const char *path, const char *name, const char *environment,
    const char *expected, int code)
{
	char	buf[256] = "", sentence[256];
	int	rc;

	if (environment == NULL)
		unsetenv("CRR_SOCKET");
	else
		setenv("CRR_SOCKET", environment, 1);
	rc = crr_path(path, name, buf, sizeof(buf));
	snprintf(sentence, sizeof(sentence),
	    "path %.20s, name %.20s, CRR_SOCKET %s: %s",
	    path == NULL ? "none" : path, name == NULL ? "none" : name,
	    environment == NULL ? "unset" : environment,
	    code == 0 ? expected : strerror(code));
	ok(code == 0 ? rc == 0 && strcmp(buf, expected) == 0 :
	    rc == -1 && errno == code, sentence);
}

static void
test_path(void)
{
	char	standard[64], shop[80], longest[128], longer[128];
	size_t	max = sizeof(((struct sockaddr_un *)0)->sun_path);

	if (getuid() == 0)
		snprintf(standard, sizeof(standard), "/run/crr/");
	else
		snprintf(standard, sizeof(standard), "/tmp/crr-%u/",
		    (unsigned)getuid());
	snprintf(shop, sizeof(shop), "%sshop.sock", standard);
	strcat(standard, "default.sock");
	memset(longest, 'x', sizeof(longest));
	memcpy(longer, longest, sizeof(longer));
	longest[max - 1] = longer[max] = '\0';

	check_path("/a", "b", "/c", "/a", 0);
	check_path(NULL, "shop", "/c", shop, 0);
	check_path(NULL, NULL, "/c", "/c", 0);
	check_path(NULL, NULL, NULL, standard, 0);
	check_path(NULL, NULL, "", standard, 0);
	check_path(longest, NULL, NULL, longest, 0);
	check_path(longer, NULL, NULL, NULL, ENAMETOOLONG);
	check_path(NULL, longest, NULL, NULL, ENAMETOOLONG);
	check_path(NULL, NULL, longer, NULL, ENAMETOOLONG);
	check_path("", NULL, NULL, NULL, EINVAL);
	check_path(NULL, "", NULL, NULL, EINVAL);
	check_path(NULL, ".shop", NULL, NULL, EINVAL);
	check_path(NULL, "a/b", NULL, NULL, EINVAL);
	ok(crr_connect(longer, -1) == -1 && errno == ENAMETOOLONG,
	    "a path that is too long is not connected to");
	unsetenv("CRR_SOCKET");
}

/* Make two ends; the other one is a plain descriptor. */
static void
make_pair(struct crr *crr, int *other)
{
	int fd[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == -1)
		abort();
	crr_init(crr, fd[0]);
	*other = fd[1];
}

static void
write_all(int fd, const void *data, size_t size)
{
	if (write(fd, data, size) != (ssize_t)size)
		abort();
}

/* Start a process that does what writer says and ends. */
static void
fork_writer(struct crr *crr, int other, void (*writer)(int))
{
	pid_t pid;

	fflush(stdout);
	if ((pid = fork()) == -1)
		abort();
	if (pid != 0) {
		close(other);
		return;
	}
	close(crr->fd);
	writer(other);
	_exit(0);
}

static void
write_slowly(int fd)
{
	unsigned char	buf[256];
	size_t		size, i;

	size = build(buf, CRR_SCALE, 8, 8);
	size += build(buf + size, CRR_DONE, 0, 0);
	size += build(buf + size, CRR_ERROR, 30, 30);
	for (i = 0; i < size; i++) {
		write_all(fd, buf + i, 1);
		pause_ms(PAUSE_MS);
	}
}

static void
test_slow(void)
{
	struct crr		crr;
	struct crr_frame	f;
	int			other;

	make_pair(&crr, &other);
	fork_writer(&crr, other, write_slowly);
	ok(crr_next(&crr, &f, SOON_MS) == 1 && f.type == CRR_SCALE &&
	    f.len == 8 && f.payload[7] == 'x' &&
	    crr_next(&crr, &f, SOON_MS) == 1 && f.type == CRR_DONE &&
	    crr_next(&crr, &f, -1) == 1 && f.type == CRR_ERROR &&
	    f.len == 30 && memcmp(f.payload, "xxxxx", 5) == 0,
	    "frames that come byte by byte are whole");
	ok(crr_next(&crr, &f, SOON_MS) == 0 && crr_next(&crr, &f, -1) == 0,
	    "the end between two frames is an end, and stays one");
	crr_close(&crr);
	wait(NULL);
}

static void
write_much(int fd)
{
	struct crr	 crr;
	unsigned char	*payload = malloc(1 << 20);
	uint32_t	 i;

	crr_init(&crr, fd);
	for (i = 0; i < 1 << 20; i++)
		payload[i] = (unsigned char)(i % 251);
	for (i = 0; i < 1000; i++)
		if (crr_send(&crr, CRR_DONE, i, NULL, 0) == -1)
			abort();
	if (crr_send(&crr, CRR_STATUS_MASTER, ID, payload, 1 << 20) == -1)
		abort();
	free(payload);
	crr_close(&crr);
}

static void
test_much(void)
{
	struct crr		crr;
	struct crr_frame	f;
	uint32_t		i;
	int			other;
	bool			good = true;

	make_pair(&crr, &other);
	fork_writer(&crr, other, write_much);
	for (i = 0; i < 1000; i++)
		good = good && crr_next(&crr, &f, SOON_MS) == 1 &&
		    f.type == CRR_DONE && f.id == i;
	ok(good, "a thousand frames come in their order");
	good = crr_next(&crr, &f, SOON_MS) == 1 && f.len == 1 << 20;
	for (i = 0; good && i < 1 << 20; i++)
		good = f.payload[i] == i % 251;
	ok(good && crr_next(&crr, &f, SOON_MS) == 0,
	    "a payload of a mebibyte is sent and read");
	crr_close(&crr);
	wait(NULL);
}

/* Give crr_next these bytes and the end of file. */
static void
check_bytes(const unsigned char *buf, size_t size, int code,
    const char *sentence)
{
	struct crr		crr;
	struct crr_frame	f;
	int			other, rc;

	make_pair(&crr, &other);
	write_all(other, buf, size);
	close(other);
	errno = 0;
	rc = crr_next(&crr, &f, SOON_MS);
	ok(rc == -1 && errno == code && crr.size <= 65536, sentence);
	crr_close(&crr);
}

static void
test_broken(void)
{
	unsigned char		buf[64];
	size_t			size;
	struct crr		crr;
	struct crr_frame	f;
	int			other;

	size = build(buf, CRR_SCALE, 8, 8);
	check_bytes(buf, 1, EPROTO, "an end after one byte is an error");
	check_bytes(buf, CRR_HEADER, EPROTO,
	    "an end after the header is an error");
	check_bytes(buf, size - 1, EPROTO,
	    "an end before the last byte is an error");
	build(buf, CRR_SCALE, 9, 8);
	check_bytes(buf, size, EPROTO, "a wrong length is an error");
	build(buf, CRR_SCALE, 0xffffffff, 8);
	check_bytes(buf, size, EPROTO, "a huge length takes no memory");
	build(buf, 999, 8, 8);
	check_bytes(buf, size, EPROTO, "an unknown type is an error");
	check_bytes((const unsigned char *)"x", 1, EPROTO,
	    "garbage is an error");

	make_pair(&crr, &other);
	build(buf, CRR_SCALE, 8, 0);
	crr_put16(buf + 4, 7);
	write_all(other, buf, CRR_HEADER);
	ok(crr_next(&crr, &f, SOON_MS) == -1 && errno == EPROTONOSUPPORT &&
	    f.version == 7, "another version is named");
	close(other);
	crr_close(&crr);
}

static void
test_waiting(void)
{
	unsigned char		buf[64];
	struct crr		crr;
	struct crr_frame	f;
	int			other;

	make_pair(&crr, &other);
	ok(crr_next(&crr, &f, 0) == -1 && errno == ETIMEDOUT,
	    "no time to wait is no frame");
	build(buf, CRR_SCALE, 8, 8);
	write_all(other, buf, 10);
	ok(crr_next(&crr, &f, 10) == -1 && errno == ETIMEDOUT,
	    "half a frame in time is no frame");
	write_all(other, buf + 10, CRR_HEADER + 8 - 10);
	ok(crr_next(&crr, &f, 0) == 1 && f.type == CRR_SCALE,
	    "its second half makes it one");
	close(other);
	crr_close(&crr);
}

static void
test_send(void)
{
	struct crr		crr;
	struct crr_frame	f;
	unsigned char		payload[9] = { 0 };
	int			other;

	make_pair(&crr, &other);
	ok(crr_send(&crr, CRR_SCALE, ID, payload, 7) == -1 &&
	    errno == EMSGSIZE && crr_send(&crr, CRR_SCALE, ID, payload, 9) ==
	    -1 && errno == EMSGSIZE && crr_send(&crr, (enum crr_type)999, ID,
	    NULL, 0) == -1 && errno == EMSGSIZE,
	    "a payload that its type can't have is not sent");
	close(other);
	ok(crr_send(&crr, CRR_SCALE, ID, payload, 8) == -1 &&
	    errno == EPIPE, "sending to nobody raises no signal");
	ok(crr_next(&crr, &f, SOON_MS) == 0, "and the end is an end");
	crr_close(&crr);
	ok(crr.fd == -1 && crr.buf == NULL, "what is closed keeps nothing");
	crr_close(&crr);
}

static void
test_connect(void)
{
	struct sockaddr_un	sun = { .sun_family = AF_UNIX };
	int			listener, fd, full[64], n = 0;

	snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/unit_ipc.%ld",
	    (long)getpid());
	ok(crr_connect(sun.sun_path, SOON_MS) == -1 && errno == ENOENT,
	    "nobody's path is ENOENT");
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (listener == -1 ||
	    bind(listener, (struct sockaddr *)&sun, sizeof(sun)) == -1)
		abort();
	ok(crr_connect(sun.sun_path, SOON_MS) == -1 && errno == ECONNREFUSED,
	    "one that does not listen is ECONNREFUSED");
	if (listen(listener, 1) == -1)
		abort();
	fd = crr_connect(sun.sun_path, -1);
	ok(fd != -1 && (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0,
	    "a connection is close-on-exec");
	while (n < 64 && (full[n] = crr_connect(sun.sun_path, 20)) != -1)
		n++;
	ok(n < 64 && errno == ETIMEDOUT,
	    "one that accepts nobody is given up in time");
	while (n > 0)
		close(full[--n]);
	close(fd);
	close(listener);
	unlink(sun.sun_path);
}

/* Read the next block of hex out of the document; return its bytes. */
static size_t
read_example(FILE *doc, unsigned char *buf, size_t size)
{
	char		line[256], *p;
	size_t		n = 0;
	unsigned	byte;
	int		width;

	do {
		if (fgets(line, sizeof(line), doc) == NULL)
			return 0;
	} while (strcmp(line, "```hex\n") != 0);
	while (fgets(line, sizeof(line), doc) != NULL && *line != '`')
		for (p = line; n < size &&
		    sscanf(p, "%2x%n", &byte, &width) == 1; p += width)
			buf[n++] = (unsigned char)byte;
	return n;
}

static void
check_event(const struct crr_frame *f)
{
	static const char text[] = "killed by SIGSEGV";

	ok(crr_get16(f->payload) == CRR_EVENT_WORKER_DOWN &&
	    crr_get32(f->payload + 8) == 77659 &&
	    f->len == 28 + strlen(text) &&
	    memcmp(f->payload + 28, text, strlen(text)) == 0,
	    "the documented event is what its text says");
}

static void
test_document(void)
{
	FILE			*doc = fopen("doc/protocol.md", "r");
	unsigned char		 buf[1024];
	struct crr_frame	 f;
	size_t			 size, i;
	char			 sentence[80];

	if (doc == NULL) {
		ok(false, "doc/protocol.md is read from the top directory");
		return;
	}
	for (i = 0; i < NTYPES; i++) {
		size = read_example(doc, buf, sizeof(buf));
		snprintf(sentence, sizeof(sentence),
		    "the documented example of %s is one whole frame",
		    types[i].name);
		ok(crr_parse(buf, size, &f) == CRR_FRAME && (f.id == 7 ||
		    (f.id == 0 && types[i].number >= CRR_BROADCAST)) &&
		    f.type == types[i].number && size == CRR_HEADER + f.len,
		    sentence);
		if (f.type == CRR_EVENT && f.payload != NULL)
			check_event(&f);
	}
	ok(read_example(doc, buf, sizeof(buf)) == 0,
	    "there is no example of a type that does not exist");
	fclose(doc);
}

static void
test_gather(void)
{
	unsigned char		buf[64], payload[100] = { 'x' };
	struct crr_frame	f;
	struct crr		crr, peer;
	int			other, i, n = 0;

	make_pair(&crr, &other);
	crr_init(&peer, other);
	crr_gather(&crr, buf, sizeof(buf));
	ok(crr_send(&crr, CRR_DONE, 1, NULL, 0) == 0 &&
	    crr_next(&peer, &f, 0) == -1 && errno == ETIMEDOUT,
	    "what is gathered is not sent");
	ok(crr_flush(&crr) == 0 && crr_next(&peer, &f, 0) == 1 && f.id == 1,
	    "but when it is flushed");
	for (i = 0; i < 9; i++)
		crr_send(&crr, CRR_DONE, 10 + (uint32_t)i, NULL, 0);
	while (crr_next(&peer, &f, 0) == 1)
		n += f.id == 10 + (uint32_t)n;
	ok(n == 8, "and when the buffer is full");
	ok(crr_send(&crr, CRR_ERROR, 19, payload, sizeof(payload)) == 0 &&
	    crr_next(&peer, &f, 0) == 1 && f.id == 18 &&
	    crr_next(&peer, &f, 0) == 1 && f.id == 19 && f.len == 100,
	    "what is larger goes out behind it");
	crr_send(&crr, CRR_DONE, 20, NULL, 0);
	ok(crr_next(&crr, &f, 0) == -1 && crr_next(&peer, &f, 0) == 1 &&
	    f.id == 20, "to wait for an answer sends it, too");
	crr_send(&crr, CRR_DONE, 21, NULL, 0);
	crr_close(&crr);
	ok(crr_next(&peer, &f, 0) == 1 && f.id == 21 &&
	    crr_next(&peer, &f, 0) == 0, "and so does the end");
	crr_close(&peer);

	make_pair(&crr, &other);
	crr_init(&peer, other);
	crr.nonblock = 1;
	crr_gather(&crr, buf, sizeof(buf));
	for (n = 0; crr_send(&crr, CRR_DONE, (uint32_t)n, NULL, 0) == 0; n++)
		continue;
	ok(errno == EAGAIN, "a full socket is told where nobody waits");
	for (i = 0; i < n && crr_next(&peer, &f, SOON_MS) == 1; i++) {
		if (f.id != (uint32_t)i)
			break;
		crr_flush(&crr);
	}
	ok(i == n, "and nothing of what was taken is lost");
	crr_close(&crr);
	crr_close(&peer);
}

static void
test_message(void)
{
	const struct crr_message sent = {
		.name = "n\0m", .name_len = 3, .id = "id", .id_len = 2,
		.data = "data", .data_len = 4,
	};
	struct crr_message	 m;
	struct crr_frame	 f;
	struct crr		 crr, peer;
	int			 other;

	make_pair(&crr, &other);
	crr_init(&peer, other);
	ok(crr_publish(&crr, CRR_SAVE, 7, &sent) == 0 &&
	    crr_next(&peer, &f, SOON_MS) == 1 && f.type == CRR_SAVE &&
	    f.id == 7 && crr_message(&f, &m) == 0, "a message is sent");
	ok(m.name_len == 3 && memcmp(m.name, "n\0m", 3) == 0 &&
	    m.id_len == 2 && memcmp(m.id, "id", 2) == 0 && m.data_len == 4 &&
	    memcmp(m.data, "data", 4) == 0, "and read as it was");
	ok(crr_save(&crr, "n", "", "x", 1) == -1 && errno == EINVAL &&
	    crr_delete(&crr, "n", "") == -1 && errno == EINVAL,
	    "a value needs an id");
	ok(crr_broadcast(&crr, "", "x", (size_t)CRR_DATA_MAX + 1) == -1 &&
	    errno == EMSGSIZE, "16 MiB and a byte are too much");
	f.len = CRR_BUS_FIXED + 2;
	ok(crr_message(&f, &m) == -1 && errno == EPROTO,
	    "one whose parts are longer than it is none");
	f.type = CRR_DONE;
	ok(crr_message(&f, &m) == -1 && errno == EPROTO,
	    "nor is what is no message");
	crr_close(&crr);
	crr_close(&peer);
}

int
main(void)
{
	test_numbers();
	test_header();
	test_pieces();
	test_many();
	test_version();
	test_types();
	test_lengths();
	test_garbage();
	test_path();
	test_slow();
	test_much();
	test_broken();
	test_waiting();
	test_send();
	test_connect();
	test_document();
	test_gather();
	test_message();
	return done();
}
