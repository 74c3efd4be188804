/* One worker: every state at every event, lives from beginning to end. */
#include <signal.h>
#include <stdlib.h>

#include "master/worker/worker.h"
#include "test/fake_process.h"
#include "test/tap.h"

static const char *
worker_state_name(enum worker_state state)
{
	static const char *const names[] = {
#define X(symbol, name, number) [number] = name,
		CRR_WORKER_STATES(X)
#undef X
	};

	return names[state];
}

enum {
	START_TIMEOUT = 60000,
	SOAK = 1000,
	DRAIN = 10000,
	STOP_TIMEOUT = 30000,
	STOP_SIGNAL = SIGUSR2,
	GENERATION = 7,
	NWALKS = 20000,
	WALK_STEPS = 30,
};

static struct worker_rules rules = {
	.generation = GENERATION,
	.start_timeout_ms = START_TIMEOUT,
	.soak_ms = SOAK,
	.drain_ms = DRAIN,
	.stop_timeout_ms = STOP_TIMEOUT,
	.stop_signal = STOP_SIGNAL,
};

/* Where an event leads; a dot: it is ignored. The letters are those of
 * letters[], the columns START UP RETIRE HANG DRAINED STOP KILL LOST
 * GONE TIMEOUT. */
static const char letters[] = "-SRDTKB";
static const char *const expected[WORKER_NSTATES] = {
	[WORKER_DOWN]		= "S.........",
	[WORKER_STARTING]	= ".RT..TKB-K",
	[WORKER_READY]		= "..DD.TKB-.",
	[WORKER_DRAINING]	= "....TTKB-T",
	[WORKER_STOPPING]	= "......KB-K",
	[WORKER_KILLED]		= ".......B-K",
	[WORKER_BACKOFF]	= "S.-..--..S",
};

static const char *const event_names[] = {
#define X(symbol) #symbol,
	WORKER_EVENT_LIST(X)
#undef X
};

static void
step(struct worker *w, enum worker_event event)
{
	worker_step(w, event, &rules, fake.now_ms);
}

static void
begin(struct worker *w, bool candidate)
{
	worker_init(w, 3, NULL);
	worker_begin(w, 5, candidate, &rules, fake.now_ms);
}

/* The next moment at which something is due has come. */
static void
wait_due(struct worker *w)
{
	if (fake.now_ms < worker_deadline(w))
		fake.now_ms = worker_deadline(w);
	step(w, WORKER_TIMEOUT);
}

static void
exits(struct worker *w, int code)
{
	worker_ended(w, fake_exit(code), &rules, fake.now_ms);
}

/* A worker in a state, as events lead to it. */
static struct worker
make(enum worker_state state)
{
	struct worker w;

	fake_reset();
	memset(&w, 0, sizeof(w));
	worker_init(&w, 3, NULL);
	if (state == WORKER_DOWN)
		return w;
	begin(&w, false);
	switch (state) {
	case WORKER_READY:
		step(&w, WORKER_UP);
		break;
	case WORKER_DRAINING:
		step(&w, WORKER_UP);
		step(&w, WORKER_RETIRE);
		break;
	case WORKER_STOPPING:
		step(&w, WORKER_RETIRE);
		break;
	case WORKER_KILLED:
		wait_due(&w);
		break;
	case WORKER_BACKOFF:
		exits(&w, 1);
		break;
	case WORKER_DOWN:
	case WORKER_STARTING:
	case WORKER_NSTATES:
		break;
	}
	return w;
}

static bool
has_process(enum worker_state state)
{
	return state != WORKER_DOWN && state != WORKER_BACKOFF;
}

static bool
waits(enum worker_state state)
{
	return state != WORKER_DOWN && state != WORKER_READY;
}

/* What must always hold. */
static bool
sound(const struct worker *w)
{
	if ((w->process.pid != 0) != has_process(w->state) ||
	    worker_runs(w) != has_process(w->state))
		return false;
	if ((w->deadline_ms != 0) != waits(w->state))
		return false;
	if (w->wanted && (w->state == WORKER_DOWN || (!w->hung &&
	    (w->state == WORKER_DRAINING || w->state == WORKER_STOPPING))))
		return false;
	if (worker_serves(w) != (w->state == WORKER_READY && !w->candidate))
		return false;
	if (w->alive_ms != 0 && w->state != WORKER_STARTING)
		return false;
	return fake.misuses == 0;
}

static int64_t
expected_deadline(enum worker_state state)
{
	switch (state) {
	case WORKER_STARTING:
		return fake.now_ms + START_TIMEOUT;
	case WORKER_DRAINING:
		return fake.now_ms + DRAIN;
	case WORKER_STOPPING:
		return fake.now_ms + STOP_TIMEOUT;
	case WORKER_KILLED:
		return fake.now_ms + WORKER_KILL_AGAIN;
	case WORKER_BACKOFF:
		return fake.now_ms;
	case WORKER_DOWN:
	case WORKER_READY:
	case WORKER_NSTATES:
		break;
	}
	return 0;
}

static bool
ignores(struct worker *w, enum worker_event event)
{
	struct worker before;
	struct fake was = fake;

	memcpy(&before, w, sizeof(before));
	if (event == WORKER_RETIRE || event == WORKER_STOP)
		before.wanted = false;
	step(w, event);
	return memcmp(&before, w, sizeof(before)) == 0 &&
	    memcmp(&was, &fake, sizeof(was)) == 0;
}

static bool
leads(struct worker *w, enum worker_event event, char letter)
{
	int starts = fake.starts;

	fake.now_ms += 17;
	if (event == WORKER_LOST || event == WORKER_GONE)
		process_ended(&w->process);
	if (event == WORKER_GONE || event == WORKER_KILL)
		w->wanted = false;
	step(w, event);
	if ((event == WORKER_RETIRE || event == WORKER_STOP) && w->wanted)
		return false;
	return letters[w->state] == letter && w->since_ms == fake.now_ms &&
	    w->deadline_ms == expected_deadline(w->state) &&
	    fake.starts - starts == (letter == 'S');
}

/* What was sent to the one process of a worker that an event has met. */
static bool
was_sent(const struct worker *before, const struct worker *after)
{
	const struct fake_life *life = &fake.life[before->process.pid];
	int signals = after->state == WORKER_STOPPING;
	int kills = after->state == WORKER_KILLED;

	if (before->state == WORKER_STOPPING)
		signals = 1;
	if (before->state == WORKER_KILLED)
		kills++;
	if (before->process.pid == 0)
		return true;
	return life->signals == signals && life->kills == kills &&
	    (signals == 0 || life->sig == STOP_SIGNAL);
}

static bool
check_cell(enum worker_state state, enum worker_event event)
{
	char letter = expected[state][event];
	struct worker w = make(state), before = w;
	bool good;

	if (w.state != state || !sound(&w))
		return false;
	if (letter == '.')
		return ignores(&w, event) && sound(&w);
	good = leads(&w, event, letter) && sound(&w);
	return good && was_sent(&before, &w);
}

static bool
check_row(enum worker_state state)
{
	enum worker_event event;
	bool good = true;

	for (event = 0; event < WORKER_NEVENTS; event++) {
		if (check_cell(state, event))
			continue;
		printf("# %s at %s\n", worker_state_name(state),
		    event_names[event]);
		good = false;
	}
	return good;
}

static void
test_table(void)
{
	char sentence[100];
	enum worker_state state;

	for (state = 0; state < WORKER_NSTATES; state++) {
		snprintf(sentence, sizeof(sentence), "a worker in the state "
		    "%s does at every event what is expected",
		    worker_state_name(state));
		ok(check_row(state), sentence);
	}
}

static void
test_names(void)
{
	static const char *const names[] = { "down", "starting", "ready",
	    "draining", "stopping", "killed", "backoff" };
	bool good = sizeof(names) / sizeof(names[0]) == WORKER_NSTATES;
	int i;

	for (i = 0; good && i < WORKER_NSTATES; i++)
		good = strcmp(worker_state_name((enum worker_state)i),
		    names[i]) == 0;
	ok(good, "each state has its name and its number");
}

/* An event that could come now, sent as the master sends it. */
static void
happen(struct worker *w, enum worker_event event)
{
	if (event == WORKER_LOST || event == WORKER_GONE) {
		if (w->process.pid != 0)
			exits(w, 0);
	} else if (event == WORKER_START) {
		if (worker_free(w))
			worker_begin(w, 5, rand() % 2 == 0, &rules,
			    fake.now_ms);
	} else if (event == WORKER_TIMEOUT && w->deadline_ms != 0)
		wait_due(w);
	else if (event != WORKER_TIMEOUT) {
		w->wanted = w->wanted && event != WORKER_KILL;
		step(w, event);
	}
	if (w->candidate && w->state == WORKER_DOWN)
		w->candidate = false;
}

/* A stop signal at most once, and not behind a SIGKILL. */
static bool
signalled_well(void)
{
	const struct fake_life *life;
	int pid;

	for (pid = 1; pid <= fake.starts; pid++) {
		life = &fake.life[pid];
		if (life->signals > 1)
			return false;
		if (life->signals == 1 && life->kills > 0 &&
		    life->signal_ms > life->kill_ms)
			return false;
	}
	return true;
}

static bool
walk(void)
{
	struct worker w;
	int i;

	fake.now_ms = 1000000;
	fake.starts = 0;
	fake.fail_starts = 0;
	worker_init(&w, 3, NULL);
	for (i = 0; i < WALK_STEPS; i++) {
		fake.now_ms += rand() % 3 * 6000;
		fake.fail_starts = rand() % 8 == 0;
		happen(&w, (enum worker_event)(rand() % WORKER_NEVENTS));
		if (!sound(&w) || w.id != (fake.starts == 0 ? w.id : 5) ||
		    w.seat != 3)
			return false;
	}
	return signalled_well();
}

static void
test_walks(void)
{
	bool good = true;
	int i;

	fake_reset();
	for (i = 0; good && i < NWALKS; i++) {
		srand((unsigned)i);
		good = walk();
		if (!good)
			printf("# walk %d\n", i);
	}
	ok(good, "on every way there is a pid where a process is, a deadline "
	    "where one is waited for, and one stop signal at most");
}

static void
test_whole_life(void)
{
	const struct fake_life *life = &fake.life[1];
	struct worker w = make(WORKER_READY);
	bool good;

	step(&w, WORKER_RETIRE);
	step(&w, WORKER_RETIRE);
	good = w.state == WORKER_DRAINING && life->signals == 0;
	step(&w, WORKER_DRAINED);
	step(&w, WORKER_DRAINED);
	step(&w, WORKER_STOP);
	good = good && w.state == WORKER_STOPPING && life->signals == 1 &&
	    life->sig == STOP_SIGNAL && life->kills == 0;
	ok(good, "a worker that retires drains, then gets the stop signal");
	wait_due(&w);
	good = w.state == WORKER_KILLED && life->kills == 1;
	wait_due(&w);
	wait_due(&w);
	good = good && w.state == WORKER_KILLED && life->kills == 3 &&
	    life->signals == 1 && fake.now_ms - life->kill_ms ==
	    2 * WORKER_KILL_AGAIN;
	ok(good, "one that doesn't stop is killed, again each second");
	worker_ended(&w, SIGKILL, &rules, fake.now_ms);
	ok(w.state == WORKER_DOWN && worker_free(&w) && w.restarts == 0 &&
	    fake.starts == 1, "one that retired does not start again");
}

static void
test_timeouts(void)
{
	struct worker w = make(WORKER_READY);

	step(&w, WORKER_RETIRE);
	wait_due(&w);
	ok(w.state == WORKER_STOPPING && fake.life[1].signals == 1,
	    "a drain that takes too long ends in the stop signal");
	w = make(WORKER_STARTING);
	wait_due(&w);
	ok(w.state == WORKER_KILLED && w.timed_out && w.wanted &&
	    fake.life[1].signals == 0, "one that isn't ready in time is "
	    "killed with no stop signal");
	worker_ended(&w, SIGKILL, &rules, fake.now_ms);
	ok(w.state == WORKER_BACKOFF && w.lost_generation == GENERATION,
	    "and is tried again");
	wait_due(&w);
	ok(w.state == WORKER_STARTING && !w.timed_out,
	    "the next process has not timed out");
}

/* Crash w, which is starting, at once. Returns how long it then waits. */
static int64_t
crash(struct worker *w, int64_t ready_for_ms)
{
	int64_t pause;

	if (ready_for_ms != -1) {
		step(w, WORKER_UP);
		fake.now_ms += ready_for_ms;
	}
	exits(w, 1);
	pause = w->deadline_ms - fake.now_ms;
	wait_due(w);
	return pause;
}

static bool
backs_off(int64_t jitter)
{
	static const int64_t pauses[] = { 0, 1000, 2000, 4000, 8000, 16000,
	    30000, 30000, 30000 };
	struct worker w = make(WORKER_STARTING);
	int64_t most, pause;
	size_t i;

	fake.random = jitter;
	for (i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++) {
		most = pauses[i];
		pause = crash(&w, i % 2 == 0 ? -1 : 500);
		if (jitter == 0 && pause != most)
			return false;
		if (pause > most || pause < most - most / 5)
			return false;
		if (jitter != 0 && most != 0 && pause == most)
			return false;
	}
	return w.restarts == i && w.failures == i;
}

static bool
starts_over_after(int64_t ready_for_ms)
{
	struct worker w = make(WORKER_STARTING);

	crash(&w, -1);
	crash(&w, -1);
	crash(&w, -1);
	return crash(&w, ready_for_ms) == 0 && w.failures == 1 &&
	    w.restarts == 4;
}

static void
test_backoff(void)
{
	struct worker w;

	ok(backs_off(0), "a crash is answered at once, then after 1 s, 2 s, "
	    "4 s … 30 s, also if it was ready in between");
	ok(backs_off(-1), "a fifth of the pause at most is jitter");
	ok(starts_over_after(WORKER_STABLE),
	    "10 s of being ready make the next crash the first");
	ok(!starts_over_after(WORKER_STABLE - 1), "less than 10 s do not");
	rules.soak_ms = 25000;
	ok(!starts_over_after(24999) && starts_over_after(25000),
	    "a longer soak is what counts");
	rules.soak_ms = SOAK;

	w = make(WORKER_READY);
	fake.now_ms += WORKER_STABLE;
	exits(&w, 1);
	ok(w.lost_generation == 0, "a crash after that is not its "
	    "generation's fault");
	w = make(WORKER_READY);
	exits(&w, 1);
	ok(w.lost_generation == GENERATION && w.id == 5 && w.seat == 3,
	    "one before is, and id and seat stay");
	rules.generation++;
	wait_due(&w);
	ok(w.generation == GENERATION + 1 && fake.life[2].generation ==
	    w.generation && fake.life[2].id == 5 && fake.life[2].seat == 3,
	    "it starts again with the newest generation");
	rules.generation--;
}

static void
test_failed_starts(void)
{
	struct worker w;
	bool good;

	fake_reset();
	fake.fail_starts = 2;
	begin(&w, false);
	good = w.state == WORKER_BACKOFF && w.deadline_ms == fake.now_ms &&
	    sound(&w) && w.wanted;
	wait_due(&w);
	good = good && w.state == WORKER_BACKOFF && sound(&w) &&
	    w.deadline_ms == fake.now_ms + WORKER_BACKOFF_FIRST;
	wait_due(&w);
	ok(good && w.state == WORKER_STARTING && sound(&w),
	    "a wanted worker that can't be forked is tried again later");
	fake_reset();
	fake.fail_starts = 1;
	begin(&w, true);
	ok(w.state == WORKER_DOWN && w.candidate && !w.wanted && sound(&w) &&
	    !worker_free(&w), "a candidate that can't be forked is down");
	ok(strncmp(w.ended, "could not be started: ", 22) == 0 &&
	    strcmp(w.ended + 22, strerror(EAGAIN)) == 0,
	    "and says why");
}

static void
check_ended(struct worker *w, int wstatus, const char *text)
{
	worker_ended(w, wstatus, &rules, fake.now_ms);
	ok(strcmp(w->ended, text) == 0, text);
	if (strcmp(w->ended, text) != 0)
		printf("# is: %s\n", w->ended);
}

static void
test_ended(void)
{
	struct worker w = make(WORKER_READY);

	check_ended(&w, fake_exit(3), "exited with 3");
	w = make(WORKER_READY);
	check_ended(&w, SIGSEGV, "killed by SIGSEGV");
	w = make(WORKER_READY);
	check_ended(&w, SIGABRT | 0x80, "killed by SIGABRT");
	rules.ready = WORKER_READY_NOTIFY;
	rules.start_timeout_ms = 2500;
	w = make(WORKER_KILLED);
	check_ended(&w, SIGKILL, "not ready within 2.5 s");
	rules.ready = WORKER_READY_LISTEN;
	rules.start_timeout_ms = START_TIMEOUT;
	w = make(WORKER_KILLED);
	check_ended(&w, SIGKILL, "not ready within 60 s (--ready alive:TIME "
	    "is for programs that serve no socket)");
	w = make(WORKER_STARTING);
	snprintf(w.refused, sizeof(w.refused), "bind of 127.0.0.1:80: no");
	check_ended(&w, fake_exit(1),
	    "exited with 1 after bind of 127.0.0.1:80: no");
	wait_due(&w);
	ok(w.refused[0] == '\0', "a refused bind is forgotten by the next "
	    "process");
	w = make(WORKER_READY);
	snprintf(w.refused, sizeof(w.refused), "bind of 127.0.0.1:80: no");
	check_ended(&w, fake_exit(0), "exited with 0");
	w = make(WORKER_STARTING);
	w.code = 127;
	snprintf(w.ended, sizeof(w.ended), "./gone: No such file");
	check_ended(&w, fake_exit(127), "./gone: No such file");
	wait_due(&w);
	ok(w.code == 0, "so is a failed exec");
}

static void
test_longest_text(void)
{
	struct worker w = make(WORKER_KILLED);

	memset(w.refused, 'x', sizeof(w.refused) - 1);
	worker_ended(&w, SIGKILL, &rules, fake.now_ms);
	ok(strlen(w.ended) < sizeof(w.ended) &&
	    w.ended[strlen(w.ended) - 1] == 'x',
	    "the longest text of an end has its room");
}

static void
test_rest(void)
{
	struct worker w = make(WORKER_READY);

	fake.life[1].leaves_rest = true;
	fake.random = 0;
	exits(&w, 1);
	ok(w.state == WORKER_BACKOFF && w.rest_ms == fake.now_ms &&
	    worker_deadline(&w) == w.rest_ms, "what a leader leaves behind is "
	    "looked after at once");
	w.rest_ms = fake.now_ms + 500;
	ok(worker_deadline(&w) == w.rest_ms,
	    "nothing starts again before it has gone");
	step(&w, WORKER_RETIRE);
	ok(w.state == WORKER_DOWN && !worker_free(&w) &&
	    worker_deadline(&w) == w.rest_ms,
	    "the seat of one that retires isn't free before it has gone");
	w.rest_ms = 0;
	ok(worker_free(&w) && worker_deadline(&w) == 0,
	    "it is free afterwards");
}

static void
test_alive(void)
{
	struct worker w = make(WORKER_STARTING);
	bool good;

	w.alive_ms = fake.now_ms + 1000;
	good = worker_deadline(&w) == w.alive_ms;
	w.alive_ms = w.deadline_ms + 1;
	good = good && worker_deadline(&w) == w.deadline_ms;
	w.alive_ms = fake.now_ms + 1000;
	step(&w, WORKER_UP);
	ok(good && w.alive_ms == 0 && worker_deadline(&w) == 0,
	    "the sooner of readiness and deadline is due, then nothing");
	w = make(WORKER_STARTING);
	w.alive_ms = fake.now_ms + 1000;
	step(&w, WORKER_STOP);
	good = w.alive_ms == 0;
	w = make(WORKER_STARTING);
	w.alive_ms = fake.now_ms + 1000;
	exits(&w, 0);
	good = good && w.alive_ms == 0;
	w = make(WORKER_STARTING);
	w.alive_ms = w.deadline_ms + 1;
	wait_due(&w);
	ok(good && w.alive_ms == 0, "one that stops, ends or times out "
	    "doesn't become ready any more");
}

static void
test_candidate(void)
{
	struct worker w;

	fake_reset();
	begin(&w, true);
	step(&w, WORKER_UP);
	ok(w.state == WORKER_READY && !worker_serves(&w) && !w.wanted,
	    "a candidate that is ready doesn't serve yet");
	exits(&w, 0);
	ok(w.state == WORKER_DOWN && w.candidate && !worker_free(&w) &&
	    w.restarts == 0, "one that ends doesn't start again, and keeps "
	    "its seat until the reload has seen it");
}

int
main(void)
{
	test_names();
	test_table();
	test_walks();
	test_whole_life();
	test_timeouts();
	test_backoff();
	test_failed_starts();
	test_ended();
	test_longest_text();
	test_rest();
	test_alive();
	test_candidate();
	return done();
}
