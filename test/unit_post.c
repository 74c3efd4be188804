/* The bus for connections: who speaks, what is answered, who is held. */

#include "base/log.h"
#include "master/post.h"
#include "test/connect.h"
#include "test/fake_process.h"
#include "test/tap.h"

enum { NOW = 1000, WORKERS = 3, BIG = 60000 };

static struct conn_set set;
static struct bus bus;
static struct pool pool;
static struct post post;
static struct launch launch;
static int listen_fd;
static unsigned char buf[CRR_HEADER + CRR_BUS_FIXED + 2 * BIG];

static void
set_up(void)
{
	const struct worker_rules rules = { .start_timeout_ms = 60000 };

	fake_reset();
	memset(&post, 0, sizeof(post));
	memset(&set, 0, sizeof(set));
	set.poller = poller_new();
	listen_fd = connect_listen("post");
	if (bus_init(&bus, 0) == -1 ||
	    pool_init(&pool, &launch, &rules, WORKERS, 1) == -1)
		abort();
	post.bus = &bus;
	post.pool = &pool;
	pool_turn(&pool, NOW);
	while (pool_take_changed(&pool) != NULL)
		continue;
}

static void
tear_down(void)
{
	struct conn *c;

	while (set.first != NULL) {
		conn_close(set.first);
		while ((c = conn_take_changed(&set)) != NULL) {
			if (c->fd == -1)
				conn_free(c);
		}
	}
	bus_free(&bus);
	pool_free(&pool);
	poller_free(set.poller);
	connect_end(listen_fd);
}

/* Connects a process by its pid. */
static int
meet(struct conn **c, pid_t pid)
{
	int fd = connect_client();

	*c = conn_accept(&set, listen_fd, NOW);
	if (*c == NULL)
		abort();
	(*c)->pid = pid;
	return fd;
}

static void
say(struct conn *c, unsigned type, const unsigned char *payload, size_t len)
{
	const struct crr_frame f = {
		.version = CRR_OUR_VERSION,
		.type = (uint16_t)type,
		.len = (uint32_t)len,
		.id = 7,
		.payload = payload,
	};

	post_handle(&post, c, &f);
}

static void
subscribe(struct conn *c)
{
	unsigned char flags[4];

	crr_put32(flags, CRR_SUBSCRIBE_MESSAGES);
	say(c, CRR_SUBSCRIBE, flags, sizeof(flags));
}

static void
broadcast(struct conn *c, size_t len)
{
	static unsigned char payload[CRR_BUS_FIXED + BIG];

	memset(payload, 0, sizeof(payload));
	say(c, CRR_BROADCAST, payload, CRR_BUS_FIXED + len);
}

static struct crr_frame
read_frame(int fd)
{
	return connect_read(fd, buf, sizeof(buf));
}

static pid_t
pid_of(int id)
{
	return pool_holder(&pool, id)->process.pid;
}

static void
test_identity(void)
{
	struct conn *worker, *child, *stranger, *another;
	int a, b, c, d;

	set_up();
	a = meet(&worker, pid_of(1));
	b = meet(&child, pid_of(1) + FAKE_CHILDREN);
	c = meet(&stranger, 5000);
	d = meet(&another, 5001);
	post_identify(&post, worker);
	post_identify(&post, child);
	post_identify(&post, stranger);
	post_identify(&post, another);
	ok(worker->who.worker == 1 && worker->who.pid == pid_of(1),
	    "a worker's process is known by its id");
	ok(child->who.worker == 1 && child->who.origin == worker->who.origin,
	    "its children are the same worker's");
	ok(stranger->who.worker == -1 && another->who.worker == -1 &&
	    stranger->who.origin != another->who.origin &&
	    stranger->who.origin != worker->who.origin,
	    "strangers are nobody's, and not each other");
	ok(post_is_for_bus(CRR_SAVE) && post_is_for_bus(CRR_SUBSCRIBE) &&
	    !post_is_for_bus(CRR_RELOAD), "which types are the bus's");
	tear_down();
	close(a);
	close(b);
	close(c);
	close(d);
}

static void
test_answers(void)
{
	struct conn *one, *two, *stranger;
	unsigned char flags[4];
	struct crr_frame f;
	int a, b, c;

	set_up();
	a = meet(&one, pid_of(1));
	b = meet(&two, pid_of(2));
	c = meet(&stranger, 5000);
	subscribe(one);
	subscribe(two);
	ok(read_frame(a).type == CRR_SYNCED && read_frame(b).type ==
	    CRR_SYNCED, "who subscribes is told at once from when");
	subscribe(one);
	ok(read_frame(a).type == CRR_ERROR, "twice is an error");
	crr_put32(flags, 1U << 30);
	say(stranger, CRR_SUBSCRIBE, flags, sizeof(flags));
	ok(read_frame(c).type == CRR_ERROR, "so is a flag that is not known");
	broadcast(stranger, 10);
	f = read_frame(c);
	ok(f.type == CRR_QUEUED && f.id == 7 && crr_get32(f.payload) == 2,
	    "a message is answered by how many workers it goes to");
	broadcast(one, 10);
	f = read_frame(a);
	ok(f.type == CRR_QUEUED && crr_get32(f.payload) == 1,
	    "its sender's own is none of them");
	memset(buf, 0xff, CRR_BUS_FIXED);
	say(stranger, CRR_BROADCAST, buf, CRR_BUS_FIXED);
	ok(read_frame(c).type == CRR_ERROR,
	    "one that makes no sense is refused");
	tear_down();
	close(a);
	close(b);
	close(c);
}

/* The end of a turn, as the loop does it; returns whether it gathers. */
static bool
turn(int64_t now_ms)
{
	bool gathers = post_gather(&post);

	if (!gathers)
		post_write(&post, set.first);
	post_hold(&post, now_ms);
	return gathers;
}

static void
test_gather(void)
{
	struct conn *one, *stranger;
	int a, c;

	set_up();
	a = meet(&one, pid_of(1));
	c = meet(&stranger, 5000);
	subscribe(one);
	read_frame(a);
	ok(!turn(NOW) && !post_is_stale(&post), "nothing new: nothing to write");
	broadcast(stranger, 10);
	ok(turn(NOW) && read_frame(a).type == 0,
	    "a message waits a turn for more");
	ok(!turn(NOW) && post_is_stale(&post) &&
	    read_frame(a).type == CRR_MESSAGE, "not longer");
	ok(!turn(NOW) && !post_is_stale(&post), "and is written once");
	broadcast(stranger, BIG);
	broadcast(stranger, BIG);
	ok(!turn(NOW) && read_frame(a).type == CRR_MESSAGE,
	    "what is more than 64 kB waits for nothing");
	tear_down();
	close(a);
	close(c);
}

static void
test_held(void)
{
	struct conn *one, *stranger;
	int a, c, i;

	set_up();
	a = meet(&one, pid_of(1));
	c = meet(&stranger, 5000);
	subscribe(one);
	for (i = 0; i < 40; i++) {
		broadcast(stranger, BIG);
		read_frame(c);
	}
	turn(NOW);
	ok(post.held && post_next(&post) > NOW,
	    "senders are held while a subscriber is far behind");
	for (i = 0; i < 100; i++) {
		while (recv(a, buf, sizeof(buf), MSG_DONTWAIT) > 0)
			continue;
		conn_flush(one);
	}
	turn(NOW + 1);
	ok(!post.held && post_next(&post) == 0,
	    "and not when it has read what there was");
	tear_down();
	close(a);
	close(c);
}

int
main(void)
{
	log_set_level(LOG_QUIET);
	test_identity();
	test_answers();
	test_gather();
	test_held();
	return done();
}
