/* Which seats new connections go to, with queues whose depth is chosen here. */

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "master/socket/diag.h"
#include "master/steering.h"
#include "test/fake_process.h"
#include "test/tap.h"

enum { WORKERS = 3, SEATS = 4, HANG = 5000 };

static unsigned depth[SEATS];		/* of each seat's queue */
static bool steered[SEATS];
static int nsteered;			/* times that it was told */
static struct listeners ls;
static struct listener listener;
static struct listener *list[] = { &listener };
static struct launch launch;
static struct pool pool;
static struct steering steering;

/* The listeners, in the place of the real ones. */

int
listeners_steer(struct listeners *l, const bool *ready)
{
	(void)l;
	memcpy(steered, ready, sizeof(steered));
	nsteered++;
	return 0;
}

unsigned
listeners_depth(const struct listeners *l, int seat)
{
	(void)l;
	return depth[seat];
}

bool
listeners_have_port(const struct listeners *l, unsigned port)
{
	(void)l;
	(void)port;
	return false;
}

void
listeners_release(struct listeners *l, int seat, bool gone)
{
	(void)l;
	(void)seat;
	(void)gone;
}

struct queue *
listener_queue(const struct listener *l, int seat)
{
	static struct queue none = { .fd = -1 };

	(void)l;
	(void)seat;
	return &none;
}

unsigned
queue_depth(const struct queue *q)
{
	(void)q;
	return 0;
}

int
diag_visit(unsigned states, diag_visitor *visit, void *arg)
{
	(void)states;
	(void)visit;
	(void)arg;
	return 0;
}

static struct worker *
seat(int i)
{
	return pool.seat[i];
}

static void
make_ready(int i)
{
	worker_step(seat(i), WORKER_UP, &pool.rules, fake.now_ms);
}

/* Three workers that are ready; a fourth seat is free. */
static void
set_up(int64_t hang_ms)
{
	const struct worker_rules rules = {
		.start_timeout_ms = 60000,
		.drain_ms = 10000,
		.stop_timeout_ms = 30000,
		.hang_ms = hang_ms,
	};
	int i;

	fake_reset();
	memset(depth, 0, sizeof(depth));
	memset(&ls, 0, sizeof(ls));
	ls.list = list;
	ls.n = 1;
	ls.nseats = SEATS;
	ls.steered = steered;
	if (pool_init(&pool, &launch, &rules, WORKERS, 1) == -1)
		abort();
	steering_init(&steering, &pool, &ls);
	pool_turn(&pool, fake.now_ms);
	for (i = 0; i < WORKERS; i++)
		make_ready(i);
	steering_turn(&steering);
}

static void
tear_down(void)
{
	steering_free(&steering);
	pool_free(&pool);
}

static bool
goes_to(bool a, bool b, bool c, bool d)
{
	const bool wanted[SEATS] = { a, b, c, d };

	return memcmp(steered, wanted, sizeof(wanted)) == 0;
}

/* Looks as the loop does; returns whether steering_turn was due. */
static bool
look_after(int64_t ms)
{
	bool due;

	fake.now_ms += ms;
	due = steering_look(&steering, true, fake.now_ms);
	if (due)
		steering_turn(&steering);
	return due;
}

static void
test_ready(void)
{
	set_up(0);
	ok(goes_to(1, 1, 1, 0), "steered to those that are ready");
	worker_step(seat(1), WORKER_RETIRE, &pool.rules, fake.now_ms);
	steering_turn(&steering);
	ok(goes_to(1, 0, 1, 0), "not to one that drains");
	worker_ended(seat(0), fake_exit(1), &pool.rules, fake.now_ms);
	worker_ended(seat(2), fake_exit(1), &pool.rules, fake.now_ms);
	steering_turn(&steering);
	ok(goes_to(1, 0, 1, 0),
	    "where none is ready, to those that start again");
	ok(steering_next(&steering) == 0, "with none there is nothing to look at");
	tear_down();
}

static void
test_stuck(void)
{
	set_up(0);
	look_after(1000);
	ok(steering_next(&steering) == fake.now_ms + 1000,
	    "one look a second while all is well");
	depth[1] = 2;
	look_after(1000);
	ok(steering_next(&steering) == fake.now_ms + 100,
	    "more while something waits");
	look_after(100);
	ok(!look_after(900) && goes_to(1, 1, 1, 0),
	    "one that has left connections for less than a second is not stuck");
	ok(look_after(100) && goes_to(1, 0, 1, 0),
	    "after a second nothing new is steered to it");
	ok(!look_after(100), "which is told once");
	depth[0] = depth[2] = 1;
	look_after(100);
	look_after(100);
	look_after(1100);
	ok(goes_to(1, 1, 1, 0), "where all are stuck, to all of them");
	depth[0] = depth[2] = 0;
	look_after(100);
	ok(goes_to(1, 0, 1, 0), "but only while they are");
	depth[1] = 1;
	ok(look_after(100) && goes_to(1, 1, 1, 0),
	    "one whose queue gets shorter accepts again");
	tear_down();
}

static void
test_alone(void)
{
	int i;

	set_up(0);
	for (i = 1; i < WORKERS; i++)
		worker_step(seat(i), WORKER_RETIRE, &pool.rules, fake.now_ms);
	steering_turn(&steering);
	ok(steering_next(&steering) == 0,
	    "one worker alone needs no look at its queue");
	depth[0] = 5;
	look_after(1000);
	look_after(100);
	look_after(5000);
	ok(goes_to(1, 0, 0, 0), "and is never stuck");
	ls.shared = true;
	ok(steering_next(&steering) == 0, "nor does one queue for all");
	tear_down();
}

static void
test_hang(void)
{
	pid_t pid;

	set_up(HANG);
	depth[2] = 1;
	look_after(1000);
	look_after(100);
	ok(look_after(HANG - 100) && seat(2)->state == WORKER_READY,
	    "one is not killed before --hang's time");
	look_after(200);
	ok(seat(2)->state == WORKER_KILLED && seat(2)->hung,
	    "it is killed at that");
	ok(goes_to(1, 1, 0, 0) || (steering_turn(&steering),
	    goes_to(1, 1, 0, 0)), "and nothing is steered to it");
	pid = seat(2)->process.pid;
	worker_ended(seat(2), 9, &pool.rules, fake.now_ms);
	worker_step(seat(2), WORKER_TIMEOUT, &pool.rules, fake.now_ms);
	make_ready(2);
	steering_turn(&steering);
	ok(seat(2)->process.pid != pid && goes_to(1, 1, 1, 0),
	    "its successor is steered to, whatever waits");
	look_after(100);
	look_after(HANG - 200);
	ok(seat(2)->state == WORKER_READY,
	    "and has the whole time, from its own beginning");
	tear_down();
}

int
main(void)
{
	log_set_level(LOG_QUIET);
	test_ready();
	test_stuck();
	test_alone();
	test_hang();
	return done();
}
