#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/master.h"
#include "master/nodes.h"
#include "master/order.h"
#include "master/ready.h"
#include "master/request.h"
#include "master/setup.h"
#include "master/signals.h"
#include "master/supervise.h"

/* Milliseconds until something is due; -1: nothing is. */
static int
find_timeout(const struct master *m)
{
	int64_t next_ms = 0, now_ms;

	if (m->post.gathering)
		return 0;
	timers_sooner(&next_ms, timers_next(&m->timers));
	timers_sooner(&next_ms, order_next(m));
	timers_sooner(&next_ms, steering_next(&m->steering));
	timers_sooner(&next_ms, clients_next(&m->clients));
	timers_sooner(&next_ms, post_next(&m->post));
	timers_sooner(&next_ms, m->porter_ms);
	if (next_ms == 0)
		return -1;
	now_ms = clock_now();
	return next_ms <= now_ms ? 0 : (int)(next_ms - now_ms);
}

static void
act_on_signals(struct master *m, int64_t now_ms)
{
	const struct poller_event *ev;
	size_t i = 0;

	while ((ev = poller_next(m->poller, &i)) != NULL) {
		if (ev->kind == SOURCE_SIGNAL)
			signals_act(m, now_ms);
	}
}

/* What workers say now may decide what is answered to clients. */
static void
act_on_workers(struct master *m, int64_t now_ms)
{
	const struct poller_event *ev;
	size_t i = 0;

	while ((ev = poller_next(m->poller, &i)) != NULL) {
		switch ((enum source)ev->kind) {
		case SOURCE_BIRTH:
			supervise_birth(m, ev->owner, now_ms);
			break;
		case SOURCE_TRAP:
			supervise_trap(m, ev->owner,
			    (ev->revents & POLLIN) == 0, now_ms);
			break;
		case SOURCE_NODE:
			nodes_talk(m, ev->owner, ev->revents, now_ms);
			break;
		case SOURCE_NOTIFY:
			ready_notified(m, now_ms);
			break;
		case SOURCE_PORTER:
			supervise_porter(m, now_ms);
			break;
		case SOURCE_SIGNAL:
		case SOURCE_CONTROL:
		case SOURCE_CONN:
			break;
		}
	}
}

static void
act_on_clients(struct master *m, int64_t now_ms)
{
	const struct poller_event *ev;
	size_t i = 0;

	while ((ev = poller_next(m->poller, &i)) != NULL) {
		if (ev->kind == SOURCE_CONTROL)
			clients_accept(&m->clients, m->control.fd, now_ms);
		if (ev->kind == SOURCE_CONN)
			request_talk(m, ev->owner, ev->revents, now_ms);
	}
}

/* Have the next wait know what this turn has changed. */
static void
settle_turn(struct master *m, int64_t now_ms)
{
	supervise_settle(m, now_ms);
	nodes_settle(m);
	clients_settle(&m->clients, m->post.held, m->post.gathering, now_ms);
	if (poller_watch(m->poller, m->control.fd,
	    m->clients.accept_ms == 0 ? POLLIN : 0, SOURCE_CONTROL, m) == -1)
		log_warn("the control socket");
}

/* Ends come first, so that nobody is signalled who has gone; what is asked of
 * all workers comes last, when all that is known has been noted. */
static void
take_turn(struct master *m)
{
	int64_t now_ms;

	if (poller_wait(m->poller, find_timeout(m)) == -1)
		fatal(1, "waiting for events");
	now_ms = clock_now();
	act_on_signals(m, now_ms);
	act_on_workers(m, now_ms);
	supervise_deadlines(m, now_ms);
	if (steering_look(&m->steering, !m->reload.active, now_ms))
		order_note(m);
	act_on_clients(m, now_ms);
	order_turn(m, now_ms);
	if (!post_gather(&m->post)) {
		post_write(&m->post, m->clients.set.first);
		nodes_write(m);
	}
	post_hold(&m->post, now_ms);
	settle_turn(m, now_ms);
}

static void
say_goodbye(struct master *m)
{
	if (m->life.been_ready)
		order_tell(m, CRR_EVENT_MASTER_STOPPED, 0, "");
	clients_stopped(&m->clients);
	clients_finish(&m->clients);
}

int
master_main(int argc, char **argv)
{
	struct master m;

	memset(&m, 0, sizeof(m));
	plan_read(&m.plan, argc, argv);
	log_set_dropping();
	setup_begin(&m);
	order_tell(&m, CRR_EVENT_MASTER_STARTING, m.plan.launch.workers, "");
	order_note(&m);
	order_turn(&m, clock_now());
	settle_turn(&m, clock_now());
	while (!m.pool.stopping || !pool_empty(&m.pool))
		take_turn(&m);
	say_goodbye(&m);
	setup_end(&m);
	return m.life.code;
}
