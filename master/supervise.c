#include <sys/wait.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "master/drain/drain.h"
#include "master/nodes.h"
#include "master/order.h"
#include "master/ready.h"
#include "master/supervise.h"
#include "master/trap/trap.h"
#include "master/worker/family.h"

enum {
	REST_MS = 10000,		/* for processes that outlive SIGKILL */
	WATCH_AGAIN_MS = 100,		/* after memory ran out */
};

/* Nothing is left of the worker's processes. */
static void
forget_worker(struct master *m, struct worker *w)
{
	poller_forget(m->poller, w->process.trap_fd, w);
	process_gone(&w->process);
	w->rest_ms = 0;
	worker_touch(w);
}

/* Why a worker went, for people; nothing where it went as it was told. */
static void
describe_end(const struct worker *w, enum worker_state was, int64_t now_ms,
    char *text, size_t size)
{
	int64_t pause;

	text[0] = '\0';
	if (w->state == WORKER_BACKOFF) {
		pause = w->deadline_ms - now_ms;
		if (pause < 100)
			snprintf(text, size, "%s, again at once", w->ended);
		else
			snprintf(text, size, "%s, again in %.1f s", w->ended,
			    (double)pause / 1000);
	} else if (was == WORKER_STARTING || was == WORKER_READY ||
	    w->timed_out || w->stop_late || w->hung)
		snprintf(text, size, "%s", w->ended);
}

static void
tell_down(struct master *m, const struct worker *w, pid_t pid,
    enum worker_state was, int64_t now_ms)
{
	struct event ev;

	event_init(&ev, CRR_EVENT_WORKER_DOWN);
	ev.worker = w->id;
	ev.pid = (int)pid;
	ev.generation = w->generation;
	describe_end(w, was, now_ms, ev.text, sizeof(ev.text));
	clients_tell(&m->clients, &ev);
}

/* A server that makes itself a daemon is killed with its worker, which it has
 * ended itself. */
static void
hint_at_daemon(const struct worker *w, int wstatus)
{
	const struct process *p = &w->process;

	if (w->wanted && wstatus == 0 && p->listen_pid != 0 &&
	    p->listen_pid != p->pid &&
	    family_is_stray(p->listen_pid, &p->mark))
		log_warnx("worker %d: has left its server in the background: "
		    "have it stay in the foreground", w->id);
}

/* What was held of it goes on without it. */
static void
end_drain(struct worker *w, int64_t now_ms)
{
	if (w->drain != NULL)
		drain_end(w->drain, now_ms);
	drain_free(w->drain);
	w->drain = NULL;
}

static void
note_end(struct master *m, struct worker *w, int wstatus, int64_t now_ms)
{
	enum worker_state was = w->state;
	pid_t pid = w->process.pid;

	hint_at_daemon(w, wstatus);
	supervise_birth(m, w, now_ms);
	nodes_leave(m, w, now_ms);
	poller_forget(m->poller, w->process.birth_fd, w);
	end_drain(w, now_ms);
	worker_ended(w, wstatus, &m->pool.rules, now_ms);
	listeners_release(&m->listeners, w->seat, true);
	/* It may have shut its listening socket down, which is ours too. */
	if (listeners_mend(&m->listeners, w->seat) == -1)
		log_warn("listening again");
	if (m->life.been_ready)
		tell_down(m, w, pid, was, now_ms);
}

static void
fail_start(struct master *m, const struct worker *w, int64_t now_ms)
{
	if (w->code != 0)
		log_warnx("%s", w->ended);
	else
		log_warnx("worker %d: %s before any worker was ready", w->id,
		    w->ended);
	m->life.code = w->code != 0 ? w->code : 1;
	order_stop(m, true, now_ms);
}

/*
 * While a leader is not reaped nobody else can get its number, so that what is
 * left of its group is killed before.
 */
void
supervise_reap(struct master *m, int64_t now_ms)
{
	struct worker *w;
	siginfo_t info;
	int wstatus;

	for (;;) {
		memset(&info, 0, sizeof(info));
		if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) ==
		    -1 || info.si_pid == 0)
			return;
		w = pool_leader(&m->pool, info.si_pid);
		if (w != NULL)
			process_kill(&w->process);
		if (waitpid(info.si_pid, &wstatus, WNOHANG) <= 0)
			return;
		family_reaped(&m->family, info.si_pid);
		if (w != NULL)
			note_end(m, w, wstatus, now_ms);
	}
}

void
supervise_birth(struct master *m, struct worker *w, int64_t now_ms)
{
	int had_trap, fd = w->process.birth_fd;
	enum process_news news;

	while (w->process.birth_fd != -1) {
		had_trap = w->process.trap_fd;
		news = process_birth(&w->process, w->ended, sizeof(w->ended),
		    &w->code);
		if (news == PROCESS_RUNS && w->state == WORKER_STARTING)
			ready_born(m, w, now_ms);
		else if (news != PROCESS_FAILED &&
		    had_trap == w->process.trap_fd)
			return;
		worker_touch(w);
	}
	poller_forget(m->poller, fd, w);
}

void
supervise_trap(struct master *m, struct worker *w, bool hung_up, int64_t now_ms)
{
	struct trap_event ev;

	if (hung_up) {
		forget_worker(m, w);
		return;
	}
	if (trap_answer(w->process.trap_fd, &m->listeners, w->seat,
	    w->generation, &ev) == -1)
		return;
	switch (ev.news) {
	case TRAP_NONE:
	case TRAP_BOUND:
		break;
	case TRAP_LISTENS:
		ready_listens(m, w, ev.listener, ev.pid, now_ms);
		break;
	case TRAP_REFUSED:
		snprintf(w->refused, sizeof(w->refused), "%.*s",
		    WORKER_REFUSED_MAX - 1, ev.text);
		break;
	case TRAP_UNSHARED:
		log_warnx("worker %d: %s", w->id, ev.text);
		break;
	}
}

/* SIGKILL has gone to its group; who has left the group is looked for, where
 * it can't be mistaken. */
static void
end_rest(struct master *m, struct worker *w, int64_t now_ms)
{
	if (now_ms - w->since_ms > REST_MS) {
		log_warnx("worker %d: processes of it outlive SIGKILL", w->id);
		forget_worker(m, w);
		return;
	}
	if (!pool_has_twin(&m->pool, w))
		family_kill_strays(&m->family, &w->process.mark);
	w->rest_ms = now_ms + WORKER_KILL_AGAIN;
}

static struct drain *
begin_drain(struct master *m, struct worker *w, int64_t now_ms)
{
	const struct drain_rules rules = {
		.limit_ms = w->deadline_ms - now_ms,
		.idle_ms = m->pool.rules.idle_ms,
		.handoff = m->plan.handoff == PLAN_HANDOFF_OFF ? NULL :
		    &m->handoff,
		.any = m->plan.handoff == PLAN_HANDOFF_ANY,
		.leaves_queue = w->hung,
	};

	return drain_begin(&w->process, &m->family, &m->listeners, w->seat,
	    &m->handshakes, &rules, now_ms);
}

/*
 * Not before it has been steered away, in the turn after it began; a seat that
 * is still steered to will be served by its successor.
 */
static void
look_at_drain(struct master *m, struct worker *w, int64_t now_ms)
{
	bool steered = m->listeners.steered[w->seat] && !m->pool.stopping &&
	    !w->hung;
	bool clean;

	if (w->drain == NULL)
		w->drain = begin_drain(m, w, now_ms);
	/* With --stop-new wait the next master may come. */
	if (w->drain != NULL && m->pool.stopping && !m->plan.stop_wait)
		drain_last(w->drain);
	clean = w->drain == NULL || steered ||
	    drain_look(w->drain, &m->listeners, now_ms);
	if (order_is_drained(m, clean, now_ms))
		worker_step(w, WORKER_DRAINED, &m->pool.rules, now_ms);
}

/* Its drain is over: what has become of its connections counts for good. */
static void
sum_up_drain(struct master *m, const struct worker *w, int64_t now_ms)
{
	struct drain_counts counts;

	if (w->drain == NULL || w->state == WORKER_DRAINING ||
	    !drain_stopping(w->drain, now_ms))
		return;
	counts = drain_counts(w->drain);
	m->handoff.counts.held += counts.raised;
	m->handoff.counts.unheld += counts.unheld;
	m->handoff.counts.remote += counts.remote;
}

/* What is held stays so until the worker has gone. */
static void
look_at_stopping(struct master *m, struct worker *w, int64_t now_ms)
{
	sum_up_drain(m, w, now_ms);
	if (w->drain != NULL)
		drain_look(w->drain, &m->listeners, now_ms);
}

/* What is in hand now is cut by the stop signal, if the server cuts it. */
static void
tell_drain_over(struct master *m, const struct worker *w)
{
	struct drain_counts counts = drain_counts(w->drain);
	struct event ev;

	if (counts.waiting == 0)
		return;
	event_init(&ev, CRR_EVENT_DRAIN_OVER);
	ev.worker = w->id;
	ev.pid = (int)w->process.pid;
	ev.generation = w->generation;
	ev.count = counts.waiting;
	snprintf(ev.text, sizeof(ev.text), "%u connection%s still in hand "
	    "after %.3g s", counts.waiting, counts.waiting == 1 ? "" : "s",
	    (double)m->pool.rules.drain_ms / 1000);
	clients_tell(&m->clients, &ev);
}

static void
meet_deadline(struct master *m, struct worker *w, int64_t now_ms)
{
	int64_t goodbye_ms;

	if (w->rest_ms != 0) {
		if (w->rest_ms <= now_ms)
			end_rest(m, w, now_ms);
		return;
	}
	if (w->alive_ms != 0 && w->alive_ms <= now_ms)
		ready_up(m, w, now_ms);
	if (w->deadline_ms != 0 && w->deadline_ms <= now_ms) {
		if (w->state == WORKER_STARTING)
			ready_note_missing(m, w);
		if (w->state == WORKER_DRAINING && w->drain != NULL)
			tell_drain_over(m, w);
		/* One that hangs has had its time to stop. */
		worker_step(w, w->hung && w->state == WORKER_DRAINING ?
		    WORKER_KILL : WORKER_TIMEOUT, &m->pool.rules, now_ms);
	}
	if (w->state == WORKER_DRAINING)
		look_at_drain(m, w, now_ms);
	else
		look_at_stopping(m, w, now_ms);
	goodbye_ms = nodes_goodbye_at(m, w);
	if (goodbye_ms != 0 && goodbye_ms <= now_ms)
		nodes_say_goodbye(m, w);
}

static void
set_timer(struct master *m, struct worker *w)
{
	int64_t next_ms = worker_deadline(w);

	if (w->rest_ms == 0) {
		if (w->drain != NULL)
			timers_sooner(&next_ms, drain_next(w->drain));
		else if (w->state == WORKER_DRAINING)
			timers_sooner(&next_ms, w->since_ms);
		timers_sooner(&next_ms, nodes_goodbye_at(m, w));
	}
	timers_set(&m->timers, &w->timer, next_ms);
}

/* Whose connection it is, the drains know. */
static void
note_reply(struct master *m, const struct porting_reply *reply, int64_t now_ms)
{
	struct worker *w;
	int i;

	if (reply->news != PORTING_TAKEN && reply->news != PORTING_REFUSED)
		return;
	for (i = 0; i < m->pool.nseats; i++) {
		w = m->pool.seat[i];
		if (w->drain != NULL && drain_reply(w->drain, reply->id,
		    reply->news == PORTING_TAKEN, now_ms))
			return;
	}
}

void
supervise_porter(struct master *m, int64_t now_ms)
{
	struct porting_reply reply;
	int fd = m->handoff.fd;

	while (handoff_hear(&m->handoff, &reply))
		note_reply(m, &reply, now_ms);
	if (m->handoff.fd != fd)
		poller_forget(m->poller, fd, m);
}

static void
settle_porter(struct master *m, int64_t now_ms)
{
	int fd = m->handoff.fd;

	m->porter_ms = handoff_turn(&m->handoff, now_ms);
	if (m->handoff.fd == -1)
		poller_forget(m->poller, fd, m);
	else if (poller_watch(m->poller, fd, POLLIN, SOURCE_PORTER, m) == -1)
		log_warn("the porter can't be watched");
}

/* Each worker once: what is due again at once is for the next turn. */
void
supervise_deadlines(struct master *m, int64_t now_ms)
{
	struct worker *due = NULL, **last = &due, *w;

	while ((w = timers_expired(&m->timers, now_ms)) != NULL) {
		w->next_due = NULL;
		*last = w;
		last = &w->next_due;
	}
	for (w = due; w != NULL; w = w->next_due) {
		meet_deadline(m, w, now_ms);
		set_timer(m, w);
	}
}

static int
watch_worker(struct master *m, struct worker *w)
{
	if (w->process.birth_fd != -1 && poller_watch(m->poller,
	    w->process.birth_fd, POLLIN, SOURCE_BIRTH, w) == -1)
		return -1;
	if (w->process.trap_fd != -1 && poller_watch(m->poller,
	    w->process.trap_fd, POLLIN, SOURCE_TRAP, w) == -1)
		return -1;
	return nodes_join(m, w);
}

/*
 * A loop of restarts would only hide why nobody has ever been ready, so the
 * first end of a worker before that ends the master.
 */
static void
settle_worker(struct master *m, struct worker *w, int64_t now_ms)
{
	if (!m->life.been_ready && !m->pool.stopping &&
	    w->state == WORKER_BACKOFF)
		fail_start(m, w, now_ms);
	sum_up_drain(m, w, now_ms);
	set_timer(m, w);
}

void
supervise_settle(struct master *m, int64_t now_ms)
{
	struct worker *w;

	settle_porter(m, now_ms);
	while ((w = pool_take_changed(&m->pool)) != NULL) {
		order_note(m);
		settle_worker(m, w, now_ms);
		if (watch_worker(m, w) == 0)
			continue;
		log_warn("worker %d can't be watched", w->id);
		timers_set(&m->timers, &w->timer, now_ms + WATCH_AGAIN_MS);
		worker_touch(w);
		return;
	}
}
