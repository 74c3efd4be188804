/* The gap that is made in a connection whose server blocks. */
#include <string.h>

#include "master/drain/cork.h"
#include "test/tap.h"

static struct cork c;
static struct inhand_seen s;
static int64_t now_ms;

static void
begin(void)
{
	memset(&c, 0, sizeof(c));
	memset(&s, 0, sizeof(s));
	now_ms = 1000;
}

static enum cork_deed
look(enum inhand_state state, bool wanted, bool awake)
{
	now_ms++;
	return cork_look(&c, &s, state, wanted, awake, now_ms);
}

static void
test_gap(void)
{
	begin();
	ok(look(INHAND_BUSY, false, false) == CORK_NOTHING &&
	    look(INHAND_BUSY, true, true) == CORK_NOTHING &&
	    look(INHAND_ANSWERED, true, false) == CORK_NOTHING,
	    "not where it isn't wanted, isn't needed, or comes too late");
	s.unread = 1;
	ok(look(INHAND_BUSY, true, false) == CORK_NOTHING,
	    "not before its server has read the request");
	s.unread = 0;
	ok(look(INHAND_BUSY, true, false) == CORK_SET && c.on,
	    "the end of an answer is kept back");
	now_ms += 5000;
	ok(look(INHAND_BUSY, true, false) == CORK_NOTHING &&
	    !cork_makes_gap(&c, &s), "however long it is worked on");
	s.unsent = 2;
	ok(look(INHAND_BUSY, true, false) == CORK_NOTHING &&
	    cork_makes_gap(&c, &s), "that makes a gap");
	ok(look(INHAND_BUSY, false, true) == CORK_TAKE_OFF && !c.on &&
	    c.failed == 0, "which ends when it is held");
}

static void
fail(void)
{
	look(INHAND_BUSY, true, false);
	s.unsent = 2;
	look(INHAND_BUSY, true, false);
	now_ms += 9;
}

static void
test_failure(void)
{
	int i;

	begin();
	fail();
	ok(look(INHAND_BUSY, true, false) == CORK_TAKE_OFF,
	    "a server that goes on blocking has its answer sent soon");
	for (i = 0; i < 2; i++) {
		s.unsent = 0;
		fail();
		look(INHAND_BUSY, true, false);
	}
	s.unsent = 0;
	ok(look(INHAND_BUSY, true, false) == CORK_NOTHING,
	    "and after three times is left alone");
	begin();
	look(INHAND_BUSY, true, false);
	s.unread = 1;
	ok(look(INHAND_BUSY, true, false) == CORK_TAKE_OFF,
	    "nothing is kept back when more comes in");
}

int
main(void)
{
	test_gap();
	test_failure();
	return done();
}
