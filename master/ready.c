#include <stdio.h>

#include "base/log.h"
#include "master/control/notify.h"
#include "master/ready.h"
#include "master/socket/served.h"

enum {
	HANDED_MS = 1000,		/* alive for so long is ready, for one
					   that was handed its sockets */
};

static void
tell_up(struct master *m, const struct worker *w)
{
	struct event ev;

	event_init(&ev, CRR_EVENT_WORKER_UP);
	ev.worker = w->id;
	ev.pid = (int)w->process.pid;
	ev.generation = w->generation;
	clients_tell(&m->clients, &ev);
}

void
ready_up(struct master *m, struct worker *w, int64_t now_ms)
{
	if (w->state != WORKER_STARTING)
		return;
	worker_step(w, WORKER_UP, &m->pool.rules, now_ms);
	m->life.been_ready = true;
	tell_up(m, w);
}

void
ready_born(struct master *m, struct worker *w, int64_t now_ms)
{
	const struct plan *plan = &m->plan;

	if (plan->rules.ready == WORKER_READY_ALIVE)
		w->alive_ms = now_ms + plan->rules.alive_ms;
	else if (plan->rules.ready == WORKER_READY_LISTEN &&
	    (plan->nlisten > 0 || !m->plan.launch.trap))
		w->alive_ms = now_ms + HANDED_MS;
	worker_touch(w);
}

void
ready_listens(struct master *m, struct worker *w, struct listener *l,
    pid_t pid, int64_t now_ms)
{
	w->process.listen_pid = pid;
	served_hear(&m->listeners, l, w->seat, w->process.group);
	if (m->plan.rules.ready == WORKER_READY_LISTEN &&
	    served_is_heard(&m->listeners, w->seat, w->process.group))
		ready_up(m, w, now_ms);
}

bool
ready_said(struct master *m, pid_t pid, int64_t now_ms)
{
	struct worker *w;

	w = pool_owner(&m->pool, pid);
	if (w == NULL)
		return false;
	if (m->plan.rules.ready != WORKER_READY_ALIVE)
		ready_up(m, w, now_ms);
	return true;
}

void
ready_notified(struct master *m, int64_t now_ms)
{
	bool ready;
	pid_t pid;

	while (notify_read(m->notify_fd, &ready, &pid)) {
		if (ready && !ready_said(m, pid, now_ms))
			log_debug("READY=1 of process %d: not a worker's",
			    (int)pid);
	}
}

void
ready_note_missing(struct master *m, struct worker *w)
{
	char text[WORKER_REFUSED_MAX];

	if (m->plan.rules.ready == WORKER_READY_LISTEN &&
	    w->process.listen_pid != 0 &&
	    served_tell_missing(&m->listeners, w->seat, w->process.group, text,
	    sizeof(text)) > 0)
		snprintf(w->missing, sizeof(w->missing), "%s", text);
}
