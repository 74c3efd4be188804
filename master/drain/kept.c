#include <unistd.h>

#include "base/reset.h"
#include "master/drain/connection.h"
#include "master/drain/handoff.h"
#include "master/drain/kept.h"

enum { HELP_MS = 300 };			/* after the stop signal */

/* While the master has the duplicate, the worker's close sends no FIN: it is
 * kept only while the worker may not know of what comes, or for a moment. */
static bool
is_held(const struct kept *k)
{
	if (k->cork.on)
		return true;
	switch (k->hold.phase) {
	case HOLD_RAISED:
	case HOLD_WAITING:
	case HOLD_GIVEN:
	case HOLD_TAKEN:
		return true;
	case HOLD_FREE:
	case HOLD_NEVER:
		break;
	}
	return false;
}

static void
close_fd(struct kept *k)
{
	if (k->fd != -1 && k->cork.on)
		connection_cork(k->fd, false);
	k->cork.on = false;
	if (k->fd != -1)
		close(k->fd);
	k->fd = -1;
}

static void
find_rights(struct kept *k, int fd, const struct kept_rules *rules)
{
	if (k->known)
		return;
	k->known = true;
	k->local = handoff_is_local(fd);
	k->may = rules->handoff != NULL && handoff_may(fd, rules->any);
}

/* Where none comes after it, a worker would be asked for ever. */
static bool
gives_nothing_back(const struct kept_rules *rules)
{
	return rules->last &&
	    rules->drain.drained_ms >= rules->drain.limit_ms / 2;
}

static struct hold_rights
now_right(struct kept *k, int fd, const struct inhand_seen *seen,
    const struct kept_rules *rules)
{
	struct hold_rights rights = {
		.may = k->may,
		.take = k->may && !rules->last,
		.keep = gives_nothing_back(rules),
		.worker = true,
	};
	bool awake = connection_is_awake(fd);

	if (!awake)
		k->hold.timid = true;
	rights.gap = awake && cork_makes_gap(&k->cork, seen);
	rights.raise = awake && !rules->ends &&
	    (!k->hold.timid || seen->unread == 0);
	return rights;
}

/* Raise, then look: what was there before may have woken the worker. */
static void
raise_mark(struct kept *k, int fd, const struct kept_rules *rules)
{
	struct inhand_seen seen;

	if (k->mark == 0 && connection_mark(fd, &k->mark) == -1)
		return;
	k->hold.mark = connection_best_mark(fd);
	if (connection_set_mark(fd, k->hold.mark) == -1)
		return;
	if (connection_look(fd, &seen) == -1 ||
	    hold_raised(&k->hold, &seen, rules->now_ms) == HOLD_LOWER)
		connection_set_mark(fd, k->mark);
}

static void
take(struct kept *k, int fd, const struct kept_rules *rules)
{
	const struct porting_order order = {
		.id = k->inode,
		.mode = PORTING_TAKE,
		.length = (uint32_t)k->hold.waiting,
		.local = k->local,
	};

	if (handoff_send(rules->handoff, fd, &order) == 0)
		return;
	hold_refused(&k->hold, rules->now_ms);
	connection_set_mark(fd, k->mark);
}

static void
judge(struct kept *k, int fd, const struct kept_rules *rules)
{
	uint64_t total;
	bool unsafe;
	enum hold_verdict verdict = connection_judge(fd,
	    (size_t)k->hold.waiting, &total, &unsafe);

	if (hold_judged(&k->hold, verdict, total, unsafe, rules->now_ms) ==
	    HOLD_LOWER)
		connection_set_mark(fd, k->mark);
}

static void
do_deed(struct kept *k, int fd, enum hold_deed deed,
    const struct kept_rules *rules)
{
	switch (deed) {
	case HOLD_NOTHING:
		break;
	case HOLD_RAISE:
		raise_mark(k, fd, rules);
		break;
	case HOLD_LOWER:
		connection_set_mark(fd, k->mark);
		break;
	case HOLD_JUDGE:
		judge(k, fd, rules);
		break;
	case HOLD_TAKE:
		take(k, fd, rules);
		break;
	}
}

/* What is of HTTP/1, or may be, is not cut in a pause. */
static enum inhand_care
find_care(const struct kept *k)
{
	if (k->hold.other)
		return INHAND_UNTIL_ANSWERED;
	return k->hand.paused_ms > 0 || !k->hold.http || k->hold.unsafe ?
	    INHAND_UNTIL_IDLE : INHAND_UNTIL_ACKED;
}

static bool
find_waits(const struct kept *k, const struct inhand_seen *seen,
    const struct kept_rules *rules)
{
	switch (k->hold.phase) {
	case HOLD_TAKEN:
		return false;
	case HOLD_WAITING:
		return !gives_nothing_back(rules) || !hold_is_proven(&k->hold);
	case HOLD_GIVEN:
		return true;
	case HOLD_FREE:
	case HOLD_RAISED:
	case HOLD_NEVER:
		break;
	}
	return inhand_waits(&k->hand, seen, k->state, &rules->drain,
	    find_care(k));
}

/* A server may wait for its kept connections to end, as Node before 19 does:
 * one that is quiet ends for it, and the client knows nothing of it. */
static void
help_to_end(struct kept *k, int fd, const struct inhand_seen *seen,
    const struct kept_rules *rules)
{
	if (rules->ends_ms < HELP_MS || k->ended || !k->hold.http ||
	    k->hold.other || !inhand_is_idle(&k->hand, seen, k->state,
	    &rules->drain))
		return;
	k->ended = true;
	connection_end(fd);
}

/* Only where a request could be handed on. */
static bool
wants_gap(const struct kept *k, const struct kept_rules *rules)
{
	const struct hold *h = &k->hold;

	return h->timid && k->may && !rules->ends && !h->rests &&
	    (h->phase == HOLD_FREE || h->phase == HOLD_GIVEN);
}

static void
look_at_cork(struct kept *k, int fd, const struct inhand_seen *seen,
    const struct kept_rules *rules)
{
	bool wanted = wants_gap(k, rules);

	if (!k->cork.on && !wanted)
		return;
	switch (cork_look(&k->cork, seen, k->state, wanted,
	    connection_is_awake(fd), rules->now_ms)) {
	case CORK_NOTHING:
		break;
	case CORK_SET:
		connection_cork(fd, true);
		break;
	case CORK_TAKE_OFF:
		connection_cork(fd, false);
		break;
	}
}

static void
look_at(struct kept *k, int fd, const struct kept_rules *rules)
{
	struct inhand_seen seen;
	enum hold_deed deed;

	if (connection_look(fd, &seen) == -1) {
		k->waits = true;
		return;
	}
	k->state = inhand_look(&k->hand, &seen);
	find_rights(k, fd, rules);
	if (inhand_is_idle(&k->hand, &seen, k->state, &rules->drain))
		hold_idle(&k->hold);
	deed = hold_look(&k->hold, &seen, &k->hand, k->state,
	    now_right(k, fd, &seen, rules), rules->now_ms);
	do_deed(k, fd, deed, rules);
	look_at_cork(k, fd, &seen, rules);
	k->waits = find_waits(k, &seen, rules);
	help_to_end(k, fd, &seen, rules);
}

void
kept_look(struct kept *k, int fd, const struct kept_rules *rules)
{
	if (k->hold.phase == HOLD_TAKEN)
		k->waits = false;
	else
		look_at(k, fd, rules);
	if (k->fd == fd && !is_held(k))
		k->fd = -1;
	else if (k->fd == -1 && is_held(k) && k->hold.phase != HOLD_TAKEN)
		k->fd = fd;
	if (k->fd != fd)
		close(fd);
}

void
kept_look_again(struct kept *k, const struct kept_rules *rules)
{
	if (k->fd != -1)
		kept_look(k, k->fd, rules);
}

int64_t
kept_next(const struct kept *k, int64_t now_ms)
{
	if (k->fd == -1)
		return 0;
	return k->cork.on ? now_ms + 1 : hold_next(&k->hold, now_ms);
}

/* Nothing has been read of what was to be handed on. A porter that was killed
 * may have, before it could say so. */
static bool
has_all(const struct kept *k)
{
	struct inhand_seen seen;

	return connection_look(k->fd, &seen) == 0 &&
	    seen.unread >= k->hold.waiting;
}

void
kept_replied(struct kept *k, bool taken, int64_t now_ms)
{
	if (k->hold.phase != HOLD_TAKEN || k->fd == -1)
		return;
	if (!taken && has_all(k)) {
		hold_refused(&k->hold, now_ms);
		connection_set_mark(k->fd, k->mark);
	} else if (!taken)
		reset_connection(k->fd);
	close_fd(k);
}

static bool
can_be_watched(const struct kept *k)
{
	return k->may && hold_is_proven(&k->hold) &&
	    (k->hold.phase == HOLD_RAISED || k->hold.phase == HOLD_WAITING);
}

void
kept_end(struct kept *k, const struct kept_rules *rules)
{
	const struct porting_order order = {
		.id = k->inode,
		.mode = PORTING_WATCH,
		.quiet_ms = rules->drain.idle_ms,
		.local = k->local,
	};

	if (k->fd != -1 && can_be_watched(k))
		handoff_send(rules->handoff, k->fd, &order);
	close_fd(k);
}

void
kept_release(struct kept *k)
{
	if (k->fd != -1 && k->hold.phase != HOLD_TAKEN)
		connection_set_mark(k->fd, k->mark);
	close_fd(k);
}
