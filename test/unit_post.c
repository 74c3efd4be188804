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

/* Says a message of which name_len, id_len and flags are as given. */
static unsigned
refuse(struct conn *c, int fd, unsigned type, uint16_t name_len,
    uint16_t id_len, uint16_t flags)
{
	unsigned char payload[CRR_BUS_FIXED + 8];

	memset(payload, 0, sizeof(payload));
	crr_put16(payload + CRR_BUS_FLAGS, flags);
	crr_put16(payload + CRR_BUS_NAME_LEN, name_len);
	crr_put16(payload + CRR_BUS_ID_LEN, id_len);
	say(c, type, payload, sizeof(payload));
	return read_frame(fd).type;
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

static void
test_refused(void)
{
	struct conn *c;
	uint64_t seq;
	int fd;

	set_up();
	fd = meet(&c, 5000);
	broadcast(c, 10);
	read_frame(fd);
	seq = bus.seq;
	ok(refuse(c, fd, CRR_BROADCAST, 9, 0, 0) == CRR_ERROR &&
	    refuse(c, fd, CRR_BROADCAST, 4, 5, 0) == CRR_ERROR,
	    "name and id are not longer than the message");
	ok(refuse(c, fd, CRR_BROADCAST, 0, 0, CRR_MESSAGE_JSON) == CRR_ERROR,
	    "flags are not the sender's to set");
	ok(refuse(c, fd, CRR_SAVE, 4, 0, 0) == CRR_ERROR &&
	    refuse(c, fd, CRR_DELETE, 4, 0, 0) == CRR_ERROR,
	    "a value has an id");
	ok(bus.seq == seq, "what is refused has no number");
	ok(refuse(c, fd, CRR_SAVE, 4, 4, 0) == CRR_QUEUED &&
	    bus.seq == seq + 1 && crr_get64(buf + CRR_HEADER + 4) == bus.seq,
	    "what is not has the next, which is answered");
	tear_down();
	close(fd);
}

static void
test_no_id(void)
{
	static const unsigned char payload[CRR_BUS_FIXED];
	const struct crr_frame f = {
		.type = CRR_BROADCAST,
		.len = sizeof(payload),
		.payload = payload,
	};
	struct conn *c;
	int fd;

	set_up();
	fd = meet(&c, 5000);
	post_handle(&post, c, &f);
	ok(bus.seq == 1 && read_frame(fd).type == 0,
	    "a message without an id is not answered");
	ok(c->sends, "who has sent one may be held");
	tear_down();
	close(fd);
}

static void
test_known_once(void)
{
	struct bus_identity was;
	struct conn *c;
	int fd;

	set_up();
	fd = meet(&c, pid_of(1));
	post_identify(&post, c);
	was = c->who;
	ok(was.origin < UINT64_C(1) << 32 && was.origin ==
	    post_identity(pool_holder(&pool, 1)).origin,
	    "a worker's origin is that of its leader");
	worker_ended(pool_holder(&pool, 1), fake_exit(0), &pool.rules, NOW);
	post_identify(&post, c);
	ok(c->who.origin == was.origin && c->who.worker == 1,
	    "and stays so on a connection that outlives it");
	tear_down();
	close(fd);
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

/* One message in each turn, for ever: what is written must not wait for ever. */
static void
test_gather_limit(void)
{
	struct conn *one, *stranger;
	int a, c, n = 0;

	set_up();
	a = meet(&one, pid_of(1));
	c = meet(&stranger, 5000);
	subscribe(one);
	read_frame(a);
	turn(NOW);
	do {
		broadcast(stranger, 1000);
		n++;
	} while (turn(NOW) && n < 1000);
	ok(n > 60 && n < 70, "messages that go on coming wait up to 64 kB");
	ok(read_frame(a).type == CRR_MESSAGE, "then they are written");
	broadcast(stranger, 1000);
	ok(turn(NOW), "and the next wait again");
	tear_down();
	close(a);
	close(c);
}

static void
test_write(void)
{
	struct conn *one, *c;
	int a, b;

	set_up();
	a = meet(&one, pid_of(1));
	b = meet(&c, 5000);
	subscribe(one);
	read_frame(a);
	broadcast(c, 10);
	post_write(&post, set.first);
	ok(read_frame(a).type == 0, "nothing is written that is not due");
	while (conn_take_changed(&set) != NULL)
		continue;
	turn(NOW);
	turn(NOW);
	ok(read_frame(a).type == CRR_MESSAGE, "what is due is");
	ok(conn_take_changed(&set) == one && conn_take_changed(&set) == NULL,
	    "and only whom it was for has changed");
	turn(NOW);
	ok(conn_take_changed(&set) == NULL, "nobody has without news");
	tear_down();
	close(a);
	close(b);
}

static void
test_held_long(void)
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
	turn(NOW + 199);
	ok(post.held && post_next(&post) == NOW + 200,
	    "one that does not read holds senders for a while");
	turn(NOW + 200);
	ok(!post.held && post_next(&post) == 0, "and no longer");
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
	test_known_once();
	test_answers();
	test_refused();
	test_no_id();
	test_gather();
	test_gather_limit();
	test_write();
	test_held();
	test_held_long();
	return done();
}
