#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/order.h"
#include "master/post.h"
#include "master/ready.h"
#include "master/request.h"
#include "master/status.h"

/* An event that this client alone is told of. */
static void
send_event(struct conn *c, uint32_t id, enum crr_event kind)
{
	unsigned char wire[EVENT_WIRE_MAX];
	struct event ev;

	event_init(&ev, kind);
	conn_send(c, CRR_EVENT, id, wire, event_encode(&ev, wire));
}

static void
ask_reload(struct master *m, struct conn *c, const struct crr_frame *f,
    int64_t now_ms)
{
	uint32_t flags = crr_get32(f->payload);
	bool busy = m->reload.active;

	if ((flags & ~(uint32_t)(CRR_RELOAD_RESET | CRR_RELOAD_NOWAIT)) !=
	    0) {
		conn_error(c, f->id, "RELOAD has no flags %#x", flags);
		return;
	}
	if (order_is_stopping(m)) {
		conn_error(c, f->id, "the master is stopping");
		return;
	}
	if ((flags & CRR_RELOAD_RESET) != 0) {
		if (busy)
			send_event(c, f->id, CRR_EVENT_RELOAD_RESET);
		order_reset(m, now_ms);
		conn_send(c, CRR_DONE, f->id, NULL, 0);
		return;
	}
	if (busy)
		send_event(c, f->id, CRR_EVENT_RELOAD_PENDING);
	clients_wait(c, CONN_WAIT_RELOAD, f->id);
	c->wait_run = m->reload.run + 1;
	order_reload(m, now_ms);
	if ((flags & CRR_RELOAD_NOWAIT) != 0)
		clients_answer(c, NULL);
}

static void
ask_scale(struct master *m, struct conn *c, const struct crr_frame *f,
    int64_t now_ms)
{
	uint32_t mode = crr_get32(f->payload);
	int32_t number = (int32_t)crr_get32(f->payload + 4);
	int64_t n = number;

	if (mode != CRR_SCALE_TO && mode != CRR_SCALE_BY) {
		conn_error(c, f->id, "SCALE has no mode %u", mode);
		return;
	}
	if (mode == CRR_SCALE_BY)
		n += m->pool.wanted;
	if (n < 1 || n > PLAN_WORKERS_MAX) {
		conn_error(c, f->id, "can't scale to %lld workers: from 1 to "
		    "%d", (long long)n, PLAN_WORKERS_MAX);
		return;
	}
	if (order_is_stopping(m)) {
		conn_error(c, f->id, "the master is stopping");
		return;
	}
	clients_scaled(&m->clients, "another number of workers was asked for");
	if (order_scale(m, (int)n, now_ms) == -1)
		conn_error(c, f->id, "can't scale to %d workers: %s", (int)n,
		    strerror(errno));
	else
		clients_wait(c, CONN_WAIT_SCALE, f->id);
}

static void
ask_stop(struct master *m, struct conn *c, const struct crr_frame *f,
    int64_t now_ms)
{
	uint32_t flags = crr_get32(f->payload);

	if ((flags & ~(uint32_t)CRR_STOP_NOW) != 0) {
		conn_error(c, f->id, "STOP has no flags %#x", flags);
		return;
	}
	clients_wait(c, CONN_WAIT_STOP, f->id);
	order_stop(m, (flags & CRR_STOP_NOW) != 0, now_ms);
}

static void
ask_ready(struct master *m, struct conn *c, const struct crr_frame *f,
    int64_t now_ms)
{
	if (ready_said(m, c->pid, now_ms))
		conn_send(c, CRR_DONE, f->id, NULL, 0);
	else
		conn_error(c, f->id, "process %d is not a worker's",
		    (int)c->pid);
}

static void
ask_status(struct master *m, struct conn *c, const struct crr_frame *f,
    int64_t now_ms)
{
	status_send(m, c, f->id, now_ms);
}

/* By type; messages of the bus are post.c's. */
static void (*const handlers[])(struct master *m, struct conn *c,
    const struct crr_frame *f, int64_t now_ms) = {
	[CRR_RELOAD] = ask_reload,
	[CRR_STATUS] = ask_status,
	[CRR_SCALE] = ask_scale,
	[CRR_STOP] = ask_stop,
	[CRR_READY] = ask_ready,
};

enum { NHANDLERS = sizeof(handlers) / sizeof(handlers[0]) };

/* Our uid and root may do everything, a worker of another identity only what
 * workers need. */
static bool
is_allowed(struct master *m, struct conn *c, unsigned type)
{
	if (c->uid == geteuid() || c->uid == 0)
		return true;
	if (type != CRR_READY && type != CRR_RELOAD &&
	    !post_is_for_bus(type))
		return false;
	post_identify(&m->post, c);
	return c->who.worker != -1;
}

struct asked {
	struct master *m;
	int64_t	 now_ms;
};

/* Tell whether a request longer than CONN_IN_MAX may come from there. */
static bool
admit_request(void *arg, struct conn *c, unsigned type)
{
	const struct asked *a = arg;

	return post_is_for_bus(type) && is_allowed(a->m, c, type);
}

static void
handle_request(void *arg, struct conn *c, const struct crr_frame *f)
{
	const struct asked *a = arg;
	struct master *m = a->m;

	if (!is_allowed(m, c, f->type)) {
		conn_close(c);
		return;
	}
	if (post_is_for_bus(f->type)) {
		post_handle(&m->post, c, f);
		return;
	}
	if (c->wait != CONN_WAIT_NOTHING) {
		conn_error(c, f->id, "wait for the answer to the last request");
		return;
	}
	if (f->type < NHANDLERS && handlers[f->type] != NULL) {
		handlers[f->type](m, c, f, a->now_ms);
		return;
	}
	conn_error(c, f->id, "%s is no request", crr_type_name(f->type));
	conn_finish(c, a->now_ms);
}

void
request_talk(struct master *m, struct conn *c, short revents, int64_t now_ms)
{
	struct asked a = { m, now_ms };
	const struct conn_hooks hooks = { &a, handle_request, admit_request };

	if (c->fd != -1 && (revents & POLLOUT) != 0)
		conn_flush(c);
	if (c->fd != -1 && conn_wants_input(c) &&
	    (revents & (POLLIN | POLLHUP | POLLERR)) != 0)
		conn_read(c);
	if (c->fd != -1)
		conn_serve(c, &hooks, now_ms);
	if (conn_is_cut(c)) {
		log_warnx("process %d hung up in the middle of a message: "
		    "ignored", (int)c->pid);
		c->in_used = 0;
	}
	if (c->fd != -1 && !conn_wants_input(c) && (revents & POLLHUP) != 0)
		conn_close(c);
	conn_touch(c);
}
