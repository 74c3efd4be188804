#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "master/drain/halfopen.h"
#include "master/socket/diag.h"

enum {
	AGAIN_MS = 5,			/* to the next look after another
					   first one */
	LOOK_MS = 50,			/* between two looks */
	RESEND_MS = 1500,		/* the first SYN-ACK is sent again after
					   1 s, and the client answers that */
};

struct handshake {
	unsigned local_port, remote_port;
	unsigned char remote[16];
	bool	 left;			/* still half done, by the last look */
};

struct visit {
	struct halfopen *halfopen;
	const struct listeners *listeners;
	bool	 any;			/* one is half done, on any port */
};

/* TCP segments that have come in so far: tcpInSegs of RFC 4022, the same for
 * both families. Returns 0 or -1. */
static int
count_segments(unsigned long long *segments)
{
	const char *line;
	char text[PROC_MAX];

	if (proc_read("/proc/self/net/snmp", text, sizeof(text)) <= 0)
		return -1;
	/* A line of names, then one of numbers. */
	line = strstr(text, "\nTcp: ");
	if (line != NULL)
		line = strstr(line + 1, "\nTcp: ");
	return line != NULL && sscanf(line, "\nTcp: %*d %*d %*d %*d %*d %*d "
	    "%*d %*d %*d %llu", segments) == 1 ? 0 : -1;
}

/* No handshake begins without a segment. */
static bool
is_none(const struct handshakes *all)
{
	unsigned long long segments;

	return all->none && count_segments(&segments) == 0 &&
	    segments == all->segments;
}

static void
note_handshake(void *arg, const struct diag_socket *s)
{
	struct visit *v = arg;
	struct halfopen *h = v->halfopen;
	struct handshake *list;
	size_t size;

	v->any = true;
	if (!listeners_have_port(v->listeners, s->local_port))
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
defer_accept(const struct listeners *ls)
{
	socklen_t len;
	int i, fd, value;

	for (i = 0; i < ls->n; i++) {
		fd = listener_queue(ls->list[i], 0)->fd;
		value = 0;
		len = sizeof(value);
		if (fd != -1 && getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT,
		    &value, &len) == 0 && value > 0)
			return true;
	}
	return false;
}

static void
find_handshakes(struct halfopen *h, const struct listeners *ls)
{
	struct visit v = { h, ls, false };
	unsigned long long segments = 0;
	bool known = count_segments(&segments) == 0;

	h->all->none = false;
	h->looked = true;
	if (diag_visit(1U << DIAG_SYN_RECV, note_handshake, &v) == -1 ||
	    v.any)
		return;
	h->all->none = known;
	h->all->segments = segments;
}

void
halfopen_begin(struct halfopen *h, struct handshakes *all,
    const struct listeners *ls, int64_t limit_ms, int64_t now_ms)
{
	memset(h, 0, sizeof(*h));
	h->all = all;
	h->next_ms = now_ms + LOOK_MS;
	if (!defer_accept(ls) && limit_ms > RESEND_MS)
		limit_ms = RESEND_MS;
	h->until_ms = now_ms + limit_ms;
	if (!is_none(all))
		find_handshakes(h, ls);
}

static void
mark_left(void *arg, const struct diag_socket *s)
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

/* A segment may have been on its way, on another processor, when there seemed
 * to be no handshake: what it began is seen now. */
bool
halfopen_left(struct halfopen *h, const struct listeners *ls, int64_t now_ms)
{
	size_t i, n;

	if (!h->looked && !is_none(h->all))
		find_handshakes(h, ls);
	if (now_ms >= h->until_ms)
		h->n = 0;
	if (h->n == 0 || now_ms < h->next_ms)
		return h->n > 0;
	h->next_ms = now_ms + LOOK_MS;
	for (i = 0; i < h->n; i++)
		h->list[i].left = false;
	if (diag_visit(1U << DIAG_SYN_RECV, mark_left, h) == -1)
		return true;
	n = 0;
	for (i = 0; i < h->n; i++) {
		if (h->list[i].left)
			h->list[n++] = h->list[i];
	}
	h->n = n;
	return n > 0;
}

bool
halfopen_again(struct halfopen *h, const struct listeners *ls, int64_t now_ms)
{
	if (is_none(h->all))
		return false;
	h->n = 0;
	find_handshakes(h, ls);
	h->next_ms = now_ms + AGAIN_MS;
	return true;
}

void
halfopen_free(struct halfopen *h)
{
	free(h->list);
	h->list = NULL;
	h->n = h->size = 0;
}
