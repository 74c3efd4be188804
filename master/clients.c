#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/clients.h"

enum {
	ACCEPT_AGAIN_MS = 1000,		/* after descriptors ran out */
	LAST_WORDS_MS = 1000,		/* for the last answer to be taken */
};

/* A client hears of the reload it waits for, not of the one before. */
static bool
hears_of(const struct clients *cs, const struct conn *c)
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
	for (c = cs->set.first; c != NULL; c = c->next) {
		if (hears_of(cs, c))
			conn_send(c, CRR_EVENT, c->wait_id, wire, len);
		else if (c->events)
			conn_send(c, CRR_EVENT, 0, wire, len);
	}
}

/* A subscriber takes nobody's place. */
static void
uncount_conn(struct clients *cs, struct conn *c)
{
	cs->nconns -= c->counted;
	c->counted = false;
}

/* Clients that connect and say nothing must not keep others out: the oldest of
 * them goes, the last in the list. */
static void
make_room(struct clients *cs)
{
	struct conn *c, *idle = NULL;

	for (c = cs->set.first; c != NULL; c = c->next) {
		if (c->fd != -1 && c->wait == CONN_WAIT_NOTHING &&
		    c->subscriber == NULL)
			idle = c;
	}
	if (idle == NULL)
		return;
	conn_close(idle);
	uncount_conn(cs, idle);
}

void
clients_accept(struct clients *cs, int listen_fd, int64_t now_ms)
{
	struct conn *c;

	if (cs->nconns >= CONN_MAX)
		make_room(cs);
	c = conn_accept(&cs->set, listen_fd, now_ms);
	if (c != NULL) {
		c->counted = true;
		if (cs->nconns++ < CONN_MAX)
			return;
		conn_error(c, 0, "%d clients wait for answers already",
		    CONN_MAX);
		conn_close(c);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM)
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

	for (c = cs->set.first; c != NULL; c = c->next) {
		if (c->wait == CONN_WAIT_RELOAD && c->wait_run <= run)
			clients_answer(c, why);
	}
}

void
clients_scaled(struct clients *cs, const char *why)
{
	struct conn *c;

	for (c = cs->set.first; c != NULL; c = c->next) {
		if (c->wait == CONN_WAIT_SCALE)
			clients_answer(c, why);
	}
}

void
clients_stopped(struct clients *cs)
{
	struct conn *c;

	for (c = cs->set.first; c != NULL; c = c->next) {
		if (c->wait != CONN_WAIT_NOTHING)
			clients_answer(c, c->wait == CONN_WAIT_STOP ? NULL :
			    "the master was stopped");
	}
}

static void
settle_conn(struct clients *cs, struct conn *c, bool gathering)
{
	short events = 0;

	if (c->fd != -1 && conn_is_over(c))
		conn_close(c);
	if (c->fd == -1 || c->subscriber != NULL)
		uncount_conn(cs, c);
	timers_set(&cs->timers, &c->timer, c->fd == -1 ? 0 : c->deadline_ms);
	if (c->fd == -1) {
		if (!c->is_changed)
			conn_free(c);
		return;
	}
	if (conn_wants_input(c) && !(cs->held && c->sends))
		events |= POLLIN;
	if (conn_pending(c) || (conn_wants_output(c) && !gathering))
		events |= POLLOUT;
	if (poller_watch(cs->set.poller, c->fd, events, cs->kind, c) == -1)
		conn_close(c);
}

/* Senders are not read from any more, or again. */
static void
turn_held(struct clients *cs, bool held)
{
	struct conn *c;

	if (cs->held == held)
		return;
	cs->held = held;
	for (c = cs->set.first; c != NULL; c = c->next) {
		if (c->sends)
			conn_touch(c);
	}
}

void
clients_settle(struct clients *cs, bool held, bool gathering, int64_t now_ms)
{
	struct conn *c;

	if (cs->accept_ms != 0 && cs->accept_ms <= now_ms)
		cs->accept_ms = 0;
	while ((c = timers_expired(&cs->timers, now_ms)) != NULL)
		conn_close(c);
	turn_held(cs, held);
	while ((c = conn_take_changed(&cs->set)) != NULL)
		settle_conn(cs, c, gathering);
}

int64_t
clients_next(const struct clients *cs)
{
	int64_t next = timers_next(&cs->timers);

	timers_sooner(&next, cs->accept_ms);
	return next;
}

/* Returns how many have not taken all that is queued for them. */
static int
wait_for_output(struct clients *cs, int timeout_ms)
{
	struct poller *p = poller_new();
	const struct poller_event *ev;
	struct conn *c;
	size_t i = 0;
	int n = 0;

	for (c = cs->set.first; p != NULL && c != NULL; c = c->next) {
		if (conn_wants_output(c) &&
		    poller_watch(p, c->fd, POLLOUT, 0, c) == 0)
			n++;
	}
	if (n > 0 && poller_wait(p, timeout_ms) == 0) {
		while ((ev = poller_next(p, &i)) != NULL)
			conn_flush(ev->owner);
	}
	poller_free(p);
	return n;
}

void
clients_finish(struct clients *cs)
{
	int64_t left_ms, end_ms = clock_now() + LAST_WORDS_MS;
	struct conn *c;

	do {
		left_ms = end_ms - clock_now();
	} while (left_ms > 0 && wait_for_output(cs, (int)left_ms) > 0);
	/* Not closed but by our end: that is what `crr stop` waits for. */
	while ((c = cs->set.first) != NULL) {
		if (c->subscriber != NULL)
			bus_unsubscribe(c->bus, c->subscriber);
		conn_free(c);
	}
}
