#include "master/drain/cork.h"

enum {
	LONGEST_MS = 10,		/* that an answer's end is kept back */
	FAILED_MAX = 3,			/* then never again */
};

static enum cork_deed
take_off(struct cork *c, bool failed)
{
	c->on = false;
	c->since_ms = 0;
	c->failed = failed ? c->failed + 1 : 0;
	return CORK_TAKE_OFF;
}

/* While its server works on a request: later the end may have gone. */
static enum cork_deed
look_without(struct cork *c, const struct inhand_seen *s,
    enum inhand_state state, bool wanted, bool awake)
{
	if (!wanted || awake || c->failed >= FAILED_MAX ||
	    state != INHAND_BUSY || s->unread > 0 || s->unsent > 0)
		return CORK_NOTHING;
	c->on = true;
	return CORK_SET;
}

enum cork_deed
cork_look(struct cork *c, const struct inhand_seen *s,
    enum inhand_state state, bool wanted, bool awake, int64_t now_ms)
{
	if (!c->on)
		return look_without(c, s, state, wanted, awake);
	if (!wanted)
		return take_off(c, false);
	if (s->unread > 0 || state == INHAND_ANSWERED)
		return take_off(c, true);
	if (s->unsent == 0)
		return CORK_NOTHING;
	if (c->since_ms == 0)
		c->since_ms = now_ms;
	return now_ms - c->since_ms < LONGEST_MS ? CORK_NOTHING :
	    take_off(c, true);
}

bool
cork_makes_gap(const struct cork *c, const struct inhand_seen *s)
{
	return c->on && s->unsent > 0;
}
