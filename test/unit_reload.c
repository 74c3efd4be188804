/*
 * The reload and the pool, driven turn by turn as the master does, by a clock
 * of our own and workers that behave as a seed says.
 */
#include <signal.h>
#include <stdlib.h>

#include "master/worker/pool.h"
#include "master/worker/reload.h"
#include "test/fake_process.h"
#include "test/tap.h"

enum {
	SOAK = 1000,
	START_TIMEOUT = 5000,
	DRAIN = 2000,
	STOP_TIMEOUT = 3000,
	DRAIN_LOOK = 5,			/* WATCH_DRAIN_MS */
	REST_LOOK = 10000,		/* WATCH_REST_MS */
	COMMANDS = 6,
	TURNS_MAX = 50000,
	SEATS_MAX = 32,
	NSEEDS = 30,			/* for each N, surge and kind */
	NEVER = 0,
};

/* What is checked at every turn; the sentence is printed once. */
#define PROPERTY_LIST(X) \
	X(BOUND,	"never more than N + surge workers have a process") \
	X(SERVING,	"with a surge each id is served, but for crashes") \
	X(ONE_DOWN,	"with no surge at most one is down, but for crashes") \
	X(STOP_FIRST,	"with no surge an old one stops before a new starts") \
	X(HOLDER,	"no id is held twice, nor has it two candidates") \
	X(IDS,		"ids are 0 to N-1") \
	X(FOUND,	"who is found by id or process is who is there") \
	X(CHANGED,	"who has changed is on the list") \
	X(GENERATION,	"generations only go up") \
	X(SOAK,		"no old worker is touched before a new one soaked") \
	X(COMPLETE,	"a complete reload leaves new ready workers alone") \
	X(FAILED,	"a failed one says why, and what served serves on") \
	X(CANDIDATES,	"there is no candidate outside of a reload") \
	X(RUNS,		"each request is answered by the right run") \
	X(PAST,		"what is due next is never in the past") \
	X(EARLY,	"a turn before what is due next changes nothing") \
	X(STALL,	"when nothing is due any more all is settled") \
	X(ENDS,		"it ends") \
	X(AGAIN,	"a good one at the end brings all to one generation") \
	X(MISUSE,	"nobody is signalled, killed or started who can't be")

enum property {
#define X(symbol, sentence) P_##symbol,
	PROPERTY_LIST(X)
#undef X
	NPROPERTIES
};

static const char *const sentences[] = {
#define X(symbol, sentence) [P_##symbol] = sentence,
	PROPERTY_LIST(X)
#undef X
};

/* How processes that start now will behave. */
enum release {
	GOOD,
	DIES,				/* before it is ready */
	DIES_SOON,			/* after it was ready */
	NEVER_READY,
	MIXED,
};

struct fate {
	int64_t	 ready_ms;		/* NEVER */
	int64_t	 crash_ms;		/* NEVER */
	int64_t	 stop_delay;		/* after the stop signal; -1: ignored */
	int64_t	 kill_delay;
	int64_t	 rest_delay;		/* after its leader; 0: no rest */
	int64_t	 drain_delay;
	int64_t	 ended_ms;
	int64_t	 up_ms;			/* when it was seen to be ready */
};

/* What a schedule may contain beside reloads. */
enum kind {
	KIND_GOOD,			/* all releases are */
	KIND_BAD,			/* some fail */
	KIND_CRASHES,			/* and workers crash */
	KIND_ALL,			/* and scale, reset, failing forks */
	NKINDS
};

/* What the list of changed workers is to tell of. */
struct shown {
	enum worker_state state;
	int	 id;
	bool	 wanted, candidate;
	pid_t	 pid;
	int64_t	 deadline_ms;
};

struct sim {
	struct shown shown[SEATS_MAX];
	int	 wanted, surge;		/* as it began */
	struct pool pool;
	struct reload reload;
	enum kind kind;
	enum release release;
	bool	 steady;		/* fates hold no surprise */
	uint32_t seed, random;
	int	 known;			/* starts that have a fate */
	struct fate fate[FAKE_LIVES];	/* by pid */
	int	 scaled_from;		/* fewest workers wanted so far */
	bool	 has_scaled;
	bool	 soak_seen;		/* some new worker has, in this run */
	bool	 again;			/* a run is to follow */
	unsigned run;			/* that should be going on */
	unsigned newest;		/* generation of the newest start */
	int	 occupied;		/* seats, one turn ago */
	bool	 crashed[SEATS_MAX];	/* by id: since it last served */
	int64_t	 turn_ms;		/* of the last turn */
	unsigned complete, failed;	/* outcomes */
	bool	 bad;
	struct worker before[SEATS_MAX];
	int	 nbefore;
};

static struct sim sim;
static int violations[NPROPERTIES];

static void
check(bool good, enum property p)
{
	if (good)
		return;
	sim.bad = true;
	if (violations[p]++ < 3)
		printf("# %s: N %d, surge %d, kind %d, seed %u, at %lld\n",
		    sentences[p], sim.wanted, sim.surge,
		    (int)sim.kind, sim.seed, (long long)fake.now_ms);
}

static int
chance(int n)
{
	sim.random ^= sim.random << 13;
	sim.random ^= sim.random >> 17;
	sim.random ^= sim.random << 5;
	return (int)(sim.random % (unsigned)n);
}

static struct worker *
seat(int i)
{
	return sim.pool.seat[i];
}

static struct fate *
fate_of(const struct worker *w)
{
	return &sim.fate[w->process.pid];
}

static void
choose_end(struct fate *f)
{
	f->stop_delay = chance(20);
	f->kill_delay = 1 + chance(3);
	f->drain_delay = chance(40);
	f->rest_delay = 0;
	if (sim.steady)
		return;
	if (chance(4) == 0)
		f->stop_delay = chance(4) == 0 ? -1 : chance(5000);
	if (chance(8) == 0)
		f->kill_delay = 1 + chance(2500);
	if (chance(10) == 0)
		f->drain_delay = DRAIN * 2;
	if (chance(8) == 0)
		f->rest_delay = 1 + chance(3000);
}

static void
choose_fate(struct fate *f, int64_t now_ms)
{
	enum release release = sim.release;

	memset(f, 0, sizeof(*f));
	choose_end(f);
	if (release == MIXED)
		release = chance(3) == 0 ? (enum release)chance(MIXED) : GOOD;
	f->ready_ms = now_ms + (chance(4) == 0 ? chance(4900) : chance(30));
	switch (release) {
	case GOOD:
		break;
	case DIES:
		f->crash_ms = now_ms + chance(500);
		f->ready_ms = NEVER;
		break;
	case DIES_SOON:
		f->crash_ms = f->ready_ms + 1 + chance(SOAK - 1);
		break;
	case NEVER_READY:
		f->ready_ms = NEVER;
		break;
	case MIXED:
		break;
	}
}

/* Give those who have just started their fate. */
static void
meet(int64_t now_ms)
{
	struct fake_life *life;

	while (sim.known < fake.starts) {
		life = &fake.life[++sim.known];
		choose_fate(&sim.fate[sim.known], now_ms);
		life->leaves_rest = sim.fate[sim.known].rest_delay != 0;
		check(life->generation >= sim.newest, P_GENERATION);
		sim.newest = life->generation;
	}
}

static void
sooner(int64_t *next_ms, int64_t due_ms)
{
	if (due_ms != 0 && (*next_ms == 0 || due_ms < *next_ms))
		*next_ms = due_ms;
}

/* When w's process ends, or 0. */
static int64_t
end_of(const struct worker *w)
{
	const struct fake_life *life = &fake.life[w->process.pid];
	const struct fate *f = fate_of(w);
	int64_t end = f->crash_ms;

	if (w->process.pid == 0)
		return 0;
	if (life->signals > 0 && f->stop_delay != -1)
		sooner(&end, life->signal_ms + f->stop_delay);
	if (life->kills > 0)
		sooner(&end, life->kill_ms + f->kill_delay);
	return end;
}

/* When the rest of w's last process goes; its pid is known by its group. */
static int64_t
rest_of(const struct worker *w)
{
	const struct fate *f = &sim.fate[w->process.group];

	if (!w->process.rest)
		return 0;
	return f->ended_ms + f->rest_delay;
}

static int64_t
next_of(const struct worker *w)
{
	int64_t next = worker_deadline(w);

	if (w->state == WORKER_DRAINING)
		sooner(&next, fake.now_ms + DRAIN_LOOK);
	if (w->state == WORKER_STARTING)
		sooner(&next, fate_of(w)->ready_ms);
	sooner(&next, end_of(w));
	sooner(&next, rest_of(w));
	return next;
}

/* When something happens or is due, or 0. */
static int64_t
next_event(void)
{
	int64_t next = 0;
	int i;

	for (i = 0; i < sim.pool.nseats; i++)
		sooner(&next, next_of(seat(i)));
	sooner(&next, reload_deadline(&sim.reload, &sim.pool, fake.now_ms));
	return next;
}

/* As watch.c does, in the order of the loop: ends, words of readiness,
 * deadlines. */
static void
reap(struct worker *w, int64_t now_ms)
{
	int64_t end = end_of(w);
	struct fate *f = fate_of(w);
	bool killed = fake.life[w->process.pid].kills > 0;

	if (end == 0 || end > now_ms)
		return;
	f->ended_ms = now_ms;
	process_kill(&w->process);
	worker_ended(w, killed ? SIGKILL : fake_exit(chance(2)),
	    &sim.pool.rules, now_ms);
}

static void
hear(struct worker *w, int64_t now_ms)
{
	int64_t gone = rest_of(w);

	if (w->process.rest && gone <= now_ms) {
		process_gone(&w->process);
		w->rest_ms = 0;
	}
	if (w->state != WORKER_STARTING || fate_of(w)->ready_ms == NEVER ||
	    fate_of(w)->ready_ms > now_ms)
		return;
	fate_of(w)->up_ms = now_ms;
	worker_step(w, WORKER_UP, &sim.pool.rules, now_ms);
}

static void
due(struct worker *w, int64_t now_ms)
{
	const struct worker_rules *rules = &sim.pool.rules;

	if (w->rest_ms != 0) {
		if (w->rest_ms > now_ms)
			return;
		if (now_ms - w->since_ms > REST_LOOK) {
			process_gone(&w->process);
			w->rest_ms = 0;
		} else
			w->rest_ms = now_ms + WORKER_KILL_AGAIN;
		return;
	}
	if (w->deadline_ms != 0 && w->deadline_ms <= now_ms)
		worker_step(w, WORKER_TIMEOUT, rules, now_ms);
	if (w->state == WORKER_DRAINING && now_ms - w->since_ms >= DRAIN_LOOK &&
	    now_ms - w->since_ms >= fate_of(w)->drain_delay)
		worker_step(w, WORKER_DRAINED, rules, now_ms);
}

static void
note_before(void)
{
	int i;

	sim.nbefore = sim.pool.nseats;
	for (i = 0; i < sim.nbefore; i++)
		memcpy(&sim.before[i], seat(i), sizeof(sim.before[i]));
}

static bool
same_as_before(void)
{
	int i;

	for (i = 0; i < sim.nbefore; i++) {
		if (memcmp(&sim.before[i], seat(i), sizeof(sim.before[i])) !=
		    0)
			return false;
	}
	return true;
}

/* By our own clock: has a worker of this run been ready for so long? */
static void
note_soaked(int64_t now_ms)
{
	const struct worker *w;
	int i;

	for (i = 0; sim.reload.active && i < sim.pool.nseats; i++) {
		w = seat(i);
		if (w->state == WORKER_READY &&
		    w->generation == sim.reload.generation &&
		    now_ms - fate_of(w)->up_ms >= SOAK)
			sim.soak_seen = true;
	}
}

/* An old one that serves is touched by the reload, not by the pool. */
static void
check_touched(void)
{
	const struct worker *was;
	bool touched;
	int i;

	for (i = 0; i < sim.nbefore; i++) {
		was = &sim.before[i];
		touched = worker_serves(was) && !worker_serves(seat(i)) &&
		    was->generation != sim.pool.rules.generation;
		if (!touched)
			continue;
		if (sim.pool.surge > 0 ||
		    reload_new_workers(&sim.reload, &sim.pool) > 0)
			check(sim.soak_seen, P_SOAK);
	}
}

static void
check_complete(void)
{
	const struct worker *w;
	int i, n = 0;

	for (i = 0; i < sim.pool.nseats; i++) {
		w = seat(i);
		if (worker_free(w))
			continue;
		n++;
		check(worker_serves(w) && w->wanted && w->generation ==
		    sim.reload.generation, P_COMPLETE);
	}
	check(n == sim.pool.wanted && sim.soak_seen, P_COMPLETE);
}

/* Not served, and not since a crash. */
static bool
is_down(int id)
{
	const struct worker *w = pool_holder(&sim.pool, id);

	if (w != NULL && worker_serves(w))
		sim.crashed[id] = false;
	else if (w != NULL && w->restarts > 0)
		sim.crashed[id] = true;
	return (w == NULL || !worker_serves(w)) && !sim.crashed[id];
}

static void
check_failed(void)
{
	const struct worker *w, *was;
	int i;

	check(sim.reload.why[0] != '\0', P_FAILED);
	for (i = 0; i < sim.nbefore; i++) {
		w = seat(i);
		was = &sim.before[i];
		/* It may have replaced one in the same turn, or its seat may
		 * have been taken by one of another id. */
		if (worker_serves(w))
			check(w->wanted, P_FAILED);
		else if (was->candidate)
			check(w->id != was->id ||
			    (!w->wanted && (w->state == WORKER_DOWN ||
			    w->state == WORKER_DRAINING ||
			    w->state == WORKER_STOPPING ||
			    w->state == WORKER_KILLED)), P_FAILED);
		else if (worker_serves(was))
			check(!is_down(was->id), P_FAILED);
	}
}

static void
begin_run(void)
{
	sim.run++;
	sim.again = false;
	sim.soak_seen = false;
}

static void
end_run(enum reload_outcome outcome, int64_t now_ms)
{
	bool again = sim.again;

	if (outcome == RELOAD_COMPLETE) {
		sim.complete++;
		check_complete();
	} else {
		sim.failed++;
		check_failed();
	}
	check(!sim.reload.active, P_RUNS);
	check(reload_next(&sim.reload, &sim.pool, now_ms) == again, P_RUNS);
	if (again)
		begin_run();
	check(sim.reload.active == again && sim.reload.run == sim.run, P_RUNS);
}

static void
check_ids(void)
{
	int holders[SEATS_MAX] = { 0 }, candidates[SEATS_MAX] = { 0 };
	const struct worker *w;
	int i;

	for (i = 0; i < sim.pool.nseats; i++) {
		w = seat(i);
		check(w->seat == i, P_IDS);
		if (!w->candidate && (!w->wanted || w->state == WORKER_DOWN))
			continue;
		check(w->id >= 0 && w->id < sim.pool.wanted, P_IDS);
		if (w->id < 0 || w->id >= SEATS_MAX)
			continue;
		holders[w->id] += !w->candidate;
		candidates[w->id] += w->candidate;
		check(holders[w->id] <= 1 && candidates[w->id] <= 1, P_HOLDER);
		check(!w->candidate || sim.reload.active, P_CANDIDATES);
	}
}

static const struct worker *
find_by_id(int id, bool candidate)
{
	const struct worker *w;
	int i;

	for (i = 0; i < sim.pool.nseats; i++) {
		w = seat(i);
		if (w->id == id && (candidate ? w->candidate :
		    w->wanted && w->state != WORKER_DOWN))
			return w;
	}
	return NULL;
}

/* The list of changed workers is emptied, as at the end of each turn. */
static void
check_changed(void)
{
	bool listed[SEATS_MAX] = { false };
	const struct worker *w;
	struct shown now;
	int i;

	while ((w = pool_take_changed(&sim.pool)) != NULL)
		listed[w->seat] = true;
	for (i = 0; i < sim.pool.nseats; i++) {
		w = seat(i);
		now = (struct shown){ w->state, w->id, w->wanted,
		    w->candidate, w->process.pid, w->deadline_ms };
		check(listed[i] || (now.state == sim.shown[i].state &&
		    now.id == sim.shown[i].id &&
		    now.wanted == sim.shown[i].wanted &&
		    now.candidate == sim.shown[i].candidate &&
		    now.pid == sim.shown[i].pid &&
		    now.deadline_ms == sim.shown[i].deadline_ms), P_CHANGED);
		sim.shown[i] = now;
	}
}

static void
check_found(void)
{
	const struct worker *w;
	int i;

	for (i = 0; i < sim.pool.nseats; i++) {
		check(pool_holder(&sim.pool, i) == find_by_id(i, false),
		    P_FOUND);
		check(pool_candidate(&sim.pool, i) == find_by_id(i, true),
		    P_FOUND);
		w = seat(i);
		/* The first fake one has the number of init. */
		if (!worker_runs(w) || w->process.pid <= 1)
			continue;
		check(pool_leader(&sim.pool, w->process.pid) == w, P_FOUND);
		check(pool_owner(&sim.pool, w->process.pid) == w, P_FOUND);
		check(pool_owner(&sim.pool, w->process.pid +
		    FAKE_CHILDREN) == w, P_FOUND);
		check(pool_owner(&sim.pool, w->process.pid +
		    FAKE_STRAYS) == w, P_FOUND);
	}
	check(pool_leader(&sim.pool, 0) == NULL &&
	    pool_owner(&sim.pool, FAKE_US) == NULL &&
	    pool_owner(&sim.pool, FAKE_STRAYS) == NULL, P_FOUND);
}

static void
check_numbers(void)
{
	int running = 0, occupied = 0, most, i;

	for (i = 0; i < sim.pool.nseats; i++) {
		running += worker_runs(seat(i));
		occupied += !worker_free(seat(i));
	}
	most = sim.pool.wanted + sim.pool.surge;
	check(running <= most || running <= sim.occupied, P_BOUND);
	check(occupied <= most || occupied <= sim.occupied, P_BOUND);
	sim.occupied = occupied;
}

static void
check_serving(void)
{
	int down = 0, id;

	for (id = 0; id < sim.pool.wanted && id < sim.scaled_from; id++)
		down += is_down(id);
	if (sim.pool.surge > 0)
		check(down == 0, P_SERVING);
	else
		check(down <= 1, P_ONE_DOWN);
}

static void
check_stop_first(void)
{
	int running[SEATS_MAX] = { 0 };
	const struct worker *w;
	int i;

	if (sim.pool.surge > 0 || sim.has_scaled)
		return;
	for (i = 0; i < sim.pool.nseats; i++) {
		w = seat(i);
		running[w->id] += worker_runs(w);
		check(running[w->id] <= 1, P_STOP_FIRST);
	}
}

static void
turn(int64_t now_ms)
{
	enum reload_outcome outcome;

	sim.turn_ms = now_ms;
	pool_turn(&sim.pool, now_ms);
	meet(now_ms);
	note_before();
	note_soaked(now_ms);
	outcome = reload_turn(&sim.reload, &sim.pool, now_ms);
	meet(now_ms);
	check_touched();
	if (outcome != RELOAD_GOES_ON)
		end_run(outcome, now_ms);
	check_ids();
	check_changed();
	check_found();
	check_numbers();
	check_serving();
	check_stop_first();
	check(fake.misuses == 0, P_MISUSE);
}

static void
act(int64_t now_ms)
{
	int i;

	for (i = 0; i < sim.pool.nseats; i++)
		reap(seat(i), now_ms);
	for (i = 0; i < sim.pool.nseats; i++)
		hear(seat(i), now_ms);
	for (i = 0; i < sim.pool.nseats; i++)
		due(seat(i), now_ms);
	meet(now_ms);
}

/* What comes of a look in between, as any other descriptor may cause it. */
static void
look_early(int64_t next_ms)
{
	int64_t now_ms = fake.now_ms;
	bool active = sim.reload.active;

	if (next_ms != 0 && next_ms <= now_ms + 1)
		return;
	fake.now_ms += 1 + chance(next_ms == 0 ? 100000 :
	    (int)(next_ms - now_ms) - 1);
	note_before();
	pool_turn(&sim.pool, fake.now_ms);
	check(reload_turn(&sim.reload, &sim.pool, fake.now_ms) ==
	    RELOAD_GOES_ON, P_EARLY);
	check(same_as_before() && active == sim.reload.active, P_EARLY);
	fake.now_ms = now_ms;
}

/* One turn of the loop at the next moment at which something happens, or at
 * limit_ms. Returns false if nothing would happen any more. */
static bool
go(int64_t limit_ms)
{
	int64_t asked_ms = fake.now_ms, next;

	next = reload_deadline(&sim.reload, &sim.pool, fake.now_ms);
	check(next == 0 || next >= asked_ms, P_PAST);
	/* The clock has gone on since the last turn. */
	if (chance(2) == 0)
		fake.now_ms += chance(3);
	next = next_event();
	if (limit_ms != 0)
		sooner(&next, limit_ms);
	if (next == 0) {
		look_early(0);
		return false;
	}
	if (chance(4) == 0)
		look_early(next);
	if (next > fake.now_ms)
		fake.now_ms = next;
	act(fake.now_ms);
	return true;
}

static void
run_until(int64_t limit_ms)
{
	int turns = 0;

	while (fake.now_ms < limit_ms && turns++ < TURNS_MAX) {
		go(limit_ms);
		turn(fake.now_ms);
	}
	check(turns < TURNS_MAX, P_ENDS);
}

/* Go on until nothing happens any more. */
static void
run_out(void)
{
	int turns = 0;

	while (turns++ < TURNS_MAX && go(0))
		turn(fake.now_ms);
	check(turns < TURNS_MAX, P_ENDS);
	check(pool_settled(&sim.pool) && !sim.reload.active, P_STALL);
}

static void
set_up(int wanted, int surge, enum kind kind, uint32_t seed)
{
	const struct worker_rules rules = {
		.soak_ms = SOAK,
		.start_timeout_ms = START_TIMEOUT,
		.drain_ms = DRAIN,
		.stop_timeout_ms = STOP_TIMEOUT,
		.stop_signal = SIGTERM,
	};

	fake_reset();
	memset(&sim, 0, sizeof(sim));
	sim.kind = kind;
	sim.seed = seed;
	sim.random = seed * 2654435761u + 1;
	sim.steady = true;
	sim.wanted = wanted;
	sim.surge = surge;
	sim.scaled_from = 0;
	if (pool_init(&sim.pool, NULL, &rules, wanted, surge) == -1)
		exit(1);
	sim.occupied = wanted;
	turn(fake.now_ms);
	run_out();
	sim.scaled_from = wanted;
}

static void
tear_down(void)
{
	pool_free(&sim.pool);
}

static void
request(void)
{
	unsigned run = reload_request(&sim.reload, &sim.pool, fake.now_ms);

	check(run == sim.run + 1, P_RUNS);
	if (sim.reload.run == sim.run)
		sim.again = true;
	else
		begin_run();
}

static void
reset(void)
{
	if (!sim.reload.active)
		return;
	reload_end(&sim.reload, &sim.pool, fake.now_ms);
	sim.again = false;
}

static void
scale(int n)
{
	if (n < sim.scaled_from)
		sim.scaled_from = n;
	sim.has_scaled = true;
	if (pool_want(&sim.pool, n) == -1)
		exit(1);
	pool_turn(&sim.pool, fake.now_ms);
	meet(fake.now_ms);
}

/* Somebody's process ends now. */
static void
crash(struct worker *w)
{
	if (w->process.pid != 0)
		fate_of(w)->crash_ms = fake.now_ms;
}

static void
command(void)
{
	static const enum release bad[] = { GOOD, GOOD, DIES, DIES_SOON,
	    NEVER_READY, MIXED, MIXED };
	int what = chance(sim.kind == KIND_ALL ? 8 : 4);

	if (sim.kind != KIND_GOOD)
		sim.release = bad[chance(7)];
	if (what == 3 && sim.kind >= KIND_CRASHES)
		crash(seat(chance(sim.pool.nseats)));
	else if (what <= 3)
		request();
	else if (what <= 5)
		scale(1 + chance(10));
	else if (what == 6)
		reset();
	else
		fake.fail_starts = 1 + chance(3);
}

static void
random_pause(void)
{
	static const int pauses[] = { 1, 50, 1500, 8000, 30000 };

	run_until(fake.now_ms + chance(pauses[chance(5)]));
}

/* Turns of the loop with a request in them: requests come before the turn. */
static void
random_schedule(void)
{
	int i;

	sim.steady = false;
	sim.pool.rules.wait_ms = chance(3) == 0 ? 700 : 0;
	for (i = 0; i < COMMANDS && !sim.bad; i++) {
		command();
		turn(fake.now_ms);
		random_pause();
	}
	sim.release = GOOD;
	run_out();
	check(sim.kind != KIND_GOOD || sim.failed == 0, P_COMPLETE);
	fake.fail_starts = 0;
	sim.steady = true;
	request();
	turn(fake.now_ms);
	run_out();
	check(reload_new_workers(&sim.reload, &sim.pool) == sim.pool.wanted,
	    P_AGAIN);
	check(sim.reload.completed == sim.complete &&
	    sim.reload.failed == sim.failed, P_RUNS);
}

static void
test_schedules(void)
{
	static const int wanted[] = { 1, 2, 4, 8 }, surge[] = { 0, 1, 2, 3, 8 };
	uint32_t seed;
	int i, j, kind;

	for (seed = 1; seed <= NSEEDS * NKINDS; seed++) {
		kind = (int)(seed % NKINDS);
		for (i = 0; i < 4; i++) {
			for (j = 0; j < 5; j++) {
				set_up(wanted[i], surge[j], (enum kind)kind,
				    seed);
				random_schedule();
				tear_down();
			}
		}
	}
	for (i = 0; i < NPROPERTIES; i++)
		ok(violations[i] == 0, sentences[i]);
}

/* Run until a reload has ended or a moment has come. */
static void
run_reload(int64_t limit_ms)
{
	unsigned ended = sim.complete + sim.failed;

	while (sim.complete + sim.failed == ended && fake.now_ms < limit_ms) {
		go(limit_ms);
		turn(fake.now_ms);
	}
}

static void
ask(enum release release)
{
	sim.release = release;
	request();
	turn(fake.now_ms);
}

static int
count(enum worker_state state)
{
	int i, n = 0;

	for (i = 0; i < sim.pool.nseats; i++)
		n += seat(i)->state == state;
	return n;
}

static void
end(bool good, const char *sentence)
{
	ok(good && !sim.bad, sentence);
	tear_down();
}

static void
test_requests(void)
{
	set_up(4, 1, KIND_GOOD, 1);
	ask(GOOD);
	run_until(fake.now_ms + 50);
	ask(GOOD);
	run_out();
	end(sim.complete == 2 && sim.reload.run == 2,
	    "a second request in a reload gives one more, with nothing else "
	    "to wake the loop");
	set_up(4, 1, KIND_GOOD, 1);
	ask(GOOD);
	ask(GOOD);
	ask(GOOD);
	ask(GOOD);
	run_out();
	end(sim.complete == 2 && sim.pool.rules.generation == 3,
	    "three more give one more too");
	set_up(2, 1, KIND_BAD, 1);
	ask(DIES);
	ask(GOOD);
	run_out();
	end(sim.failed == 1 && sim.complete == 1,
	    "the one that follows comes also after a failure");
}

static bool
fails_with(enum release release, const char *why)
{
	bool good;

	set_up(3, 1, KIND_BAD, 1);
	ask(release);
	run_reload(fake.now_ms + 60000);
	good = sim.failed == 1 && strcmp(sim.reload.why, why) == 0 &&
	    !sim.bad && fake.starts == 4;
	if (strcmp(sim.reload.why, why) != 0)
		printf("# is: %s\n", sim.reload.why);
	run_out();
	good = good && fake.starts == 4 && count(WORKER_READY) == 3;
	tear_down();
	return good;
}

static void
test_bad_releases(void)
{
	ok(fails_with(DIES, "worker 0: exited with 0; 0 of 3 workers are "
	    "new"), "a replacement that dies leaves every old one serving");
	ok(fails_with(DIES_SOON, "worker 0: exited with 1; 0 of 3 workers "
	    "are new"), "so does one that dies before it has soaked");
	ok(fails_with(NEVER_READY, "worker 0: not ready within 5 s (--ready "
	    "alive:TIME is for programs that serve no socket); 0 of 3 workers "
	    "are new"), "and one that is never ready");
	set_up(3, 2, KIND_BAD, 1);
	fake.fail_starts = 1;
	ask(GOOD);
	run_out();
	end(sim.failed == 1 && strncmp(sim.reload.why,
	    "worker 0: could not be started: ", 32) == 0 &&
	    count(WORKER_READY) == 3, "and one that can't be forked, with "
	    "nothing else to wake the loop");
}

static void
test_failure_at_the_third(void)
{
	bool good;

	set_up(4, 1, KIND_BAD, 1);
	ask(GOOD);
	while (sim.pool.rules.generation == 2 &&
	    reload_new_workers(&sim.reload, &sim.pool) < 2) {
		go(0);
		turn(fake.now_ms);
	}
	sim.release = DIES;
	run_reload(fake.now_ms + 60000);
	good = strstr(sim.reload.why, "; 2 of 4 workers are new") != NULL;
	run_out();
	good = good && sim.failed == 1 && count(WORKER_READY) == 4 &&
	    reload_new_workers(&sim.reload, &sim.pool) == 2;
	ok(good, "a failure at the third stops there and holds");
	ask(GOOD);
	run_out();
	end(sim.complete == 1 && reload_new_workers(&sim.reload, &sim.pool) ==
	    4, "the next good reload brings all to one generation");
}

static void
test_crash_in_reload(void)
{
	struct worker *w;
	bool good;

	set_up(4, 1, KIND_CRASHES, 1);
	run_until(fake.now_ms + 20000);
	ask(GOOD);
	w = pool_holder(&sim.pool, 3);
	crash(w);
	run_until(fake.now_ms + 20);
	good = w->generation == sim.reload.generation && w->id == 3 &&
	    worker_runs(w) && sim.reload.active;
	ok(good, "an old worker that crashes in a reload comes back new");
	while (w->state != WORKER_READY) {
		go(0);
		turn(fake.now_ms);
	}
	crash(w);
	run_reload(fake.now_ms + 100);
	end(sim.failed == 1 && strncmp(sim.reload.why, "worker 3: ", 10) == 0,
	    "and fails the reload if it crashes again soon");
}

static void
test_no_surge(void)
{
	int64_t began_ms;
	bool good;

	set_up(1, 0, KIND_BAD, 1);
	ask(DIES_SOON);
	run_reload(fake.now_ms + 60000);
	end(sim.failed == 1 && sim.complete == 0, "a reload of one worker "
	    "with no surge isn't complete before it has soaked");

	set_up(1, 0, KIND_BAD, 1);
	ask(DIES);
	run_until(fake.now_ms + 20000);
	good = count(WORKER_BACKOFF) == 1 && sim.failed == 1;
	began_ms = fake.now_ms;
	ask(GOOD);
	good = good && fake.life[fake.starts].started_ms == began_ms;
	run_out();
	end(good && sim.complete == 1, "one that waits to start again starts "
	    "again at once");
}

/* The shortest time between starts of a reload, from the third on. */
static int64_t
least_gap(int first)
{
	int64_t gap, least = 0;
	int pid;

	for (pid = first + 2; pid <= fake.starts; pid++) {
		gap = fake.life[pid].started_ms -
		    fake.life[pid - 1].started_ms;
		if (least == 0 || gap < least)
			least = gap;
	}
	return least;
}

static void
check_wait(int surge, const char *sentence)
{
	set_up(4, surge, KIND_GOOD, 1);
	sim.pool.rules.wait_ms = 7000;
	ask(GOOD);
	run_out();
	end(sim.complete == 1 && least_gap(5) >= 7000, sentence);
}

static void
test_wait(void)
{
	check_wait(1, "--wait pauses between workers");
	check_wait(0, "also with no surge, from when the last one is ready");
}

static void
test_reset(void)
{
	bool good;

	set_up(4, 1, KIND_ALL, 1);
	ask(GOOD);
	run_until(fake.now_ms + 500);
	ask(GOOD);
	reset();
	turn(fake.now_ms);
	good = !sim.reload.active && count(WORKER_READY) >= 4;
	run_out();
	ok(good && sim.complete == 0 && sim.failed == 0 &&
	    sim.reload.run == 1 && count(WORKER_READY) == 4,
	    "a reset ends the reload and the one to follow");
	ask(GOOD);
	run_out();
	end(sim.complete == 1, "and a later one works");
}

static void
check_scaled(int n, int surge, const char *sentence)
{
	set_up(4, surge, KIND_ALL, 1);
	ask(GOOD);
	run_until(fake.now_ms + 1500);
	scale(n);
	turn(fake.now_ms);
	run_out();
	end(sim.complete == 1 && count(WORKER_READY) == n &&
	    reload_new_workers(&sim.reload, &sim.pool) == n, sentence);
}

static void
test_scale(void)
{
	check_scaled(7, 1, "more workers in the middle of a reload: all new");
	check_scaled(2, 1, "fewer workers in the middle of a reload: all new");
	check_scaled(7, 0, "more with no surge: all new");
	check_scaled(1, 0, "fewer with no surge: all new");
	set_up(8, 1, KIND_ALL, 1);
	scale(3);
	run_out();
	sim.steady = false;
	ask(GOOD);
	run_out();
	end(sim.complete == 1, "after fewer are wanted a reload takes no more "
	    "seats than they need");
}

static void
test_stop(void)
{
	int i;
	bool good;

	set_up(4, 2, KIND_GOOD, 1);
	ask(GOOD);
	run_until(fake.now_ms + 500);
	sim.reload.active = false;
	pool_stop(&sim.pool, false, fake.now_ms);
	good = reload_deadline(&sim.reload, &sim.pool, fake.now_ms) == 0;
	for (i = 0; i < TURNS_MAX && !pool_empty(&sim.pool); i++) {
		go(0);
		pool_turn(&sim.pool, fake.now_ms);
		good = good && reload_turn(&sim.reload, &sim.pool,
		    fake.now_ms) == RELOAD_GOES_ON;
	}
	end(good && pool_empty(&sim.pool) && fake.starts == 6,
	    "a stop in a reload ends both generations");
}

int
main(void)
{
	test_requests();
	test_bad_releases();
	test_failure_at_the_third();
	test_crash_in_reload();
	test_no_surge();
	test_wait();
	test_reset();
	test_scale();
	test_stop();
	test_schedules();
	return done();
}
