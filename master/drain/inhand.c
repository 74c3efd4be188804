#include "master/drain/inhand.h"

enum {
	QUIET_MS = 100,			/* idle for so long: ended at once */
	SURE_MS = 250,			/* the kernel's delayed ACK is over */
	BUSY_FROM_MS = 300,		/* after so long busy ones are ended */
	BUSY_QUIET_MS = 8,		/* just after an answer … */
	BUSY_LEAST_MS = 2,		/* … but not between two parts of it */
	GATE_FROM_MS = 600,		/* after so long with no gap seen */
	GATE_ROUNDS = 3,		/* … in this many answers */
	GATE_MS = 2000,			/* most that an answer may take; then
					   the gate is open for as long */
};

/* Milliseconds since a byte came or went. */
static unsigned
find_quiet(const struct inhand_seen *s)
{
	return s->tcp.sent_ms < s->tcp.received_ms ? s->tcp.sent_ms :
	    s->tcp.received_ms;
}

/*
 * The last data came and went in one tick of the kernel's clock (4 ms where
 * HZ is 250), so the times don't tell which was first. A client acknowledges
 * an answer with its next request, or by itself soon after it: while it has
 * not, or when it did so later, there is no next request. And a request that
 * were in hand for longer than a delayed ACK takes would have ended what the
 * kernel calls pingpong mode, which TCP_QUICKACK shows.
 */
static bool
answered_in_one_tick(const struct inhand_seen *s)
{
	if (s->unacked > 0)
		return true;
	if (s->tcp.acked_ms < s->tcp.received_ms)
		return true;
	return s->prompt && find_quiet(s) >= SURE_MS;
}

static enum inhand_state
judge_look(const struct inhand_seen *s)
{
	const struct diag_tcp *t = &s->tcp;

	if (s->unread > 0 || s->unsent > 0)
		return INHAND_BUSY;
	if (t->received == 0)
		return INHAND_SILENT;
	if (t->sent == 0)
		return INHAND_BUSY;
	if (t->received_ms != t->sent_ms)
		return t->received_ms < t->sent_ms ? INHAND_BUSY :
		    INHAND_ANSWERED;
	return answered_in_one_tick(s) ? INHAND_ANSWERED : INHAND_BUSY;
}

enum inhand_state
inhand_look(struct inhand *h, const struct inhand_seen *s)
{
	const struct diag_tcp *t = &s->tcp;
	enum inhand_state state = judge_look(s);
	bool asked = t->received != h->received;
	bool told = t->sent != h->sent;

	if (h->seen && asked && h->sent > 0 && (told || h->answered))
		h->rounds++;
	if (told || state != INHAND_BUSY)
		h->sends = false;
	else if (h->seen && asked && !h->answered)
		h->sends = true;
	/* It had looked like answered, and went on without being asked. */
	if (h->seen && !asked && told && h->answered &&
	    h->quiet_ms > h->paused_ms)
		h->paused_ms = h->quiet_ms;
	h->seen = true;
	h->received = t->received;
	h->sent = t->sent;
	h->answered = state == INHAND_ANSWERED;
	h->quiet_ms = find_quiet(s);
	return state;
}

/*
 * How long an answered connection must have been quiet before it is idle: an
 * answer that took its time, or paused before, may go on.
 */
static unsigned
find_patience(const struct inhand *h, const struct inhand_seen *s)
{
	unsigned took = 0, least = QUIET_MS;

	if (s->tcp.received_ms > s->tcp.sent_ms)
		took = s->tcp.received_ms - s->tcp.sent_ms;
	if (2 * took > least)
		least = 2 * took;
	if (4 * h->paused_ms > least)
		least = 4 * h->paused_ms;
	return least;
}

/*
 * A busy client sends its next request some time after an answer, so that the
 * next one is furthest away just after one. That the answer was whole is known
 * where the client has gone on to another request before. Behind the gate
 * there is no next request.
 */
static enum inhand_deed
decide_answered(const struct inhand *h, const struct inhand_seen *s,
    int64_t drained_ms)
{
	unsigned q = find_quiet(s);

	if (q >= find_patience(h, s))
		return INHAND_END;
	if (drained_ms >= BUSY_FROM_MS && h->rounds > 0 &&
	    q >= BUSY_LEAST_MS && q > 2 * h->paused_ms &&
	    (q <= BUSY_QUIET_MS || h->gated_ms != 0))
		return INHAND_END;
	return INHAND_WAIT;
}

/*
 * A client that sends its next request as soon as it has an answer is never
 * seen idle. Once the worker has its request as a whole, as far as can be
 * told, the next one is kept from the worker, which then answers and is idle.
 */
static enum inhand_deed
decide_busy(const struct inhand *h, const struct inhand_seen *s,
    int64_t drained_ms)
{
	if (h->gated_ms != 0)
		return drained_ms - h->gated_ms >= GATE_MS ? INHAND_OPEN :
		    INHAND_WAIT;
	if (drained_ms < GATE_FROM_MS || drained_ms < h->gate_after_ms ||
	    h->rounds < GATE_ROUNDS || h->sends || s->unread > 0)
		return INHAND_WAIT;
	return INHAND_GATE;
}

enum inhand_deed
inhand_decide(const struct inhand *h, const struct inhand_seen *s,
    enum inhand_state state, int64_t drained_ms, int64_t limit_ms)
{
	if (h->ended_ms != 0)
		return INHAND_WAIT;
	switch (state) {
	case INHAND_BUSY:
		return decide_busy(h, s, drained_ms);
	case INHAND_SILENT:
		return drained_ms >= limit_ms / 2 ? INHAND_END : INHAND_WAIT;
	case INHAND_ANSWERED:
		break;
	}
	return decide_answered(h, s, drained_ms);
}

void
inhand_done(struct inhand *h, enum inhand_deed deed, int64_t drained_ms)
{
	switch (deed) {
	case INHAND_WAIT:
		break;
	case INHAND_GATE:
		h->gated_ms = drained_ms;
		break;
	case INHAND_OPEN:
		h->gated_ms = 0;
		h->gate_after_ms = drained_ms + GATE_MS;
		break;
	case INHAND_END:
		h->ended_ms = drained_ms;
		break;
	}
}

bool
inhand_waits(const struct inhand *h, enum inhand_state state,
    int64_t drained_ms)
{
	return state == INHAND_BUSY || h->ended_ms == 0 ||
	    drained_ms - h->ended_ms < INHAND_ENDED_MS;
}

bool
inhand_is_idle(const struct inhand *h, const struct inhand_seen *s,
    enum inhand_state state)
{
	return state != INHAND_BUSY && find_quiet(s) >= find_patience(h, s);
}
