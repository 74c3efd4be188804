#include <sys/wait.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "master/worker/worker.h"

struct context {
	const struct worker_rules *rules;
	int64_t	 now_ms;
};

struct step {
	bool	 leads;			/* false: the event is ignored */
	enum worker_state to;
	void	(*action)(struct worker *, const struct context *);
};

void
worker_init(struct worker *w, int seat, struct worker **changed)
{
	memset(w, 0, sizeof(*w));
	w->seat = seat;
	w->changed = changed;
	w->timer.owner = w;
	process_init(&w->process);
}

void
worker_touch(struct worker *w)
{
	if (w->is_changed || w->changed == NULL)
		return;
	w->is_changed = true;
	w->next_changed = *w->changed;
	*w->changed = w;
}

static void
start_process(struct worker *w, const struct context *c)
{
	w->generation = c->rules->generation;
	w->started_ms = c->now_ms;
	w->ready_ms = 0;
	w->alive_ms = 0;
	w->timed_out = false;
	w->stop_late = false;
	w->hung = false;
	w->code = 0;
	w->refused[0] = '\0';
	w->missing[0] = '\0';
	w->deadline_ms = c->now_ms + c->rules->start_timeout_ms;
	if (process_start(&w->process, c->rules, w->id, w->seat) == 0)
		return;
	snprintf(w->ended, sizeof(w->ended), "could not be started: %s",
	    strerror(errno));
	worker_step(w, w->wanted ? WORKER_LOST : WORKER_GONE, c->rules,
	    c->now_ms);
}

static void
note_ready(struct worker *w, const struct context *c)
{
	w->ready_ms = c->now_ms;
	w->alive_ms = 0;
	w->deadline_ms = 0;
}

static void
begin_drain(struct worker *w, const struct context *c)
{
	w->deadline_ms = c->now_ms + c->rules->drain_ms;
}

/* Its successor in the same seat serves what is queued. */
static void
drain_hung(struct worker *w, const struct context *c)
{
	w->hung = true;
	begin_drain(w, c);
}

static void
stop_process(struct worker *w, const struct context *c)
{
	w->alive_ms = 0;
	w->deadline_ms = c->now_ms + c->rules->stop_timeout_ms;
	process_signal(&w->process, c->rules->stop_signal);
}

static void
kill_all(struct worker *w, const struct context *c)
{
	w->alive_ms = 0;
	w->deadline_ms = c->now_ms + WORKER_KILL_AGAIN;
	process_kill(&w->process);
}

static void
expire_start(struct worker *w, const struct context *c)
{
	w->timed_out = true;
	kill_all(w, c);
}

static void
give_up_stop(struct worker *w, const struct context *c)
{
	w->stop_late = true;
	kill_all(w, c);
}

static bool
was_stable(const struct worker *w, const struct context *c)
{
	int64_t least = WORKER_STABLE;

	if (c->rules->soak_ms > least)
		least = c->rules->soak_ms;
	return w->ready_ms != 0 && c->now_ms - w->ready_ms >= least;
}

/* At once the first time, then 1 s, 2 s, 4 s … 30 s, a fifth of it jitter. */
static int64_t
pause_before(unsigned failures)
{
	int64_t pause;

	if (failures <= 1)
		return 0;
	pause = WORKER_BACKOFF_MAX;
	if (failures < 7)
		pause = (int64_t)WORKER_BACKOFF_FIRST << (failures - 2);
	if (pause > WORKER_BACKOFF_MAX)
		pause = WORKER_BACKOFF_MAX;
	return pause - clock_random(pause / 5);
}

static void
back_off(struct worker *w, const struct context *c)
{
	if (was_stable(w, c))
		w->failures = 0;
	else
		w->lost_generation = w->generation;
	w->failures++;
	w->restarts++;
	w->alive_ms = 0;
	w->deadline_ms = c->now_ms + pause_before(w->failures);
}

static void
come_to_rest(struct worker *w, const struct context *c)
{
	(void)c;
	w->alive_ms = 0;
	w->deadline_ms = 0;
}

#define ON(from, event, into, does) \
	[WORKER_##from][WORKER_##event] = { true, WORKER_##into, does }

static const struct step steps[WORKER_NSTATES][WORKER_NEVENTS] = {
	ON(DOWN,	START,		STARTING,	start_process),

	ON(STARTING,	UP,		READY,		note_ready),
	ON(STARTING,	RETIRE,		STOPPING,	stop_process),
	ON(STARTING,	STOP,		STOPPING,	stop_process),
	ON(STARTING,	KILL,		KILLED,		kill_all),
	ON(STARTING,	LOST,		BACKOFF,	back_off),
	ON(STARTING,	GONE,		DOWN,		come_to_rest),
	ON(STARTING,	TIMEOUT,	KILLED,		expire_start),

	ON(READY,	RETIRE,		DRAINING,	begin_drain),
	ON(READY,	HANG,		DRAINING,	drain_hung),
	ON(READY,	STOP,		STOPPING,	stop_process),
	ON(READY,	KILL,		KILLED,		kill_all),
	ON(READY,	LOST,		BACKOFF,	back_off),
	ON(READY,	GONE,		DOWN,		come_to_rest),

	ON(DRAINING,	DRAINED,	STOPPING,	stop_process),
	ON(DRAINING,	STOP,		STOPPING,	stop_process),
	ON(DRAINING,	KILL,		KILLED,		kill_all),
	ON(DRAINING,	LOST,		BACKOFF,	back_off),
	ON(DRAINING,	GONE,		DOWN,		come_to_rest),
	ON(DRAINING,	TIMEOUT,	STOPPING,	stop_process),

	ON(STOPPING,	KILL,		KILLED,		kill_all),
	ON(STOPPING,	LOST,		BACKOFF,	back_off),
	ON(STOPPING,	GONE,		DOWN,		come_to_rest),
	ON(STOPPING,	TIMEOUT,	KILLED,		give_up_stop),

	ON(KILLED,	LOST,		BACKOFF,	back_off),
	ON(KILLED,	GONE,		DOWN,		come_to_rest),
	ON(KILLED,	TIMEOUT,	KILLED,		kill_all),

	ON(BACKOFF,	START,		STARTING,	start_process),
	ON(BACKOFF,	RETIRE,		DOWN,		come_to_rest),
	ON(BACKOFF,	STOP,		DOWN,		come_to_rest),
	ON(BACKOFF,	KILL,		DOWN,		come_to_rest),
	ON(BACKOFF,	TIMEOUT,	STARTING,	start_process),
};

#undef ON

void
worker_step(struct worker *w, enum worker_event event,
    const struct worker_rules *rules, int64_t now_ms)
{
	const struct step *step = &steps[w->state][event];
	struct context c = { rules, now_ms };

	if (event == WORKER_RETIRE || event == WORKER_STOP) {
		w->wanted = false;
		worker_touch(w);
	}
	if (!step->leads)
		return;
	worker_touch(w);
	w->state = step->to;
	w->since_ms = now_ms;
	step->action(w, &c);
}

void
worker_begin(struct worker *w, int id, bool candidate,
    const struct worker_rules *rules, int64_t now_ms)
{
	const struct worker was = *w;

	worker_init(w, was.seat, was.changed);
	/* What others keep of it goes by the seat. */
	w->is_changed = was.is_changed;
	w->next_changed = was.next_changed;
	w->noted_group = was.noted_group;
	w->next_in_group = was.next_in_group;
	w->timer = was.timer;
	w->id = id;
	w->wanted = !candidate;
	w->candidate = candidate;
	worker_step(w, WORKER_START, rules, now_ms);
}

static void
describe_status(struct worker *w, int wstatus, const struct worker_rules *rules)
{
	if (w->timed_out && w->missing[0] != '\0')
		snprintf(w->ended, sizeof(w->ended), "not ready within %g s: "
		    "%s, which the generation before served (one that is to "
		    "serve less must say READY=1)",
		    (double)rules->start_timeout_ms / 1000, w->missing);
	else if (w->timed_out)
		snprintf(w->ended, sizeof(w->ended), "not ready within %g s%s",
		    (double)rules->start_timeout_ms / 1000,
		    rules->ready == WORKER_READY_LISTEN ? " (--ready "
		    "alive:TIME is for programs that serve no socket)" : "");
	else if (w->hung)
		snprintf(w->ended, sizeof(w->ended), "left connections "
		    "waiting for %g s, replaced",
		    (double)rules->hang_ms / 1000);
	else if (w->stop_late)
		snprintf(w->ended, sizeof(w->ended), "not stopped within %g s, "
		    "killed", (double)rules->stop_timeout_ms / 1000);
	else if (WIFSIGNALED(wstatus))
		snprintf(w->ended, sizeof(w->ended), "killed by SIG%s",
		    parse_signal_name(WTERMSIG(wstatus)));
	else
		snprintf(w->ended, sizeof(w->ended), "exited with %d",
		    WEXITSTATUS(wstatus));
}

/* exec's own failure has been noted already, and says more. */
static void
describe_end(struct worker *w, int wstatus, const struct worker_rules *rules)
{
	size_t len;

	if (w->code != 0)
		return;
	describe_status(w, wstatus, rules);
	len = strlen(w->ended);
	if (w->ready_ms == 0 && w->refused[0] != '\0')
		snprintf(w->ended + len, sizeof(w->ended) - len, " after %s",
		    w->refused);
}

void
worker_ended(struct worker *w, int wstatus, const struct worker_rules *rules,
    int64_t now_ms)
{
	process_ended(&w->process);
	if (w->process.rest)
		w->rest_ms = now_ms;
	describe_end(w, wstatus, rules);
	worker_step(w, w->wanted ? WORKER_LOST : WORKER_GONE, rules, now_ms);
}

bool
worker_runs(const struct worker *w)
{
	switch (w->state) {
	case WORKER_STARTING:
	case WORKER_READY:
	case WORKER_DRAINING:
	case WORKER_STOPPING:
	case WORKER_KILLED:
		return true;
	case WORKER_DOWN:
	case WORKER_BACKOFF:
	case WORKER_NSTATES:
		break;
	}
	return false;
}

bool
worker_free(const struct worker *w)
{
	return w->state == WORKER_DOWN && !w->candidate && w->rest_ms == 0;
}

bool
worker_serves(const struct worker *w)
{
	return w->state == WORKER_READY && !w->candidate;
}

/* One that is to start again waits until nothing is left of it. */
int64_t
worker_deadline(const struct worker *w)
{
	int64_t due = w->deadline_ms;

	if (w->rest_ms != 0)
		return w->rest_ms;
	if (w->alive_ms != 0 && (due == 0 || w->alive_ms < due))
		due = w->alive_ms;
	return due;
}
