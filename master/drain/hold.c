#include "master/drain/hold.h"

enum {
	PIECES_MS = 10,			/* apart, at most: came at once */
	REST_MS = 20,			/* before the mark is raised again */
	SPIN_MS = 2,			/* looks without a pause after a request
					   was given back … */
	SOON_MS = 100,			/* … and each millisecond for this time */
};

bool
hold_is_proven(const struct hold *h)
{
	return h->proofs >= HOLD_PROOFS;
}

/* Bytes were seen by the worker that we did not see: where the next request
 * begins is not known any more. */
static enum hold_deed
let_go(struct hold *h, int64_t now_ms)
{
	h->phase = HOLD_FREE;
	h->proofs = 0;
	h->proves = false;
	h->given_ms = 0;
	h->again_ms = now_ms + 1;
	return HOLD_LOWER;
}

static enum hold_deed
let_rest(struct hold *h, int64_t now_ms)
{
	h->rests = true;
	return let_go(h, now_ms);
}

static enum hold_deed
let_go_for_good(struct hold *h, int64_t now_ms)
{
	let_go(h, now_ms);
	h->phase = HOLD_NEVER;
	return HOLD_LOWER;
}

/* Give the worker the request that waits: the connection's bytes up to end. */
static enum hold_deed
give_back(struct hold *h, uint64_t end, bool proves, int64_t now_ms)
{
	h->phase = HOLD_GIVEN;
	h->base = end;
	h->proves = proves;
	h->answered = false;
	h->given_ms = now_ms;
	return HOLD_LOWER;
}

/* Bytes that came in after the worker's own, read or not. */
static int64_t
find_beyond(const struct hold *h, const struct inhand_seen *s)
{
	return (int64_t)(s->tcp.received - h->base);
}

/* Give back the beginning of a request, or one that is never handed on. */
static enum hold_deed
give_part(struct hold *h, int64_t now_ms)
{
	if (h->total == 0)
		return let_go(h, now_ms);
	/* Another one begins behind it. */
	if (h->total < (uint64_t)h->waiting)
		return let_rest(h, now_ms);
	return give_back(h, h->base + h->total, false, now_ms);
}

static void
note_took(struct hold *h, int64_t took_ms)
{
	if (took_ms > h->took_ms)
		h->took_ms = (unsigned)took_ms;
}

static void
note_answer(struct hold *h, const struct inhand_seen *s, int64_t now_ms)
{
	int64_t took_ms = (int64_t)s->tcp.received_ms - s->tcp.sent_ms;

	if (s->tcp.sent == h->sent)
		return;
	h->sent = s->tcp.sent;
	h->answered = true;
	if (h->given_ms == 0)
		return;
	/* From its end, where that came after it was given back; unless the
	 * next one has come since. */
	if (s->unread > 0 || took_ms > now_ms - h->given_ms)
		took_ms = now_ms - h->given_ms;
	note_took(h, took_ms);
}

/* What is never handed on is held until it is known what it speaks. */
static bool
is_of_use(const struct hold *h, struct hold_rights rights)
{
	return rights.may || !h->http;
}

static enum hold_deed
look_free(struct hold *h, const struct inhand_seen *s,
    const struct inhand *hand, enum inhand_state state,
    struct hold_rights rights, int64_t now_ms)
{
	/* Later ones may have waited in the queue before they were read. */
	if (!h->was_raised && state == INHAND_ANSWERED)
		note_took(h, (int64_t)s->tcp.received_ms - s->tcp.sent_ms);
	if (!rights.raise || !rights.worker || now_ms < h->again_ms ||
	    !is_of_use(h, rights) || h->rests || s->unread > 0 ||
	    s->tcp.received == 0)
		return HOLD_NOTHING;
	/* In hand: only after it has been seen to go on, and not where its
	 * request comes in pieces. */
	if (state != INHAND_ANSWERED && !rights.gap &&
	    (s->unsent > 0 || hand->sends || hand->rounds == 0))
		return HOLD_NOTHING;
	h->base = s->tcp.received;
	h->sent = s->tcp.sent;
	h->answered = state == INHAND_ANSWERED;
	h->was_raised = true;
	return HOLD_RAISE;
}

/* Something has come into the queue. */
static enum hold_deed
begin_waiting(struct hold *h, const struct inhand_seen *s,
    struct hold_rights rights, int64_t now_ms)
{
	/* Without an answer since: the rest of a request, or a second one;
	 * unless the answer came before the mark was raised first. */
	if (!h->answered)
		return h->given_ms != 0 ? let_rest(h, now_ms) :
		    let_go(h, now_ms);
	if (!rights.worker && !hold_is_proven(h))
		return HOLD_NOTHING;
	h->phase = HOLD_WAITING;
	h->verdict = HOLD_UNKNOWN;
	h->pieces = false;
	h->waiting = s->unread;
	h->first_ms = h->since_ms = now_ms;
	return HOLD_JUDGE;
}

static enum hold_deed
look_raised(struct hold *h, const struct inhand_seen *s,
    struct hold_rights rights, int64_t now_ms)
{
	if (find_beyond(h, s) != s->unread)
		return let_go(h, now_ms);
	note_answer(h, s, now_ms);
	if (h->answered && h->proves) {
		h->proofs += !hold_is_proven(h);
		h->proves = false;
	}
	if (s->unread == 0)
		return HOLD_NOTHING;
	return begin_waiting(h, s, rights, now_ms);
}

static enum hold_deed
look_grown(struct hold *h, const struct inhand_seen *s, int64_t now_ms)
{
	/* A second request, before the first is answered. */
	if (h->verdict != HOLD_IS_PART)
		return let_rest(h, now_ms);
	h->pieces = h->pieces || now_ms - h->first_ms > PIECES_MS;
	h->waiting = s->unread;
	h->since_ms = now_ms;
	return HOLD_JUDGE;
}

static int64_t
find_silence(const struct hold *h)
{
	return 2 * (int64_t)h->took_ms > HOLD_SILENCE ?
	    2 * (int64_t)h->took_ms : HOLD_SILENCE;
}

static enum hold_deed
look_waiting(struct hold *h, const struct inhand_seen *s,
    struct hold_rights rights, int64_t now_ms)
{
	if (find_beyond(h, s) != s->unread)
		return let_go(h, now_ms);
	/* It goes on with an answer, though the next request has come. */
	if (s->tcp.sent != h->sent)
		return let_rest(h, now_ms);
	if (s->unread != h->waiting)
		return look_grown(h, s, now_ms);
	if (h->verdict == HOLD_IS_PART) {
		if (now_ms - h->first_ms < HOLD_WHOLE)
			return HOLD_NOTHING;
		return give_part(h, now_ms);
	}
	if (rights.may && now_ms - h->since_ms < find_silence(h))
		return HOLD_NOTHING;
	if (rights.keep && hold_is_proven(h))
		return HOLD_NOTHING;
	if (rights.take && hold_is_proven(h)) {
		h->phase = HOLD_TAKEN;
		return HOLD_TAKE;
	}
	return give_back(h, s->tcp.received, !h->pieces && !h->doubted,
	    now_ms);
}

/* Raise the mark again when the worker has read all of what it was given, and
 * nothing of what came after. */
static enum hold_deed
look_given(struct hold *h, const struct inhand_seen *s,
    struct hold_rights rights, int64_t now_ms)
{
	int64_t beyond = find_beyond(h, s);

	/* An answer before the end of its request. */
	if (beyond < 0 && s->tcp.sent != h->sent)
		return let_rest(h, now_ms);
	if (beyond < 0 || s->unread > beyond)
		return HOLD_NOTHING;
	if (s->unread < beyond)
		return let_go(h, now_ms);
	note_answer(h, s, now_ms);
	if (!is_of_use(h, rights))
		return let_go(h, now_ms);
	return rights.raise && rights.worker ? HOLD_RAISE : HOLD_NOTHING;
}

/* After a FIN or a reset it is its worker's alone. */
static bool
is_open(const struct inhand_seen *s)
{
	return s->tcp.state == DIAG_ESTABLISHED;
}

enum hold_deed
hold_look(struct hold *h, const struct inhand_seen *s,
    const struct inhand *hand, enum inhand_state state,
    struct hold_rights rights, int64_t now_ms)
{
	if (h->phase == HOLD_TAKEN || h->phase == HOLD_NEVER)
		return HOLD_NOTHING;
	if (!is_open(s))
		return let_go_for_good(h, now_ms);
	switch (h->phase) {
	case HOLD_FREE:
		return look_free(h, s, hand, state, rights, now_ms);
	case HOLD_RAISED:
		return look_raised(h, s, rights, now_ms);
	case HOLD_WAITING:
		return look_waiting(h, s, rights, now_ms);
	case HOLD_GIVEN:
		return look_given(h, s, rights, now_ms);
	case HOLD_TAKEN:
	case HOLD_NEVER:
		break;
	}
	return HOLD_NOTHING;
}

enum hold_deed
hold_raised(struct hold *h, const struct inhand_seen *s, int64_t now_ms)
{
	bool first = h->phase == HOLD_FREE;

	if (!is_open(s))
		return let_go_for_good(h, now_ms);
	if (find_beyond(h, s) != s->unread ||
	    ((first || h->timid) && s->unread > 0)) {
		let_go(h, now_ms);
		h->again_ms = now_ms + REST_MS;
		return HOLD_LOWER;
	}
	h->phase = HOLD_RAISED;
	note_answer(h, s, now_ms);
	return HOLD_NOTHING;
}

enum hold_deed
hold_judged(struct hold *h, enum hold_verdict verdict, uint64_t total,
    bool unsafe, int64_t now_ms)
{
	h->verdict = verdict;
	h->total = total;
	h->unsafe = unsafe;
	if (verdict == HOLD_UNKNOWN)
		return let_go(h, now_ms);
	if (verdict != HOLD_IS_OTHER) {
		h->http = true;
		h->others = 0;
	}
	switch (verdict) {
	case HOLD_IS_WHOLE:
		return HOLD_NOTHING;
	case HOLD_IS_PART:
		return total < (uint64_t)h->mark ? HOLD_NOTHING :
		    give_part(h, now_ms);
	case HOLD_IS_ODD:
		return give_part(h, now_ms);
	case HOLD_IS_OTHER:
	case HOLD_UNKNOWN:
		break;
	}
	h->doubted = true;
	h->proofs = 0;
	/* Only where all before it was seen: it may be the rest of a body. */
	h->others += h->given_ms != 0;
	if (h->others < HOLD_OTHERS)
		return give_back(h, h->base + (uint64_t)h->waiting, false,
		    now_ms);
	h->other = true;
	return let_go_for_good(h, now_ms);
}

void
hold_idle(struct hold *h)
{
	h->rests = false;
	h->doubted = false;
}

void
hold_refused(struct hold *h, int64_t now_ms)
{
	let_go(h, now_ms);
}

int64_t
hold_next(const struct hold *h, int64_t now_ms)
{
	int64_t due_ms = h->since_ms + find_silence(h);

	if (h->phase == HOLD_WAITING && h->verdict == HOLD_IS_WHOLE)
		return due_ms > now_ms ? due_ms : 0;
	if (h->phase != HOLD_GIVEN || now_ms - h->given_ms >= SOON_MS)
		return 0;
	return now_ms - h->given_ms < SPIN_MS ? now_ms : now_ms + 1;
}
