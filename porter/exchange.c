#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "porter/exchange.h"

/* Not with zeros everywhere: most of it is never used. */
struct exchange *
exchange_new(size_t n)
{
	struct exchange *e = malloc(sizeof(*e));

	if (e == NULL)
		return NULL;
	e->size = n > EXCHANGE_BODY_SOME ? n : EXCHANGE_BODY_SOME;
	e->size += EXCHANGE_REQUEST_MORE;
	e->request = malloc(e->size);
	if (e->request == NULL) {
		free(e);
		return NULL;
	}
	e->nrequest = e->wrote = 0;
	e->body_left = 0;
	e->told = e->ended = false;
	e->nout = e->out_at = 0;
	e->answer.past = false;
	e->answer.n = 0;
	return e;
}

void
exchange_free(struct exchange *e)
{
	if (e == NULL)
		return;
	free(e->request);
	free(e);
}

int
exchange_begin(struct exchange *e, const char *bytes, size_t n,
    const struct http1_request *r)
{
	size_t head;

	head = http1_close_request(bytes, r->head, e->request,
	    e->size);
	if (head == 0)
		return -1;
	memcpy(e->request + head, bytes + r->head, n - r->head);
	e->nrequest = head + n - r->head;
	if (r->chunked)
		e->body_left = UINT64_MAX;
	else
		e->body_left = r->total > n ? r->total - n : 0;
	return 0;
}

static bool
would_wait(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

/* What is left of the body comes from the client. */
static void
read_body(struct exchange *e, int client, int server)
{
	size_t some = EXCHANGE_BODY_SOME;
	ssize_t n;

	if (e->body_left == 0)
		return;
	if (some > e->body_left)
		some = (size_t)e->body_left;
	n = recv(client, e->request, some, MSG_DONTWAIT);
	if (n == -1 && would_wait())
		return;
	if (n <= 0) {
		e->body_left = 0;
		shutdown(server, SHUT_WR);
		return;
	}
	e->nrequest = (size_t)n;
	if (e->body_left != UINT64_MAX)
		e->body_left -= (uint64_t)n;
}

/* A server may answer, and close, before it has read all of a body. */
static void
write_request(struct exchange *e, int client, int server)
{
	ssize_t n;

	for (;;) {
		if (e->wrote == e->nrequest) {
			e->wrote = e->nrequest = 0;
			read_body(e, client, server);
			if (e->nrequest == 0)
				return;
		}
		n = send(server, e->request + e->wrote, e->nrequest - e->wrote,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && would_wait())
			return;
		if (n == -1) {
			e->wrote = e->nrequest = 0;
			e->body_left = 0;
			return;
		}
		e->wrote += (size_t)n;
	}
}

static void
read_answer(struct exchange *e, int server)
{
	char some[EXCHANGE_ANSWER_SOME];
	ssize_t n;

	e->nout = e->out_at = 0;
	n = recv(server, some, sizeof(some), MSG_DONTWAIT);
	if (n == -1 && would_wait())
		return;
	if (n > 0) {
		e->nout = http1_answer(&e->answer, some, (size_t)n, e->out,
		    sizeof(e->out));
		return;
	}
	e->ended = true;
	e->nout = http1_answer_end(&e->answer, e->out);
}

/* Returns false if the client takes no more. */
static bool
write_answer(struct exchange *e, int client)
{
	ssize_t n;

	while (e->out_at < e->nout) {
		n = send(client, e->out + e->out_at, e->nout - e->out_at,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1)
			return would_wait();
		e->out_at += (size_t)n;
	}
	return true;
}

bool
exchange_has_left(int client)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	return getsockopt(client, IPPROTO_TCP, TCP_INFO, &info, &len) == -1 ||
	    info.tcpi_state != TCP_ESTABLISHED;
}

/*
 * The server learns that its client sends no more, and may still answer.
 * Returns false if the client has gone. poll(2) says the same of a socket that
 * its old worker has shut down.
 */
static bool
look_at_client(struct exchange *e, int client, int server)
{
	struct pollfd p = { .fd = client, .events = POLLRDHUP };

	if (poll(&p, 1, 0) <= 0)
		return true;
	if ((p.revents & POLLERR) != 0)
		return false;
	if ((p.revents & POLLRDHUP) == 0 || e->told || e->body_left > 0 ||
	    e->wrote < e->nrequest)
		return true;
	e->told = true;
	if (exchange_has_left(client))
		shutdown(server, SHUT_WR);
	return true;
}

/* What has been read is written before more is read. */
enum exchange_news
exchange_step(struct exchange *e, int client, int server)
{
	bool more;

	write_request(e, client, server);
	if (!look_at_client(e, client, server))
		return EXCHANGE_BROKEN;
	do {
		if (!write_answer(e, client))
			return EXCHANGE_BROKEN;
		if (e->out_at < e->nout)
			return EXCHANGE_GOES_ON;
		if (e->ended)
			return e->answer.past ? EXCHANGE_ANSWERED :
			    EXCHANGE_BROKEN;
		read_answer(e, server);
		more = e->nout > 0 || e->ended;
	} while (more);
	return EXCHANGE_GOES_ON;
}

short
exchange_client_events(const struct exchange *e)
{
	short events = 0;

	if (e->nrequest == 0 && e->body_left > 0)
		events |= POLLIN;
	else if (!e->told && e->nrequest == 0)
		events |= POLLRDHUP;
	if (e->out_at < e->nout)
		events |= POLLOUT;
	return events;
}

short
exchange_server_events(const struct exchange *e)
{
	short events = 0;

	if (e->wrote < e->nrequest)
		events |= POLLOUT;
	if (e->out_at == e->nout && !e->ended)
		events |= POLLIN;
	return events;
}
