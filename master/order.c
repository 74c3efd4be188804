#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "master/order.h"
#include "master/socket/handed.h"
#include "master/socket/served.h"
#include "master/steering.h"

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

unsigned
order_reload(struct master *m, int64_t now_ms)
{
	bool begins = !m->reload.active;
	unsigned run;

	run = reload_request(&m->reload, &m->pool, now_ms);
	order_note(m);
	m->clients.run = m->reload.run;
	if (begins)
		order_tell(m, CRR_EVENT_RELOAD_REQUESTED, m->pool.wanted, "");
	return run;
}

void
order_reset(struct master *m, int64_t now_ms)
{
	if (!m->reload.active)
		return;
	order_tell(m, CRR_EVENT_RELOAD_RESET,
	    reload_new_workers(&m->reload, &m->pool), "");
	reload_end(&m->reload, &m->pool, now_ms);
	order_note(m);
	clients_reloaded(&m->clients, m->reload.run + 1,
	    "the reload was reset");
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

void
order_stop(struct master *m, bool now, int64_t now_ms)
{
	if (!m->pool.stopping && m->life.been_ready)
		order_tell(m, CRR_EVENT_MASTER_STOPPING, 0, "");
	m->reload.active = false;
	pool_stop(&m->pool, now, now_ms);
}

static void
end_reload(struct master *m, enum reload_outcome outcome, int64_t now_ms)
{
	int n = reload_new_workers(&m->reload, &m->pool);
	const char *why = NULL;

	if (outcome == RELOAD_FAILED) {
		why = m->reload.why;
		order_tell(m, CRR_EVENT_RELOAD_FAILED, n, why);
		log_warnx("reload failed: %s", why);
	} else {
		steering_close_stranded(&m->steering);
		served_complete(&m->listeners, m->reload.generation);
		order_tell(m, CRR_EVENT_RELOAD_COMPLETE, n, "");
	}
	clients_reloaded(&m->clients, m->reload.run, why);
	if (!reload_next(&m->reload, &m->pool, now_ms))
		return;
	order_note(m);
	m->clients.run = m->reload.run;
	order_tell(m, CRR_EVENT_RELOAD_REQUESTED, m->pool.wanted, "");
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

void
order_turn(struct master *m, int64_t now_ms)
{
	enum reload_outcome outcome;

	if (!is_due(m, now_ms))
		return;
	m->orders.due = false;
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
}
