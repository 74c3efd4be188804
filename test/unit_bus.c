/* The bus under schedules of chance: who writes, what it writes, who reads. */
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ipc.h"
#include "master/bus/bus.h"
#include "test/tap.h"

enum {
	READERS = 4,
	ORIGINS = 6,			/* the readers', and others */
	RUNS = 40,
	STEPS = 3000,
	LONG = 200000,			/* bytes of data, at most */
	MESSAGES = 400000,		/* of one bus, at most */
};

struct reader {
	struct bus_subscriber *s;
	struct bus_identity who;
	int	 ours, its;		/* the ends of a socket pair */
	struct crr crr;
	uint64_t first, heard;		/* seq before it subscribed; of the last */
	uint64_t lost;
	int	 synced, wrong;
};

static struct bus bus;
static struct reader readers[READERS];
static uint64_t origin_of[MESSAGES];	/* by seq */
static size_t len_of[MESSAGES];

static unsigned
chance(unsigned n)
{
	static uint64_t x = 88172645463325252U;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (unsigned)((x >> 16) % n);
}

static struct bus_identity
identity(int origin)
{
	const struct bus_identity who = { (uint64_t)origin + 1, origin, 100 };

	return who;
}

static void
subscribe(struct reader *r, int origin, bool retained)
{
	int pair[2], size = 20000;

	memset(r, 0, sizeof(*r));
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		exit(1);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	r->ours = pair[0];
	r->its = pair[1];
	r->who = identity(origin);
	r->first = r->heard = bus.seq;
	crr_init(&r->crr, r->its);
	r->s = bus_subscribe(&bus, &r->who, true, retained, 7);
}

static void
unsubscribe(struct reader *r)
{
	bus_unsubscribe(&bus, r->s);
	close(r->ours);
	crr_close(&r->crr);
	r->s = NULL;
}

static void
publish(int origin)
{
	static unsigned char payload[CRR_BUS_FIXED + 1 + LONG];
	const struct bus_identity who = identity(origin);
	size_t len = chance(20) == 0 ? chance(LONG) : chance(300);
	uint64_t seq;

	crr_put16(payload + 20, 1);
	payload[CRR_BUS_FIXED] = (unsigned char)('a' + chance(20));
	memset(payload + CRR_BUS_FIXED + 1, (int)('A' + origin), len);
	len += CRR_BUS_FIXED + 1;
	if (bus_publish(&bus, CRR_SAVE, &who, payload, len, &seq) == -1)
		exit(1);
	origin_of[seq] = who.origin;
	len_of[seq] = len;
}

static void
check(struct reader *r, const struct crr_frame *f)
{
	struct crr_message m;
	uint64_t next;

	if (f->type == CRR_SYNCED) {
		r->wrong += r->synced || f->id != 7 ||
		    crr_get64(f->payload) != r->first;
		r->synced = 1;
		return;
	}
	if (f->type == CRR_LAGGED) {
		r->lost += crr_get64(f->payload);
		return;
	}
	if (crr_message(f, &m) == -1) {
		r->wrong++;
		return;
	}
	r->wrong += m.worker != (int)origin_of[m.seq] - 1 ||
	    f->len != len_of[m.seq] || (m.data_len > 0 &&
	    ((const char *)m.data)[m.data_len - 1] != 'A' + m.worker);
	if ((m.flags & CRR_MESSAGE_RETAINED) != 0) {
		r->wrong += r->synced || m.seq > r->first;
		return;
	}
	for (next = r->heard + 1; origin_of[next] == r->who.origin; next++)
		continue;
	if (r->lost == 0)
		r->wrong += !r->synced || m.seq != next;
	r->heard = m.seq;
}

/* What is there, or one frame of it. */
static void
read_frames(struct reader *r, bool all)
{
	struct crr_frame f;

	do {
		if (crr_next(&r->crr, &f, 0) != 1)
			return;
		check(r, &f);
	} while (all);
}

static void
write_all(void)
{
	int64_t due;
	int i;

	for (i = 0; i < READERS; i++)
		if (readers[i].s != NULL)
			subscriber_write(readers[i].s, readers[i].ours);
	bus_turn(&bus, 1, &due);
}

static void
finish(struct reader *r)
{
	while (subscriber_pending(r->s)) {
		subscriber_write(r->s, r->ours);
		read_frames(r, true);
	}
	read_frames(r, true);
}

/* The last message for it has come. */
static bool
is_complete(const struct reader *r)
{
	uint64_t last = bus.seq;

	while (last > r->first && origin_of[last] == r->who.origin)
		last--;
	return r->synced && r->heard >= last;
}

static void
schedules(void)
{
	int run, step, i, wrong = 0, incomplete = 0;
	struct reader *r;

	bus_init(&bus, 300000);
	for (run = 0; run < RUNS; run++) {
		for (step = 0; step < STEPS; step++) {
			r = &readers[chance(READERS)];
			if (chance(3) == 0)
				publish((int)chance(ORIGINS));
			else if (r->s == NULL)
				subscribe(r, (int)chance(ORIGINS),
				    chance(2) == 0);
			else if (chance(200) == 0) {
				wrong += r->wrong;
				unsubscribe(r);
			} else
				read_frames(r, chance(2) == 0);
			if (chance(4) == 0)
				write_all();
		}
		for (i = 0; i < READERS; i++) {
			if (readers[i].s == NULL)
				continue;
			finish(&readers[i]);
			wrong += readers[i].wrong;
			incomplete += !is_complete(&readers[i]);
			unsubscribe(&readers[i]);
		}
	}
	ok(wrong == 0, "each hears all that others sent, whole and in order");
	ok(incomplete == 0, "… up to the last");
	ok(bus.stream.first == NULL, "nothing is kept for nobody");
	bus_free(&bus);
}

/* One that never reads, for some milliseconds of the bus's time. */
static void
flood(struct reader *r, int64_t from_ms, int64_t to_ms, bool *held)
{
	int64_t now_ms, due;
	int i;

	*held = false;
	for (now_ms = from_ms; now_ms < to_ms; now_ms++) {
		for (i = 0; i < 100; i++)
			publish(ORIGINS);
		subscriber_write(r->s, r->ours);
		*held = bus_turn(&bus, now_ms, &due) || *held;
	}
}

static void
lag(void)
{
	struct reader *r = &readers[0];
	uint64_t begin, queued, lost, heard = 0;
	struct bus_identity who;
	struct crr_frame f;
	bool held;

	bus_init(&bus, 0);
	subscribe(r, 0, false);
	begin = bus.seq;
	flood(r, 1000, 1200, &held);
	ok(held, "senders are held for one that is behind");
	flood(r, 1500, 1600, &held);
	ok(!held, "but for 200 ms at most");
	bus_next(&bus, NULL, &who, &queued, &lost);
	ok(queued <= BUS_QUEUE_MAX && lost > 0, "its queue is bounded");
	while (subscriber_pending(r->s)) {
		subscriber_write(r->s, r->ours);
		while (crr_next(&r->crr, &f, 0) == 1) {
			check(r, &f);
			heard += f.type == CRR_SAVED;
		}
	}
	ok(r->lost == lost && heard + lost == bus.seq - begin,
	    "it is told how many it has lost, and gets the others");
	publish(1);
	finish(r);
	ok(r->heard == bus.seq, "it goes on from there");
	unsubscribe(r);
	bus_free(&bus);
}

static void
receivers(void)
{
	struct bus_identity two = identity(2), nobody = { 99, -1, 1 };

	bus_init(&bus, 0);
	subscribe(&readers[0], 1, false);
	subscribe(&readers[1], 1, false);
	subscribe(&readers[2], 2, false);
	ok(bus_receivers(&bus, &nobody) == 2, "a worker counts once");
	ok(bus_receivers(&bus, &two) == 1, "the sender's own does not");
	unsubscribe(&readers[0]);
	ok(bus_receivers(&bus, &two) == 1, "another of its connections does");
	unsubscribe(&readers[1]);
	ok(bus_receivers(&bus, &two) == 0, "nobody is nobody");
	unsubscribe(&readers[2]);
	bus_free(&bus);
}

static void
idle(void)
{
	struct reader *r = &readers[0];

	bus_init(&bus, 0);
	ok(!bus.busy, "a bus without subscribers is idle");
	publish(1);
	write_all();
	ok(!bus.busy && bus.stream.first == NULL,
	    "and keeps nothing of what is sent");
	subscribe(r, 0, false);
	ok(bus.busy, "one that has subscribed is to be told");
	write_all();
	ok(!bus.busy, "all have got all");
	publish(1);
	ok(bus.busy, "a message is queued");
	write_all();
	ok(!bus.busy, "and sent");
	while (!subscriber_pending(r->s) || !bus.busy) {
		publish(1);
		write_all();
	}
	write_all();
	ok(bus.busy, "one that does not read is behind");
	finish(r);
	write_all();
	ok(!bus.busy, "until it has read all");
	unsubscribe(r);
	bus_free(&bus);
}

int
main(void)
{
	schedules();
	lag();
	receivers();
	idle();
	return done();
}
