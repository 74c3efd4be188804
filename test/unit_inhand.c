/* What a connection has in hand, from look to look, and how long the stop
 * signal waits for it. */
#include <stdint.h>
#include <stdio.h>

#include "master/drain/inhand.h"
#include "test/tap.h"

static const enum inhand_care IDLE = INHAND_UNTIL_IDLE;
static const enum inhand_care ACKED = INHAND_UNTIL_ACKED;

enum { LIMIT_MS = 10000, IDLE_MS = 1000, QUIET_MS = 1250 };

static struct inhand h;
static struct inhand_seen s;
static enum inhand_state state;

static void
begin(void)
{
	h = (struct inhand){ 0 };
	s = (struct inhand_seen){ 0 };
}

/* A look after a number of bytes in all, some time after the last ones. */
static void
look(uint64_t received, unsigned received_ms, uint64_t sent, unsigned sent_ms)
{
	s.tcp.received = received;
	s.tcp.received_ms = received_ms;
	s.tcp.sent = sent;
	s.tcp.sent_ms = sent_ms;
	s.tcp.acked_ms = received_ms;
	state = inhand_look(&h, &s);
}

static bool
waits(int64_t drained_ms, enum inhand_care care)
{
	const struct inhand_drain d = { drained_ms, LIMIT_MS, IDLE_MS };

	return inhand_waits(&h, &s, state, &d, care);
}

static void
judged(void)
{
	begin();
	look(0, 5, 0, 5);
	ok(state == INHAND_SILENT, "no byte yet: silent");
	ok(waits(LIMIT_MS / 2 - 1, ACKED) && !waits(LIMIT_MS / 2, IDLE),
	    "a silent one is waited for until half of the drain");

	begin();
	look(0, 9000, 10, QUIET_MS - 1);
	ok(state == INHAND_ANSWERED && waits(1, ACKED),
	    "the server alone has spoken: answered");
	look(0, 9000, 10, QUIET_MS);
	ok(!waits(1, IDLE), "… and idle when it has been quiet");

	begin();
	look(100, 20, 0, 500);
	ok(state == INHAND_BUSY && waits(LIMIT_MS, ACKED),
	    "a first request: busy, and waited for to the end");
	look(100, 120, 200, 20);
	ok(state == INHAND_ANSWERED, "sent later than received: answered");
	s.unread = 1;
	look(100, 120, 200, 20);
	ok(state == INHAND_BUSY, "unread bytes: busy");
	s.unread = 0;
	s.unsent = 1;
	look(100, 120, 200, 20);
	ok(state == INHAND_BUSY, "unsent bytes: busy");

	begin();
	look(100, 8, 200, 8);
	ok(state == INHAND_BUSY, "both in one tick: busy");
	s.unacked = 200;
	look(100, 8, 200, 8);
	ok(state == INHAND_ANSWERED, "… not while the answer is unacknowledged");
}

static void
idle(void)
{
	begin();
	look(100, 3000, 200, QUIET_MS - 1);
	ok(waits(1, ACKED), "a pause of a second and a quarter: waited for");
	look(100, 3001, 200, QUIET_MS);
	ok(!waits(1, IDLE), "… and after it idle");

	begin();
	s.tcp.rtt_us = 500000;
	look(100, 3000, 200, 1999);
	ok(waits(1, ACKED), "four round trips are waited for");
	look(100, 3001, 200, 2000);
	ok(!waits(1, ACKED), "… and no more");

	begin();
	look(100, 960, 200, 950);
	look(100, 970, 300, 5);
	look(100, 2864, 300, 1899);
	ok(waits(1, ACKED), "one that has paused before has twice as long");
	look(100, 2865, 300, 1900);
	ok(!waits(1, ACKED), "… and no more");
}

static void
late(void)
{
	begin();
	look(100, 30, 200, 20);
	ok(waits(LIMIT_MS / 2 - 1, ACKED) && !waits(LIMIT_MS / 2, ACKED),
	    "from half of the drain on, answered will do");
	ok(waits(LIMIT_MS, IDLE), "… not where it must be idle");
	s.unacked = 1;
	ok(waits(LIMIT_MS / 2, ACKED), "… nor where a byte is not acknowledged");
	ok(!waits(LIMIT_MS / 2, INHAND_UNTIL_ANSWERED),
	    "… but where its server says good-bye");
}

static void
goes_on(void)
{
	begin();
	look(100, 8, 0, 12);
	look(200, 8, 200, 12);
	look(300, 8, 400, 12);
	ok(h.rounds == 1, "a request after an answer is a round");
	look(400, 4, 400, 40);
	ok(h.sends, "a request that comes in pieces is known");
	look(400, 20, 600, 4);
	ok(!h.sends, "… until it is answered");
}

int
main(void)
{
	judged();
	idle();
	late();
	goes_on();
	return done();
}
