#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "master/control/conn.h"
#include "master/control/peer.h"

struct conn *
conn_accept(struct conn_set *set, int listen_fd, int64_t now_ms)
{
	struct conn *c;
	int fd;

	fd = accept(listen_fd, NULL, NULL);
	if (fd == -1)
		return NULL;
	c = calloc(1, sizeof(*c));
	if (c == NULL || peer_read(fd, &c->uid, &c->pid) == -1 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK) == -1) {
		free(c);
		close(fd);
		return NULL;
	}
	c->fd = fd;
	c->in_size = CONN_IN_MAX;
	c->deadline_ms = now_ms + CONN_HALF_MS;
	c->set = set;
	c->timer.owner = c;
	c->next = set->first;
	c->at = &set->first;
	if (c->next != NULL)
		c->next->at = &c->next;
	set->first = c;
	conn_touch(c);
	return c;
}

void
conn_touch(struct conn *c)
{
	if (c->is_changed)
		return;
	c->is_changed = true;
	c->next_changed = c->set->changed;
	c->set->changed = c;
}

struct conn *
conn_take_changed(struct conn_set *set)
{
	struct conn *c = set->changed;

	if (c == NULL)
		return NULL;
	set->changed = c->next_changed;
	c->is_changed = false;
	return c;
}

void
conn_subscribe(struct conn *c, struct bus *bus, struct bus_subscriber *s)
{
	c->bus = bus;
	c->subscriber = s;
}

void
conn_close(struct conn *c)
{
	if (c->subscriber != NULL)
		bus_unsubscribe(c->bus, c->subscriber);
	c->subscriber = NULL;
	if (c->fd != -1) {
		poller_forget(c->set->poller, c->fd, c);
		close(c->fd);
	}
	c->fd = -1;
	c->wait = CONN_WAIT_NOTHING;
	conn_touch(c);
}

bool
conn_pending(const struct conn *c)
{
	return c->fd != -1 && pile_len(&c->out) > 0;
}

bool
conn_wants_output(const struct conn *c)
{
	return conn_pending(c) ||
	    (c->subscriber != NULL && subscriber_pending(c->subscriber));
}

void
conn_finish(struct conn *c, int64_t now_ms)
{
	conn_touch(c);
	c->closing = true;
	c->wait = CONN_WAIT_NOTHING;
	c->deadline_ms = now_ms + CONN_CLOSING_MS;
	if (c->fd != -1 && !conn_pending(c))
		shutdown(c->fd, SHUT_WR);
}

static void
flush_answers(struct conn *c)
{
	ssize_t n;

	while (conn_pending(c)) {
		n = send(c->fd, c->out.bytes + c->out.begin,
		    pile_len(&c->out), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n == -1) {
			conn_close(c);
			return;
		}
		pile_use(&c->out, (size_t)n);
	}
	pile_free(&c->out);
	if (c->closing && c->fd != -1)
		shutdown(c->fd, SHUT_WR);
}

/* Answers go between two frames of the bus. */
void
conn_flush(struct conn *c)
{
	if (c->subscriber != NULL &&
	    subscriber_finish(c->subscriber, c->fd) == -1)
		conn_close(c);
	if (c->subscriber != NULL && subscriber_is_within(c->subscriber))
		return;
	flush_answers(c);
	if (c->subscriber != NULL && !conn_pending(c) && !c->closing &&
	    subscriber_write(c->subscriber, c->fd) == -1)
		conn_close(c);
}

void
conn_send(struct conn *c, enum crr_type type, uint32_t id,
    const void *payload, size_t len)
{
	const size_t size = CRR_HEADER + len;
	unsigned char *frame;

	if (c->fd == -1)
		return;
	conn_touch(c);
	if (pile_len(&c->out) + size > CONN_OUT_MAX ||
	    pile_reserve(&c->out, size) == -1) {
		conn_close(c);
		return;
	}
	frame = (unsigned char *)c->out.bytes + c->out.end;
	crr_header(frame, type, (uint32_t)len, id);
	if (len > 0)
		memcpy(frame + CRR_HEADER, payload, len);
	c->out.end += size;
	conn_flush(c);
}

void
conn_error(struct conn *c, uint32_t id, const char *fmt, ...)
{
	char text[CRR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	conn_send(c, CRR_ERROR, id, text, strlen(text));
}

/* What follows bytes that are not a request can't be understood either. */
static void
refuse_frame(struct conn *c, const struct crr_frame *f, enum crr_result result,
    int64_t now_ms)
{
	if (result == CRR_GARBAGE) {
		conn_close(c);
		return;
	}
	if (result == CRR_OTHER_VERSION)
		conn_send(c, CRR_VERSION, f->id, CRR_RELEASE,
		    strlen(CRR_RELEASE));
	else if (result == CRR_WRONG_LENGTH)
		conn_error(c, f->id, "%s can't have %lu bytes of payload",
		    crr_type_name(f->type), (unsigned long)f->len);
	else
		conn_error(c, f->id, "type %u is no request", f->type);
	conn_finish(c, now_ms);
}

static int
resize_input(struct conn *c, size_t size)
{
	unsigned char *in;

	in = realloc(c->in, size);
	if (in == NULL)
		return -1;
	c->in = in;
	c->in_size = size;
	return 0;
}

/* Make room for the rest of a frame that has begun, if it may be that long and
 * there is memory. */
static void
widen_input(struct conn *c, const struct crr_frame *f,
    const struct conn_hooks *hooks)
{
	size_t size = CRR_HEADER + (size_t)f->len;

	if (c->in_used < CRR_HEADER || size <= c->in_size ||
	    !hooks->admit(hooks->arg, c, f->type))
		return;
	resize_input(c, size > CONN_IN_WIDE ? size : CONN_IN_WIDE);
}

/* A silent connection keeps no buffer, since fork(2) copies each one. */
static void
drop_served(struct conn *c, size_t taken)
{
	c->in_used -= taken;
	if (c->in_used == 0 && !c->sends) {
		free(c->in);
		c->in = NULL;
		c->in_size = CONN_IN_MAX;
	}
	if (taken > 0 && c->in_used > 0)
		memmove(c->in, c->in + taken, c->in_used);
	if (c->sends && c->in_size != CONN_IN_WIDE &&
	    c->in_used <= CONN_IN_WIDE)
		resize_input(c, CONN_IN_WIDE);
}

/* A client that does not take its answers gets no further ones. */
void
conn_serve(struct conn *c, const struct conn_hooks *hooks, int64_t now_ms)
{
	enum crr_result result = CRR_MORE;
	struct crr_frame f = { .type = 0 };
	size_t taken;

	taken = 0;
	while (!c->closing && c->fd != -1 && !conn_pending(c)) {
		result = c->in_used == taken ? CRR_MORE :
		    crr_parse(c->in + taken, c->in_used - taken, &f);
		if (result != CRR_FRAME)
			break;
		c->deadline_ms = 0;
		taken += CRR_HEADER + f.len;
		hooks->handle(hooks->arg, c, &f);
	}
	drop_served(c, taken);
	if (c->closing || c->fd == -1 || conn_pending(c))
		return;
	if (result == CRR_MORE)
		widen_input(c, &f, hooks);
	/* Every request that we know would have had room. */
	if (result == CRR_MORE && c->in_used == c->in_size)
		result = CRR_OTHER_TYPE;
	if (result != CRR_MORE)
		refuse_frame(c, &f, result, now_ms);
	else if (c->in_used > 0 && c->deadline_ms == 0)
		c->deadline_ms = now_ms + CONN_HALF_MS;
}

void
conn_read(struct conn *c)
{
	ssize_t n;

	if (c->closing)
		c->in_used = 0;
	if (c->in == NULL && resize_input(c, c->in_size) == -1) {
		conn_close(c);
		return;
	}
	n = recv(c->fd, c->in + c->in_used, c->in_size - c->in_used,
	    MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		c->in_used += (size_t)n;
		return;
	}
	c->ended = true;
	if (n == -1)
		conn_close(c);
}

bool
conn_is_cut(const struct conn *c)
{
	/* Whole requests have been served, unless answers are not taken. */
	return c->ended && !c->closing && !conn_pending(c) && c->in_used > 0;
}

bool
conn_wants_input(const struct conn *c)
{
	if (c->ended)
		return false;
	return c->closing || (!conn_pending(c) && c->in_used < c->in_size);
}

bool
conn_is_over(const struct conn *c)
{
	return c->ended && c->wait == CONN_WAIT_NOTHING &&
	    c->subscriber == NULL && !conn_pending(c);
}

void
conn_free(struct conn *c)
{
	*c->at = c->next;
	if (c->next != NULL)
		c->next->at = c->at;
	pile_free(&c->out);
	free(c->in);
	free(c);
}
