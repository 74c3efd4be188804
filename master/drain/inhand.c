#include "master/drain/inhand.h"

enum {
	SURE_MS = 250,			/* the kernel's delayed ACK is over */
	ROUND_TRIPS = 4,		/* of quiet, at least */
	LATE_MS = 250,			/* a timer of the server's that is as
					   long as --idle may be so late */
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

/* Who spoke last is certain where only one of them has spoken since the look
 * before. */
static void
note_last(struct inhand *h, bool asked, bool told)
{
	if (!h->seen || (!asked && !told))
		return;
	h->server_last = told && !asked;
	h->client_last = asked && !told;
}

static enum inhand_state
judge_look(const struct inhand *h, const struct inhand_seen *s)
{
	const struct diag_tcp *t = &s->tcp;

	if (s->unread > 0 || s->unsent > 0)
		return INHAND_BUSY;
	if (t->received == 0)
		return t->sent == 0 ? INHAND_SILENT : INHAND_ANSWERED;
	if (t->sent == 0 || h->client_last)
		return INHAND_BUSY;
	if (h->server_last)
		return INHAND_ANSWERED;
	if (t->received_ms != t->sent_ms)
		return t->received_ms < t->sent_ms ? INHAND_BUSY :
		    INHAND_ANSWERED;
	return answered_in_one_tick(s) ? INHAND_ANSWERED : INHAND_BUSY;
}

/* It had looked like answered, and went on without being asked. */
static void
note_pause(struct inhand *h, bool asked, bool told)
{
	if (h->seen && !asked && told && h->answered &&
	    h->quiet_ms > h->paused_ms)
		h->paused_ms = h->quiet_ms;
}

enum inhand_state
inhand_look(struct inhand *h, const struct inhand_seen *s)
{
	const struct diag_tcp *t = &s->tcp;
	bool asked = t->received != h->received;
	bool told = t->sent != h->sent;
	enum inhand_state state;

	note_last(h, asked, told);
	state = judge_look(h, s);
	if (h->seen && asked && h->sent > 0 && (told || h->answered))
		h->rounds++;
	if (told || state != INHAND_BUSY)
		h->sends = false;
	else if (h->seen && asked && !h->answered)
		h->sends = true;
	note_pause(h, asked, told);
	h->seen = true;
	h->received = t->received;
	h->sent = t->sent;
	h->answered = state == INHAND_ANSWERED;
	h->quiet_ms = find_quiet(s);
	return state;
}

/* How long an answered connection must have been quiet before it is idle. */
static int64_t
find_patience(const struct inhand *h, const struct inhand_seen *s,
    int64_t idle_ms)
{
	int64_t least_ms = idle_ms + (idle_ms < LATE_MS ? idle_ms : LATE_MS);
	int64_t trips_ms = (int64_t)s->tcp.rtt_us * ROUND_TRIPS / 1000;

	if (trips_ms > least_ms)
		least_ms = trips_ms;
	if (2 * (int64_t)h->paused_ms > least_ms)
		least_ms = 2 * (int64_t)h->paused_ms;
	return least_ms;
}

bool
inhand_is_idle(const struct inhand *h, const struct inhand_seen *s,
    enum inhand_state state, const struct inhand_drain *d)
{
	return state == INHAND_ANSWERED &&
	    find_quiet(s) >= find_patience(h, s, d->idle_ms);
}

bool
inhand_waits(const struct inhand *h, const struct inhand_seen *s,
    enum inhand_state state, const struct inhand_drain *d,
    enum inhand_care care)
{
	bool late = d->drained_ms >= d->limit_ms / 2;

	switch (state) {
	case INHAND_BUSY:
		return true;
	case INHAND_SILENT:
		return !late;
	case INHAND_ANSWERED:
		break;
	}
	if (late && (care == INHAND_UNTIL_ANSWERED ||
	    (care == INHAND_UNTIL_ACKED && s->unacked == 0)))
		return false;
	return !inhand_is_idle(h, s, state, d);
}
