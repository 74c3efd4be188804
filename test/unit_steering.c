/* Which seats new connections go to, with queues whose depth is chosen here. */

#include <sys/socket.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "master/socket/diag.h"
#include "master/steering.h"
#include "test/connect.h"
#include "test/fake_process.h"
#include "test/tap.h"

enum { WORKERS = 3, SEATS = 4, HANG = 5000, SLOW = 500, PORT = 8080 };

static unsigned depth[SEATS];		/* of each seat's queue */
static int nlooks;			/* times that one was asked for */
static struct diag_socket oldest;	/* that the kernel lists; port 0: none */
static struct queue queues[SEATS];
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
	nlooks++;
	return depth[seat];
}

bool
listeners_have_port(const struct listeners *l, unsigned port)
{
	(void)l;
	return port == PORT;
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
	(void)l;
	return &queues[seat];
}

unsigned
queue_depth(const struct queue *q)
{
	return q->fd != -1;
}

int
diag_visit(unsigned states, diag_visitor *visit, void *arg)
{
	(void)states;
	if (oldest.local_port != 0)
		visit(arg, &oldest);
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
	memset(&oldest, 0, sizeof(oldest));
	memset(&ls, 0, sizeof(ls));
	for (i = 0; i < SEATS; i++)
		queues[i].fd = -1;
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

/* Have the kernel list a connection that has waited for so long. */
static void
list_waiting(unsigned port, uint64_t inode, unsigned waited_ms)
{
	oldest.local_port = port;
	oldest.inode = inode;
	oldest.tcp.acked_ms = waited_ms;
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
test_candidate(void)
{
	set_up(0);
	pool_begin(&pool, seat(3), 0, true, fake.now_ms);
	make_ready(3);
	steering_turn(&steering);
	ok(goes_to(1, 1, 1, 0), "not to a candidate, though it is ready");
	pool_promote(&pool, seat(3), fake.now_ms);
	steering_turn(&steering);
	ok(goes_to(0, 1, 1, 1), "but as soon as it has the place");
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
	ok(steering_next(&steering) == fake.now_ms + 15,
	    "more while something waits");
	look_after(100);
	look_after(900);
	ok(!steering.seats[1].stuck,
	    "one that has left connections for less than a second is not stuck");
	look_after(100);
	ok(steering.seats[1].stuck && goes_to(1, 0, 1, 0),
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
	ok(look_after(100) && !steering.seats[1].stuck,
	    "one whose queue gets shorter accepts again");
	tear_down();
}

/* Two looks find the queue of seat 1 with something in it. */
static void
see_waiting(void)
{
	look_after(1000);
	depth[1] = 1;
	look_after(1000);
	look_after(100);
}

static void
test_waited(void)
{
	set_up(0);
	list_waiting(PORT, 0, 700);
	see_waiting();
	ok(!look_after(200) && look_after(100) && goes_to(1, 0, 1, 0),
	    "what has waited before it was seen counts");
	tear_down();
	set_up(0);
	list_waiting(PORT, 0, 60000);
	see_waiting();
	ok(goes_to(1, 0, 1, 0) && seat(1)->state == WORKER_READY,
	    "one look's time of it at most");
	tear_down();
	set_up(0);
	list_waiting(PORT + 1, 0, 700);
	see_waiting();
	ok(!look_after(300), "of another's port nothing does");
	tear_down();
	set_up(0);
	list_waiting(PORT, 1, 700);
	see_waiting();
	ok(!look_after(300), "nor of one that has been accepted");
	tear_down();
}

static void
test_looks(void)
{
	set_up(0);
	look_after(1000);
	nlooks = 0;
	ok(!look_after(999) && nlooks == 0, "nothing is looked at too early");
	ok(!look_after(1) && nlooks == WORKERS,
	    "each that serves is looked at when it is time");
	ls.failed = true;
	ok(look_after(1000), "what could not be steered is due again");
	pool_stop(&pool, false, fake.now_ms);
	ok(steering_next(&steering) == 0, "nothing is looked at in a stop");
	tear_down();
}

static bool
is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

static void
test_stranded(void)
{
	int listen_fd = connect_listen("steering"), a, b;

	set_up(0);
	listener.group.nqueues = SEATS;
	a = connect_client();
	b = connect_client();
	queues[0].fd = listen_fd;
	look_after(1000);
	ok(!is_closed(a) && !is_closed(b),
	    "what is queued for a worker is left to it");
	queues[0].fd = -1;
	queues[3].fd = listen_fd;
	steering_look(&steering, false, fake.now_ms += 1000);
	ok(!is_closed(a) && !is_closed(b),
	    "so is what a reload may have a worker for");
	look_after(1000);
	ok(is_closed(a) && is_closed(b), "what nobody will serve is closed");
	ok((fcntl(listen_fd, F_GETFL) & O_NONBLOCK) == 0,
	    "its queue still blocks, as its next worker left it");
	listener.group.nqueues = 0;
	tear_down();
	close(a);
	close(b);
	connect_end(listen_fd);
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
	    "one is not replaced before --hang's time");
	look_after(200);
	ok(seat(2)->state == WORKER_DRAINING && seat(2)->hung,
	    "it is drained at that");
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

static void
test_behind(void)
{
	set_up(0);
	look_after(1000);
	depth[0] = depth[1] = depth[2] = 9;
	look_after(1000);
	ok(goes_to(1, 1, 1, 0), "where all queues are long, to all");
	depth[0] = depth[2] = 2;
	depth[1] = 5;
	look_after(15);
	ok(goes_to(1, 1, 1, 0), "a few more are no reason");
	depth[1] = 6;
	look_after(15);
	ok(goes_to(1, 0, 1, 0), "not to a queue that is longer by more");
	depth[1] = 2;
	look_after(15);
	ok(goes_to(1, 0, 1, 0), "nor at once when it has caught up");
	look_after(15);
	ok(goes_to(1, 1, 1, 0), "but as long after as it took");

	depth[0] = depth[1] = depth[2] = 0;
	look_after(15);
	depth[1] = 1;
	look_after(15);
	ok(goes_to(1, 1, 1, 0), "to one that is seen to wait once");
	look_after(15);
	ok(goes_to(1, 0, 1, 0), "not where none was taken, and others are free");
	depth[1] = 0;
	look_after(15);
	look_after(15);
	ok(steering_next(&steering) == fake.now_ms + 15,
	    "the looks go on for a while");
	look_after(2000);
	ok(steering_next(&steering) == fake.now_ms + 1000 &&
	    goes_to(1, 1, 1, 0), "and come to rest");
	tear_down();
}

/* Of the ones that are behind the least is chosen, and one that was slow is not
 * trusted soon. */
static void
test_slow(void)
{
	int i;

	set_up(0);
	look_after(1000);
	depth[1] = 9;
	look_after(1000);
	depth[0] = depth[2] = 1;
	look_after(15);
	ok(goes_to(1, 0, 1, 0), "not to one that is far behind");
	depth[0] = 0;
	look_after(15);
	look_after(15);
	ok(goes_to(1, 0, 0, 0), "nor to one that takes nothing");
	depth[0] = 5;
	depth[2] = 0;
	look_after(15);
	ok(goes_to(0, 0, 1, 0), "where all are behind, to the least behind");
	depth[0] = depth[1] = 0;
	look_after(SLOW);
	for (i = 0; i < 2; i++)
		look_after(SLOW);
	ok(goes_to(1, 1, 1, 0), "to all when they have caught up");
	depth[0] = depth[1] = 1;
	look_after(15);
	ok(goes_to(0, 0, 1, 0), "to one that has been slow of late, not with "
	    "one more");
	tear_down();
}

/* What a worker that was killed has left waits for its successor. */
static void
test_successor(void)
{
	set_up(1000);
	list_waiting(PORT, 0, 60000);
	see_waiting();
	ok(seat(1)->state == WORKER_DRAINING, "one that hangs is drained");
	worker_ended(seat(1), 9, &pool.rules, fake.now_ms);
	worker_step(seat(1), WORKER_TIMEOUT, &pool.rules, fake.now_ms);
	fake.now_ms += 900;
	make_ready(1);
	steering_turn(&steering);
	look_after(100);
	look_after(100);
	look_after(700);
	ok(seat(1)->state == WORKER_READY && !steering.seats[1].stuck,
	    "its successor has a second, however old what waits is");
	look_after(100);
	ok(seat(1)->state == WORKER_DRAINING, "and not more");
	tear_down();
}

int
main(void)
{
	log_set_level(LOG_QUIET);
	test_ready();
	test_candidate();
	test_stuck();
	test_waited();
	test_looks();
	test_stranded();
	test_alone();
	test_hang();
	test_behind();
	test_slow();
	test_successor();
	return done();
}
