#include <sys/ioctl.h>
#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/http1.h"
#include "base/reset.h"
#include "porter/carried.h"
#include "porter/exchange.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT	24
#endif

enum {
	REQUEST_MAX = EXCHANGE_REQUEST_MAX,
	LOOK_MS = 5,			/* between looks at one that is watched:
					   its worker may have shut it down, so
					   that poll(2) says nothing of use */
	LINGER_MS = 1000,		/* for the client to take the answer */
};

enum phase {
	WATCHED,
	CONNECTING,
	TALKING,			/* request and answer */
	LINGERING,			/* the answer has been sent */
};

struct carried {
	struct carried *next;
	uint64_t id;
	enum phase phase;
	bool	 taken;			/* bytes have been read: the connection
					   can't be given back */
	bool	 is_watch, local;
	int	 client, server;	/* server: -1 before CONNECTING */
	uint32_t length;		/* bytes of the request in the queue */
	int64_t	 quiet_ms, due_ms;
	struct poller *poller;
	carried_teller *tell;
	struct exchange *exchange;	/* while TALKING; or NULL */
};

struct carried **
carried_next(struct carried *c)
{
	return &c->next;
}

int64_t
carried_due(const struct carried *c)
{
	return c->due_ms;
}

static void
close_server(struct carried *c)
{
	if (c->server == -1)
		return;
	poller_forget(c->poller, c->server, c);
	close(c->server);
	c->server = -1;
}

static bool
end(struct carried *c, enum porting_news news)
{
	c->tell(c->id, news);
	close_server(c);
	poller_forget(c->poller, c->client, c);
	close(c->client);
	exchange_free(c->exchange);
	free(c);
	return false;
}

/* The old worker may have the connection still, so it is shut down, too. */
static bool
end_for_client(struct carried *c, enum porting_news news)
{
	shutdown(c->client, SHUT_RDWR);
	return end(c, news);
}

/* By a reset: whatever was to come, it is no answer. */
static bool
reset(struct carried *c)
{
	reset_connection(c->client);
	return end(c, PORTING_BROKEN);
}

/* Nothing can be done for it. */
static bool
give_up(struct carried *c)
{
	if (c->taken)
		return reset(c);
	if (!c->is_watch)
		return end(c, PORTING_REFUSED);
	return end_for_client(c, PORTING_BROKEN);
}

/* From the client's own address, where that is of this machine. */
static int
bind_like(int fd, int client)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int one = 1;

	memset(&from, 0, sizeof(from));
	if (getpeername(client, (struct sockaddr *)&from, &len) == -1)
		return -1;
	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (from.ss_family == AF_INET)
		((struct sockaddr_in *)&from)->sin_port = 0;
	else
		((struct sockaddr_in6 *)&from)->sin6_port = 0;
	return bind(fd, (struct sockaddr *)&from, len);
}

static bool
begin_connect(struct carried *c)
{
	struct sockaddr_storage to;
	socklen_t len = sizeof(to);
	int one = 1;

	memset(&to, 0, sizeof(to));
	if (getsockname(c->client, (struct sockaddr *)&to, &len) == -1)
		return give_up(c);
	c->server = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC |
	    SOCK_NONBLOCK, 0);
	if (c->server == -1 || (c->local && bind_like(c->server, c->client) ==
	    -1))
		return give_up(c);
	setsockopt(c->server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->server, (struct sockaddr *)&to, len) == -1 &&
	    errno != EINPROGRESS)
		return give_up(c);
	c->phase = CONNECTING;
	c->due_ms = 0;
	return true;
}

/* Judge what lies in the queue once more, by ourselves. */
static enum http1_verdict
judge_queue(const struct carried *c, char *bytes, size_t size, size_t *n,
    struct http1_request *r)
{
	ssize_t got = recv(c->client, bytes, size, MSG_PEEK | MSG_DONTWAIT);

	memset(r, 0, sizeof(*r));
	*n = got > 0 ? (size_t)got : 0;
	return got <= 0 ? HTTP1_PART : http1_request(bytes, *n, r);
}

/*
 * What is taken must be what was judged, in one go: somebody else may have
 * read some of it. To be called when there is somebody to hand it to.
 */
static bool
take_request(struct carried *c)
{
	static char peeked[REQUEST_MAX], bytes[REQUEST_MAX];
	struct http1_request r;
	size_t n;
	enum http1_verdict v;

	v = judge_queue(c, peeked, sizeof(peeked), &n, &r);
	if (n < c->length || r.head == 0 || (!c->is_watch &&
	    (v != HTTP1_WHOLE || n != c->length)))
		return give_up(c);
	c->exchange = exchange_new(n);
	if (c->exchange == NULL)
		return give_up(c);
	if (recv(c->client, bytes, n, MSG_DONTWAIT) != (ssize_t)n ||
	    memcmp(peeked, bytes, n) != 0) {
		c->taken = true;
		c->tell(c->id, PORTING_TAKEN);
		return reset(c);
	}
	c->taken = true;
	c->tell(c->id, PORTING_TAKEN);
	if (exchange_begin(c->exchange, bytes, n, &r) == -1)
		return reset(c);
	c->phase = TALKING;
	return true;
}

static bool
finish_connect(struct carried *c)
{
	socklen_t len = sizeof(int);
	struct pollfd p = { .fd = c->server, .events = POLLOUT };
	int error = 0;

	if (poll(&p, 1, 0) <= 0)
		return true;
	if (getsockopt(c->server, SOL_SOCKET, SO_ERROR, &error, &len) == -1 ||
	    error != 0)
		return give_up(c);
	return take_request(c);
}

/* Its worker has gone, so that we alone read: what has begun may still come,
 * and what is chunked can be carried, too. */
static bool
look_at_watched(struct carried *c, int64_t now_ms)
{
	static char bytes[REQUEST_MAX];
	enum http1_verdict v;
	struct http1_request r;
	int unread = 0;
	size_t n;

	if (ioctl(c->client, FIONREAD, &unread) == -1 ||
	    (unread == 0 && exchange_has_left(c->client)))
		return end_for_client(c, PORTING_QUIET);
	if (unread == 0) {
		if (now_ms >= c->quiet_ms)
			return end_for_client(c, PORTING_QUIET);
		c->due_ms = now_ms + LOOK_MS;
		return true;
	}
	v = judge_queue(c, bytes, sizeof(bytes), &n, &r);
	c->length = (uint32_t)n;
	if (v == HTTP1_WHOLE || (v == HTTP1_PART && r.head != 0) ||
	    (v == HTTP1_ODD && r.chunked && r.head != 0))
		return begin_connect(c);
	if (v != HTTP1_PART || now_ms >= c->quiet_ms)
		return end_for_client(c, PORTING_BROKEN);
	c->due_ms = now_ms + LOOK_MS;
	return true;
}

static bool
finish_answer(struct carried *c, int64_t now_ms)
{
	close_server(c);
	shutdown(c->client, SHUT_WR);
	c->phase = LINGERING;
	c->due_ms = now_ms + LINGER_MS;
	return true;
}

static bool
talk(struct carried *c, int64_t now_ms)
{
	switch (exchange_step(c->exchange, c->client, c->server)) {
	case EXCHANGE_GOES_ON:
		return true;
	case EXCHANGE_ANSWERED:
		return finish_answer(c, now_ms);
	case EXCHANGE_BROKEN:
		break;
	}
	return end_for_client(c, PORTING_BROKEN);
}

/* A close with bytes unread would be a reset, and could overtake the answer. */
static bool
linger(struct carried *c, int64_t now_ms)
{
	char bytes[4096];
	ssize_t n;

	while ((n = recv(c->client, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		continue;
	if (n == -1 && errno == EAGAIN && now_ms < c->due_ms)
		return true;
	return end_for_client(c, PORTING_ANSWERED);
}

static short
client_events(const struct carried *c)
{
	if (c->phase == TALKING)
		return exchange_client_events(c->exchange);
	return c->phase == LINGERING ? POLLIN : 0;
}

static short
server_events(const struct carried *c)
{
	if (c->phase == TALKING)
		return exchange_server_events(c->exchange);
	return c->phase == CONNECTING ? POLLOUT : 0;
}

static bool
watch(struct carried *c)
{
	if (c->phase == WATCHED)
		return true;
	if (c->phase == CONNECTING)
		poller_forget(c->poller, c->client, c);
	else if (poller_watch(c->poller, c->client, client_events(c), 1, c) ==
	    -1)
		return give_up(c);
	if (c->server != -1 &&
	    poller_watch(c->poller, c->server, server_events(c), 1, c) == -1)
		return give_up(c);
	return true;
}

bool
carried_step(struct carried *c, int64_t now_ms)
{
	bool goes_on = true;

	if (c->phase == WATCHED && now_ms >= c->due_ms)
		goes_on = look_at_watched(c, now_ms);
	if (goes_on && c->phase == CONNECTING)
		goes_on = finish_connect(c);
	if (goes_on && c->phase == TALKING)
		goes_on = talk(c, now_ms);
	if (goes_on && c->phase == LINGERING)
		goes_on = linger(c, now_ms);
	return goes_on && watch(c);
}

struct carried *
carried_begin(const struct porting_order *order, int fd, struct poller *poller,
    carried_teller *tell, int64_t now_ms)
{
	struct carried *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		tell(order->id, PORTING_REFUSED);
		close(fd);
		return NULL;
	}
	c->id = order->id;
	c->client = fd;
	c->server = -1;
	c->poller = poller;
	c->tell = tell;
	c->local = order->local;
	c->is_watch = order->mode == PORTING_WATCH;
	c->length = order->length;
	c->phase = WATCHED;
	c->quiet_ms = now_ms + order->quiet_ms;
	c->due_ms = now_ms;
	if (!c->is_watch && !begin_connect(c))
		return NULL;
	return carried_step(c, now_ms) ? c : NULL;
}
