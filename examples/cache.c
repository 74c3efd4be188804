/*
 * A server whose workers each have a cache, and keep all of them in step with
 * crr's library:
 *
 *	cc -o cache cache.c $(pkg-config --cflags --libs crr)
 *	PORT=8080 crr run --ready notify --retain 64M -- ./cache
 *
 * It answers GET /, /save/ID/DATA, /get/ID, /delete/ID and /reload. It serves
 * one request at a time, each on a connection of its own, because this example
 * is about the bus.
 */

#include <sys/socket.h>

#include <netinet/in.h>

#include <crr/ipc.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ENTRIES = 1024,			/* values in the cache */
	TEXT = 64,			/* bytes of an id or value, with NUL */
};

struct entry {
	char	 id[TEXT], data[TEXT];
};

static struct entry cache[ENTRIES];

static struct entry *
find_entry(const char *id)
{
	int i;

	for (i = 0; i < ENTRIES; i++)
		if (strcmp(cache[i].id, id) == 0)
			return &cache[i];
	return NULL;
}

/* If the cache is full, the value is not cached. */
static void
set_entry(const char *id, const char *data)
{
	struct entry *e = find_entry(id);

	if (e == NULL && (e = find_entry("")) == NULL)
		return;
	snprintf(e->id, sizeof(e->id), "%s", id);
	snprintf(e->data, sizeof(e->data), "%s", data);
}

static void
forget_entry(const char *id)
{
	struct entry *e = find_entry(id);

	if (e != NULL)
		memset(e, 0, sizeof(*e));
}

/* The bus. */

static void
join_bus(struct crr *crr)
{
	char path[108];

	if (crr_path(NULL, NULL, path, sizeof(path)) == -1)
		err(1, "$CRR_SOCKET");
	crr_init(crr, crr_connect(path, 1000));
	if (crr->fd == -1 || crr_subscribe(crr, CRR_SUBSCRIBE_MESSAGES |
	    CRR_SUBSCRIBE_RETAINED) == -1)
		err(1, "%s", path);
}

/* After LAGGED the cache may be stale. After SYNCED it has all that was saved
 * before this worker started. */
static void
apply_frame(const struct crr_frame *f)
{
	char id[TEXT], data[TEXT];
	struct crr_message m;

	if (f->type == CRR_LAGGED)
		memset(cache, 0, sizeof(cache));
	if (f->type == CRR_SYNCED && crr_say_ready(NULL, 1000) == -1)
		warn("ready");
	if (crr_message(f, &m) == -1 || m.id_len >= TEXT || m.data_len >= TEXT)
		return;
	snprintf(id, sizeof(id), "%.*s", (int)m.id_len, m.id);
	snprintf(data, sizeof(data), "%.*s", (int)m.data_len,
	    (const char *)m.data);
	if (f->type == CRR_SAVED)
		set_entry(id, data);
	else if (f->type == CRR_DELETED)
		forget_entry(id);
}

/* Reads all that has come. A worker ends when its master has ended. */
static void
read_bus(struct crr *crr)
{
	struct crr_frame f;
	int rc;

	while ((rc = crr_next(crr, &f, 0)) == 1)
		apply_frame(&f);
	if (rc == 0)
		exit(0);
	if (errno != ETIMEDOUT)
		err(1, "the bus");
}

/* Requests. */

static void
send_answer(int fd, const char *text)
{
	char head[128];
	int n;

	n = snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\n"
	    "Content-Length: %zu\r\nConnection: close\r\n\r\n", strlen(text));
	if (write(fd, head, (size_t)n) == -1 ||
	    write(fd, text, strlen(text)) == -1)
		warn("answer");
}

static void
serve_request(int fd, struct crr *crr)
{
	char request[4096], verb[16] = "", id[TEXT] = "", data[TEXT] = "";
	char text[2 * TEXT];
	const struct entry *e;
	ssize_t n;

	n = read(fd, request, sizeof(request) - 1);
	request[n > 0 ? n : 0] = '\0';
	sscanf(request, "GET /%15[^/ ]/%63[^/ ]/%63[^/ ]", verb, id, data);
	snprintf(text, sizeof(text), "I'm pid %d", (int)getpid());
	if (strcmp(verb, "save") == 0 && *id != '\0') {
		set_entry(id, data);
		crr_save(crr, "demo", id, data, strlen(data));
		snprintf(text, sizeof(text), "saved");
	} else if (strcmp(verb, "delete") == 0 && *id != '\0') {
		forget_entry(id);
		crr_delete(crr, "demo", id);
		snprintf(text, sizeof(text), "deleted");
	} else if (strcmp(verb, "get") == 0) {
		e = *id == '\0' ? NULL : find_entry(id);
		snprintf(text, sizeof(text), "%s", e == NULL ? "" : e->data);
	} else if (strcmp(verb, "reload") == 0) {
		snprintf(text, sizeof(text), "%s",
		    crr_ask_reload(NULL, 1000) == 0 ? "reload requested" :
		    strerror(errno));
	}
	send_answer(fd, text);
	close(fd);
}

static int
listen_on(const char *port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
	};
	int fd;

	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd == -1 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == -1 ||
	    listen(fd, 511) == -1)
		err(1, "port %s", port);
	return fd;
}

int
main(void)
{
	const char *port = getenv("PORT");
	struct pollfd fds[2];
	struct crr crr;
	int fd;

	join_bus(&crr);
	fds[0] = (struct pollfd){ .fd = crr.fd, .events = POLLIN };
	fds[1].fd = listen_on(port == NULL ? "8080" : port);
	fds[1].events = POLLIN;
	for (;;) {
		if (poll(fds, 2, -1) == -1 && errno != EINTR)
			err(1, "poll");
		if (fds[0].revents != 0)
			read_bus(&crr);
		if (fds[1].revents != 0 &&
		    (fd = accept(fds[1].fd, NULL, NULL)) != -1)
			serve_request(fd, &crr);
	}
}
