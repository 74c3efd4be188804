#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/timers.h"
#include "master/drain/drain.h"
#include "master/order.h"
#include "master/socket/door.h"
#include "master/socket/handed.h"
#include "master/socket/served.h"
#include "master/steering.h"

enum {
	TELL_MS = 2000,			/* between lines on who is waited for */
	LAST_MS = 1000,			/* for which clients' first segments are
					   dropped: they are sent again then */
};

void
order_note(struct master *m)
{
	m->orders.due = true;
}

void
order_tell(struct master *m, enum crr_event kind, int count, const char *text)
{
	struct event ev;

	event_init(&ev, kind);
	ev.generation = m->pool.rules.generation;
	ev.count = (unsigned)count;
	snprintf(ev.text, sizeof(ev.text), "%s", text);
	clients_tell(&m->clients, &ev);
}

static void
tell_requested(struct master *m)
{
	m->clients.run = m->reload.run;
	m->orders.kept = m->handoff.counts;
	order_tell(m, CRR_EVENT_RELOAD_REQUESTED, m->pool.wanted, "");
}

unsigned
order_reload(struct master *m, int64_t now_ms)
{
	bool begins = !m->reload.active;
	unsigned run;

	run = reload_request(&m->reload, &m->pool, now_ms);
	order_note(m);
	m->clients.run = m->reload.run;
	if (begins)
		tell_requested(m);
	return run;
}

/* why is for those who wait for it. */
static void
drop_reload(struct master *m, const char *why, int64_t now_ms)
{
	if (!m->reload.active)
		return;
	order_tell(m, CRR_EVENT_RELOAD_RESET,
	    reload_new_workers(&m->reload, &m->pool), "");
	reload_end(&m->reload, &m->pool, now_ms);
	order_note(m);
	clients_reloaded(&m->clients, m->reload.run + 1, why);
}

void
order_reset(struct master *m, int64_t now_ms)
{
	drop_reload(m, "the reload was reset", now_ms);
}

int
order_scale(struct master *m, int n, int64_t now_ms)
{
	if (handed_grow(&m->listeners, n + m->pool.surge) == -1 ||
	    pool_want(&m->pool, n) == -1)
		return -1;
	m->plan.launch.workers = n;
	m->orders.scaling = true;
	order_note(m);
	pool_turn(&m->pool, now_ms);
	return 0;
}

bool
order_is_stopping(const struct master *m)
{
	return m->orders.stop.asked;
}

/* New clients are refused at once where we may, so that theirs is the next
 * choice; where not, they are served on until the rest has been. */
static void
begin_stop(struct master *m, int64_t now_ms)
{
	struct stopping *stop = &m->orders.stop;

	stop->begun = true;
	stop->tell_ms = now_ms + TELL_MS;
	if (m->plan.stop_wait)
		door_shut(&m->listeners);
	stop->shut = m->plan.stop_wait || door_refuse(&m->listeners);
	pool_stop(&m->pool, false, now_ms);
}

/* How long it may take, for people. */
static void
tell_stopping(struct master *m)
{
	const struct worker_rules *rules = &m->pool.rules;
	char text[64];

	snprintf(text, sizeof(text), "at most %.3g s", (double)(
	    m->plan.stop_delay_ms + rules->drain_ms + rules->stop_timeout_ms) /
	    1000);
	order_tell(m, CRR_EVENT_MASTER_STOPPING, 0, text);
}

void
order_stop(struct master *m, bool now, int64_t now_ms)
{
	struct stopping *stop = &m->orders.stop;

	if (!stop->asked) {
		stop->asked = true;
		stop->begin_ms = now_ms + m->plan.stop_delay_ms;
		if (m->life.been_ready && !now)
			tell_stopping(m);
		else if (m->life.been_ready)
			order_tell(m, CRR_EVENT_MASTER_STOPPING, 0, "");
		drop_reload(m, "the master was stopped", now_ms);
	}
	if (now)
		pool_stop(&m->pool, true, now_ms);
	order_note(m);
}

/* Whether all that was in hand when the stop began is done with, as far as the
 * drains have seen. */
static bool
is_only_new(const struct master *m)
{
	const struct worker *w;
	int i;

	for (i = 0; i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->state == WORKER_DRAINING &&
		    (w->drain == NULL || !drain_only_new(w->drain)))
			return false;
	}
	return true;
}

/* New clients are kept out from now on: what is seen now will be the last. */
static void
shut_door(struct master *m, int64_t now_ms)
{
	struct worker *w;
	int i;

	m->orders.stop.shut = true;
	m->orders.stop.last_ms = now_ms + LAST_MS;
	door_shut(&m->listeners);
	for (i = 0; i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->drain != NULL)
			drain_again(w->drain);
	}
}

bool
order_is_drained(struct master *m, bool clean, int64_t now_ms)
{
	struct stopping *stop = &m->orders.stop;

	if (!m->pool.stopping)
		return clean;
	if (!stop->shut) {
		if (is_only_new(m))
			shut_door(m, now_ms);
		return false;
	}
	if (stop->last_ms != 0 && now_ms >= stop->last_ms)
		return true;
	return clean && listeners_shared_depth(&m->listeners) == 0;
}

/* Add to a list of phrases, for people. */
static void
add_phrase(char *text, size_t size, uint64_t n, const char *one,
    const char *more)
{
	size_t used = strlen(text);

	if (n > 0)
		snprintf(text + used, size - used, "%s%" PRIu64 " %s",
		    used == 0 ? "" : ", ", n, n == 1 ? one : more);
}

/* What has become of kept connections since the reload began. */
static void
describe_kept(const struct master *m, char *text, size_t size)
{
	const struct handoff_counts *now = &m->handoff.counts;
	const struct handoff_counts *began = &m->orders.kept;

	text[0] = '\0';
	add_phrase(text, size, now->held - began->held,
	    "kept connection held", "kept connections held");
	add_phrase(text, size, now->handed_on - began->handed_on,
	    "request handed on", "requests handed on");
	add_phrase(text, size, now->unheld - began->unheld,
	    "connection could not be held, and may have lost a request",
	    "connections could not be held, and may have lost requests");
	add_phrase(text, size, now->remote - began->remote,
	    "other machine's connection closed (see --handoff any)",
	    "other machines' connections closed (see --handoff any)");
}

static void
end_reload(struct master *m, enum reload_outcome outcome, int64_t now_ms)
{
	int n = reload_new_workers(&m->reload, &m->pool);
	const char *why = NULL;
	char kept[CRR_TEXT_MAX];

	if (outcome == RELOAD_FAILED) {
		why = m->reload.why;
		order_tell(m, CRR_EVENT_RELOAD_FAILED, n, why);
		log_warnx("reload failed: %s", why);
	} else {
		steering_close_stranded(&m->steering);
		served_complete(&m->listeners, m->reload.generation);
		describe_kept(m, kept, sizeof(kept));
		order_tell(m, CRR_EVENT_RELOAD_COMPLETE, n, kept);
	}
	clients_reloaded(&m->clients, m->reload.run, why);
	if (!reload_next(&m->reload, &m->pool, now_ms))
		return;
	order_note(m);
	tell_requested(m);
}

static void
check_scaled(struct master *m)
{
	if (!m->orders.scaling || !pool_settled(&m->pool) || m->reload.active)
		return;
	m->orders.scaling = false;
	steering_close_stranded(&m->steering);
	order_tell(m, CRR_EVENT_SCALED, m->pool.wanted, "");
	clients_scaled(&m->clients, NULL);
}

int64_t
order_next(const struct master *m)
{
	return m->orders.next_ms;
}

static bool
is_due(const struct master *m, int64_t now_ms)
{
	return m->orders.due || m->pool.changed != NULL ||
	    (m->orders.next_ms != 0 && m->orders.next_ms <= now_ms);
}

/* Say who is waited for, now and then. */
static void
tell_waiting(struct master *m, int64_t now_ms)
{
	struct drain_counts counts;
	const struct worker *w;
	struct event ev;
	int i;

	if (now_ms < m->orders.stop.tell_ms)
		return;
	m->orders.stop.tell_ms = now_ms + TELL_MS;
	for (i = 0; i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->state != WORKER_DRAINING || w->drain == NULL)
			continue;
		counts = drain_counts(w->drain);
		event_init(&ev, CRR_EVENT_WAITING);
		ev.worker = w->id;
		ev.count = counts.waiting;
		snprintf(ev.text, sizeof(ev.text), "%u connection%s in hand",
		    counts.waiting, counts.waiting == 1 ? "" : "s");
		clients_tell(&m->clients, &ev);
	}
}

static void
turn_stop(struct master *m, int64_t now_ms)
{
	struct stopping *stop = &m->orders.stop;

	if (!stop->asked || m->pool.stopping || now_ms < stop->begin_ms) {
		if (stop->begun)
			tell_waiting(m, now_ms);
		return;
	}
	begin_stop(m, now_ms);
}

/* When the stop has something to do though nothing happens, or 0. */
static int64_t
next_of_stop(const struct master *m)
{
	const struct stopping *stop = &m->orders.stop;

	if (!stop->asked)
		return 0;
	return stop->begun ? stop->tell_ms : stop->begin_ms;
}

void
order_turn(struct master *m, int64_t now_ms)
{
	enum reload_outcome outcome;

	if (!is_due(m, now_ms))
		return;
	m->orders.due = false;
	turn_stop(m, now_ms);
	pool_turn(&m->pool, now_ms);
	outcome = reload_turn(&m->reload, &m->pool, now_ms);
	if (outcome != RELOAD_GOES_ON)
		end_reload(m, outcome, now_ms);
	steering_turn(&m->steering);
	if (!m->life.settled && pool_settled(&m->pool)) {
		m->life.settled = true;
		/* What a killed master left has had its time to go. */
		m->listeners.retries = 0;
		served_complete(&m->listeners, 1);
	}
	check_scaled(m);
	m->orders.next_ms = reload_deadline(&m->reload, &m->pool, now_ms);
	timers_sooner(&m->orders.next_ms, next_of_stop(m));
}
