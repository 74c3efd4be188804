#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/clients.h"

enum {
	ACCEPT_AGAIN_MS = 1000,		/* after descriptors ran out */
};

/* A client hears of the reload it waits for, not of the one before. */
static bool
hears(const struct clients *cs, const struct conn *c)
{
	switch (c->wait) {
	case CONN_WAIT_NOTHING:
		return false;
	case CONN_WAIT_RELOAD:
		return c->wait_run == cs->run;
	case CONN_WAIT_SCALE:
	case CONN_WAIT_STOP:
		break;
	}
	return true;
}

static void
write_line(const struct clients *cs, const struct event *ev)
{
	char line[EVENT_LINE_MAX + 1];
	size_t len;

	event_line(ev, cs->signs, line, sizeof(line) - 1);
	len = strlen(line);
	line[len] = '\n';
	log_line(STDOUT_FILENO, line, len + 1);
}

void
clients_tell(struct clients *cs, const struct event *ev)
{
	unsigned char wire[EVENT_WIRE_MAX];
	struct conn *c;
	size_t len;

	if (!cs->quiet)
		write_line(cs, ev);
	len = event_encode(ev, wire);
	for (c = cs->conns; c != NULL; c = c->next) {
		if (hears(cs, c))
			conn_send(c, CRR_EVENT, c->wait_id, wire, len);
		else if (c->events)
			conn_send(c, CRR_EVENT, 0, wire, len);
	}
}

/* Clients that connect and say nothing must not keep others out: the oldest of
 * them goes, the last in the list. */
static void
make_room(struct clients *cs)
{
	struct conn *c, *idle = NULL;

	for (c = cs->conns; c != NULL; c = c->next) {
		if (c->fd != -1 && c->wait == CONN_WAIT_NOTHING &&
		    c->subscriber == NULL)
			idle = c;
	}
	if (idle == NULL)
		return;
	conn_close(idle);
	cs->nconns--;
}

void
clients_accept(struct clients *cs, int listen_fd, int64_t now_ms)
{
	struct conn *c;

	if (cs->nconns >= CONN_MAX)
		make_room(cs);
	c = conn_accept(&cs->conns, listen_fd, now_ms);
	if (c != NULL && cs->nconns++ >= CONN_MAX) {
		conn_error(c, 0, "%d clients wait for answers already",
		    CONN_MAX);
		conn_close(c);
	}
	if (c == NULL && (errno == EMFILE || errno == ENFILE ||
	    errno == ENOMEM))
		cs->accept_ms = now_ms + ACCEPT_AGAIN_MS;
}

void
clients_wait(struct conn *c, enum conn_wait wait, uint32_t id)
{
	c->wait = wait;
	c->wait_id = id;
}

void
clients_answer(struct conn *c, const char *why)
{
	c->wait = CONN_WAIT_NOTHING;
	if (why == NULL)
		conn_send(c, CRR_DONE, c->wait_id, NULL, 0);
	else
		conn_error(c, c->wait_id, "%s", why);
}

void
clients_reloaded(struct clients *cs, unsigned run, const char *why)
{
	struct conn *c;

	for (c = cs->conns; c != NULL; c = c->next) {
		if (c->wait == CONN_WAIT_RELOAD && c->wait_run <= run)
			clients_answer(c, why);
	}
}

void
clients_scaled(struct clients *cs, const char *why)
{
	struct conn *c;

	for (c = cs->conns; c != NULL; c = c->next) {
		if (c->wait == CONN_WAIT_SCALE)
			clients_answer(c, why);
	}
}

void
clients_stopped(struct clients *cs)
{
	struct conn *c;

	for (c = cs->conns; c != NULL; c = c->next) {
		if (c->wait != CONN_WAIT_NOTHING)
			clients_answer(c, c->wait == CONN_WAIT_STOP ? NULL :
			    "the master was stopped");
	}
}

void
clients_sweep(struct clients *cs, int64_t now_ms)
{
	const struct conn *c;

	if (cs->accept_ms != 0 && cs->accept_ms <= now_ms)
		cs->accept_ms = 0;
	conn_expire(cs->conns, now_ms);
	conn_sweep(&cs->conns);
	cs->nconns = 0;
	for (c = cs->conns; c != NULL; c = c->next)
		cs->nconns += c->subscriber == NULL;
}

int64_t
clients_next(const struct clients *cs)
{
	const struct conn *c;
	int64_t next = cs->accept_ms;

	for (c = cs->conns; c != NULL; c = c->next) {
		if (c->deadline_ms != 0 &&
		    (next == 0 || c->deadline_ms < next))
			next = c->deadline_ms;
	}
	return next;
}
