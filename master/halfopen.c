#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#include "diag.h"
#include "halfopen.h"

enum {
	LOOK_MS = 50,			/* between two looks */
	RESEND_MS = 1500,		/* the first SYN-ACK is sent again after
					   1 s, and the client answers it */
};

struct handshake {
	unsigned local_port, remote_port;
	unsigned char remote[16];
	bool	 left;			/* as of the last look */
};

struct beginning {
	struct halfopen *halfopen;
	const struct listeners *listeners;
};

static void
note(void *arg, const struct diag_socket *s)
{
	struct beginning *b = arg;
	struct halfopen *h = b->halfopen;
	struct handshake *list;
	size_t size;

	if (!listeners_have_port(b->listeners, s->local_port))
		return;
	if (h->n == h->size) {
		size = h->size == 0 ? 16 : h->size * 2;
		list = realloc(h->list, size * sizeof(*list));
		if (list == NULL)
			return;
		h->list = list;
		h->size = size;
	}
	h->list[h->n].local_port = s->local_port;
	h->list[h->n].remote_port = s->remote_port;
	memcpy(h->list[h->n].remote, s->remote, sizeof(s->remote));
	h->n++;
}

static bool
defers(const struct listeners *ls)
{
	socklen_t len;
	int i, fd, value;

	for (i = 0; i < ls->n; i++) {
		fd = ls->list[i]->queue[0].fd;
		value = 0;
		len = sizeof(value);
		if (fd != -1 && getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT,
		    &value, &len) == 0 && value > 0)
			return true;
	}
	return false;
}

void
halfopen_begin(struct halfopen *h, const struct listeners *ls,
    int64_t limit_ms, int64_t now_ms)
{
	struct beginning b = { h, ls };

	memset(h, 0, sizeof(*h));
	h->next_ms = now_ms + LOOK_MS;
	if (!defers(ls) && limit_ms > RESEND_MS)
		limit_ms = RESEND_MS;
	h->until_ms = now_ms + limit_ms;
	diag_visit(1U << DIAG_SYN_RECV, note, &b);
}

static void
check(void *arg, const struct diag_socket *s)
{
	struct halfopen *h = arg;
	size_t i;

	for (i = 0; i < h->n; i++) {
		if (h->list[i].remote_port == s->remote_port &&
		    h->list[i].local_port == s->local_port &&
		    memcmp(h->list[i].remote, s->remote,
		    sizeof(s->remote)) == 0)
			h->list[i].left = true;
	}
}

bool
halfopen_left(struct halfopen *h, int64_t now_ms)
{
	size_t i, n;

	if (now_ms >= h->until_ms)
		h->n = 0;
	if (h->n == 0 || now_ms < h->next_ms)
		return h->n > 0;
	h->next_ms = now_ms + LOOK_MS;
	for (i = 0; i < h->n; i++)
		h->list[i].left = false;
	if (diag_visit(1U << DIAG_SYN_RECV, check, h) == -1)
		return true;
	n = 0;
	for (i = 0; i < h->n; i++) {
		if (h->list[i].left)
			h->list[n++] = h->list[i];
	}
	h->n = n;
	return n > 0;
}

void
halfopen_free(struct halfopen *h)
{
	free(h->list);
	h->list = NULL;
	h->n = h->size = 0;
}
