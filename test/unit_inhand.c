/* What a connection has in hand, from look to look, and what is done then. */
#include <stdint.h>
#include <stdio.h>

#include "master/drain/inhand.h"
#include "test/tap.h"

enum { LIMIT_MS = 10000 };

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

static enum inhand_deed
decide(int64_t drained_ms)
{
	return inhand_decide(&h, &s, state, drained_ms, LIMIT_MS);
}

static void
do_decided(int64_t drained_ms)
{
	inhand_done(&h, decide(drained_ms), drained_ms);
}

/* Seen each time with the next request in hand. */
static void
rounds(int n)
{
	uint64_t i;

	for (i = 1; i <= (uint64_t)n + 2; i++)
		look(100 * i, 8, 200 * (i - 1), 12);
}

static void
judged(void)
{
	begin();
	look(0, 5, 0, 5);
	ok(state == INHAND_SILENT, "no byte yet: silent");
	ok(decide(LIMIT_MS / 2 - 1) == INHAND_WAIT &&
	    decide(LIMIT_MS / 2) == INHAND_END,
	    "a silent one is ended after half of the drain");

	begin();
	look(100, 20, 0, 500);
	ok(state == INHAND_BUSY && decide(5000) == INHAND_WAIT,
	    "a first request: busy, and waited for");
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
	look(100, 140, 200, 99);
	ok(decide(1) == INHAND_WAIT, "idle for 99 ms: waited for");
	look(100, 141, 200, 100);
	ok(decide(1) == INHAND_END, "idle for 100 ms: ended");
	do_decided(1);
	ok(inhand_waits(&h, state, 500) &&
	    !inhand_waits(&h, state, 1 + INHAND_ENDED_MS),
	    "its server has half a second to notice");

	begin();
	look(100, 400, 200, 100);
	ok(decide(1) == INHAND_WAIT, "an answer that took 300 ms may go on");
	look(100, 900, 200, 600);
	ok(decide(1) == INHAND_END, "… for twice as long");

	begin();
	look(100, 60, 200, 50);
	look(100, 70, 300, 5);
	look(100, 190, 300, 125);
	ok(decide(1) == INHAND_WAIT, "one that has paused before has more time");
}

static void
busy(void)
{
	begin();
	rounds(1);
	look(300, 24, 600, 4);
	ok(decide(299) == INHAND_WAIT && decide(300) == INHAND_END,
	    "a busy one is ended just after an answer, after 300 ms");
	look(300, 29, 600, 9);
	ok(decide(300) == INHAND_WAIT, "… not when its next request is near");

	begin();
	look(100, 24, 200, 4);
	ok(decide(300) == INHAND_WAIT,
	    "… not in its first request, whose answer may go on");
}

static void
gate(void)
{
	begin();
	rounds(2);
	ok(decide(5000) == INHAND_WAIT, "two rounds: no gate");
	rounds(3);
	ok(decide(599) == INHAND_WAIT && decide(600) == INHAND_GATE,
	    "no gap in three rounds: the next request is kept out");
	do_decided(600);
	ok(decide(605) == INHAND_WAIT, "the one in hand is waited for");
	look(500, 30, 1000, 20);
	ok(decide(640) == INHAND_END,
	    "behind the gate an answered one is ended, late or not");

	begin();
	rounds(3);
	do_decided(600);
	ok(decide(2599) == INHAND_WAIT && decide(2600) == INHAND_OPEN,
	    "an answer that takes 2 s may be an upload: the gate opens");
	do_decided(2600);
	ok(decide(4599) == INHAND_WAIT && decide(4600) == INHAND_GATE,
	    "… for as long");

	begin();
	rounds(3);
	look(600, 4, 800, 40);
	ok(decide(5000) == INHAND_WAIT,
	    "a request that comes in pieces is not cut short");
	look(600, 20, 1000, 4);
	look(700, 4, 1000, 20);
	ok(decide(5000) == INHAND_GATE, "… but the next one, when it has come");
	s.unread = 10;
	look(700, 8, 1000, 24);
	ok(decide(5000) == INHAND_WAIT, "… and has been read");
}

int
main(void)
{
	judged();
	idle();
	busy();
	gate();
	return done();
}
