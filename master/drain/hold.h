/*
 * A kept connection that is held: its mark (SO_RCVLOWAT) is raised, so that
 * the next request lies in its queue and the worker does not know. Decides
 * from look to look when to raise the mark, when to give back what waits, and
 * when a request may be handed on: where it has been proven, three times, that
 * the connection's requests begin and end where they seem to. Makes no system
 * call. The caller does what is decided, and says so.
 *
 * What it rests on: every byte that came in since the first proof has been
 * seen in the queue, as the whole of one request or as the beginning of one
 * whose end is known by its length, and was given back to the worker alone.
 */
#ifndef MASTER_DRAIN_HOLD_H
#define MASTER_DRAIN_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/drain/inhand.h"

enum {
	HOLD_PROOFS = 3,		/* before a request is handed on */
	HOLD_OTHERS = 5,		/* before it is sure that it speaks no
					   HTTP/1: a body may look so */
	HOLD_SILENCE = 10,		/* ms of the server's, at least, while a
					   request waits */
	HOLD_WHOLE = 50,		/* ms for a request to be whole */
	HOLD_MARK = 512 * 1024,		/* bytes, at most, that the kernel keeps
					   from the worker */
};

enum hold_phase {
	HOLD_FREE,			/* the mark is down */
	HOLD_RAISED,			/* nothing waits */
	HOLD_WAITING,			/* something waits in its queue */
	HOLD_GIVEN,			/* the mark is down, for the worker to
					   read what waited */
	HOLD_TAKEN,			/* handed on: no business of ours */
	HOLD_NEVER,			/* not to be held again */
};

/* What lies in the queue. */
enum hold_verdict {
	HOLD_UNKNOWN,			/* not looked at yet, or read since by
					   its worker */
	HOLD_IS_WHOLE,			/* exactly one request */
	HOLD_IS_PART,			/* the beginning of one */
	HOLD_IS_ODD,			/* HTTP/1 that is never handed on */
	HOLD_IS_OTHER,			/* no HTTP/1 */
};

enum hold_deed {
	HOLD_NOTHING,
	HOLD_RAISE,			/* then look again, and hold_raised */
	HOLD_LOWER,
	HOLD_JUDGE,			/* peek, and hold_judged */
	HOLD_TAKE,			/* hand on what waits */
};

/* What may be done with a connection at the moment. */
struct hold_rights {
	bool	 raise;			/* its readers can be woken again */
	bool	 gap;			/* the end of an answer is kept back:
					   the next request is not on its way */
	bool	 may;			/* its requests may be handed on … */
	bool	 take;			/* … and now there is somebody to */
	bool	 keep;			/* what is proven waits, to the end */
	bool	 worker;		/* there is a worker to give back to */
};

/* Begin with zeros. */
struct hold {
	enum hold_phase phase;
	unsigned proofs;		/* HOLD_PROOFS at most */
	enum hold_verdict verdict;	/* of what waits */
	bool	 answered;		/* since the mark was raised */
	bool	 proves;		/* what was given back last is a proof
					   if it is answered */
	bool	 pieces;		/* what waits did not come at once */
	bool	 rests;			/* until the connection is idle: it
					   pipelines, or is not done */
	bool	 http;			/* a request of HTTP/1 was seen */
	unsigned others;		/* verdicts HOLD_IS_OTHER in a row */
	bool	 other;			/* speaks no HTTP/1 */
	bool	 doubted;		/* nothing proves, until the connection
					   is idle: a body may go on */
	bool	 unsafe;		/* the last request's method may not be
					   sent twice */
	int	 mark;			/* bytes that wait, at which the kernel
					   wakes the worker; the caller's */
	uint64_t base;			/* bytes received that are the worker's:
					   all after them wait */
	uint64_t sent;			/* bytes sent, as of the last look */
	int	 waiting;		/* bytes in the queue, as of the last
					   look */
	int64_t	 first_ms;		/* when the first of them was seen */
	int64_t	 since_ms;		/* … the last */
	uint64_t total;			/* bytes of the request that begins
					   there; 0: not known */
	int64_t	 given_ms;		/* when the last one was given back; 0:
					   it was not */
	int64_t	 again_ms;		/* the mark is not raised before */
	bool	 was_raised;		/* at some time */
	bool	 timid;			/* its readers block at times: what came
					   before the mark was raised may never
					   wait */
	unsigned took_ms;		/* longest from request to answer */
};

/* What to do after a look at the connection, which was judged by inhand_look
 * in the same look. */
enum hold_deed hold_look(struct hold *h, const struct inhand_seen *s,
	    const struct inhand *hand, enum inhand_state state,
	    struct hold_rights rights, int64_t now_ms);

/*
 * The mark has been raised, and the connection looked at again: what was there
 * before may have woken the worker. Returns HOLD_NOTHING, or HOLD_LOWER where
 * it is not held after all.
 */
enum hold_deed hold_raised(struct hold *h, const struct inhand_seen *s,
	    int64_t now_ms);

/*
 * What waits has been looked at. total is the length of the request that
 * begins there, 0 where it is not known; unsafe: its method may not be sent
 * twice. Returns what to do: HOLD_NOTHING, or HOLD_LOWER.
 */
enum hold_deed hold_judged(struct hold *h, enum hold_verdict verdict,
	    uint64_t total, bool unsafe, int64_t now_ms);

/* The connection is idle: nothing that was begun goes on. */
void	 hold_idle(struct hold *h);

/* What was to be taken was not: give it back. */
void	 hold_refused(struct hold *h, int64_t now_ms);

/* Tell whether its next request may be handed on. */
bool	 hold_is_proven(const struct hold *h);

/* When to look again: soon after something was given back, or when what waits
 * has waited long enough; or 0. */
int64_t	 hold_next(const struct hold *h, int64_t now_ms);

#endif
