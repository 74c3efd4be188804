/*
 * A kept connection that is held, by a random scheduler: clients that wait for
 * each answer, that pipeline, that upload what looks like requests; servers
 * that answer in one part or two, early or late; looks at any time. Whatever
 * happens, no byte is read twice or by nobody, and what is taken is one whole
 * request of the client's, with nothing before it unanswered.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "master/drain/hold.h"
#include "test/tap.h"

enum {
	RUNS = 3000,			/* of each kind of client */
	TIME_MS = 4000,			/* of a run */
	REQUESTS_MAX = 4096,
	MARK = 64 * 1024,
	ANSWER = 100,			/* bytes of a part */
};

enum kind {
	PLAIN,				/* the next one after the answer */
	FAST,				/* … at once, between two looks */
	PIECES,				/* … a request comes in two */
	PIPELINES,			/* up to three unanswered */
	UPLOADS,			/* a body that looks like requests comes
					   after a first answer (100) */
	EARLY,				/* the same, with the answer begun while
					   the body comes */
	BIG,				/* bodies beyond the mark at times */
	NKINDS,
};

/* What comes from the client at once. */
struct segment {
	uint64_t at;			/* its first byte in the stream */
	unsigned length;
	unsigned total;			/* of the request that it seems to
					   begin; 0: it seems to begin none */
	bool	 begins, ends;		/* a request, truly */
	bool	 odd;			/* says Expect */
};

struct world {
	enum kind kind;
	int64_t	 now_ms;
	struct segment sent[REQUESTS_MAX];
	int	 nsent;			/* segments that have come in */
	uint64_t received, read, taken_at;
	int	 mark;
	bool	 is_taken;
	int	 began, ended, answered;	/* requests, as the worker has them */
	int64_t	 answer_ms;		/* when the next part of the answer is
					   due; 0 */
	int	 parts;			/* of it, that are still to come */
	int64_t	 ended_ms;		/* when the worker had a request last */
	int64_t	 took_ms;		/* from then to the answer */
	uint64_t wrote;			/* bytes of answers */
	int64_t	 client_ms;		/* when the client sends again */
	int	 in_upload;		/* pieces still to come */
	int64_t	 received_ms, wrote_ms;	/* when that was last */
	bool	 collected;		/* the worker has been told, and will
					   read whatever the mark is by then */
	const char *wrong;
};

static struct world w;
static struct hold h;
static struct inhand hand;

static unsigned
pick(unsigned n)
{
	return (unsigned)rand() % n;
}

static void
send_segment(unsigned length, unsigned total, bool begins, bool ends, bool odd)
{
	if (w.nsent == REQUESTS_MAX)
		return;
	w.sent[w.nsent++] = (struct segment){ w.received, length, total,
	    begins, ends, odd };
	w.received += length;
	w.received_ms = w.now_ms;
}

static void
begin_request(void)
{
	unsigned length = 50 + pick(500);

	switch (w.kind) {
	case PLAIN:
	case FAST:
	case PIPELINES:
		send_segment(length, length, true, true, false);
		return;
	case BIG:
		if (pick(3) == 0)
			length = MARK + pick(MARK);
		send_segment(length, length, true, true, false);
		return;
	case PIECES:
		send_segment(40, pick(2) != 0 ? 40 + length : 0, true, false,
		    false);
		w.in_upload = 1;
		return;
	case UPLOADS:
	case EARLY:
		if (pick(3) != 0) {
			send_segment(length, length, true, true, false);
			return;
		}
		w.in_upload = 1 + (int)pick(3);
		send_segment(80, 80 + 300 * (unsigned)w.in_upload, true, false,
		    w.kind == UPLOADS);
		return;
	case NKINDS:
		return;
	}
}

/* A piece of a body, which seems to be a request in itself. */
static void
send_piece(void)
{
	w.in_upload--;
	if (w.kind == PIECES)
		send_segment(w.sent[w.nsent - 1].total == 0 ? 200 :
		    w.sent[w.nsent - 1].total - 40, 0, false, true, false);
	else
		send_segment(300, 300, false, w.in_upload == 0, false);
}

static void
step_client(void)
{
	int unanswered, window = w.kind == PIPELINES ? 3 : 1;

	if ((w.now_ms < w.client_ms && w.kind != FAST) || w.is_taken)
		return;
	w.client_ms = w.now_ms + pick(8);
	if (w.in_upload > 0) {
		if (pick(4) == 0)
			w.client_ms += pick(60);
		send_piece();
		return;
	}
	unanswered = 0;
	for (int i = 0; i < w.nsent; i++)
		unanswered += w.sent[i].ends;
	unanswered -= w.answered;
	if (unanswered < window)
		begin_request();
	if (pick(5) == 0)
		w.client_ms += pick(40);
}

/* The worker reads all that there is, if it was woken. */
static void
step_reads(void)
{
	uint64_t unread = w.received - w.read;

	if (unread == 0 || w.is_taken)
		return;
	if (!w.collected && unread < (uint64_t)w.mark)
		return;
	/* It may be told now and come to read it later. */
	if (!w.collected && pick(3) == 0) {
		w.collected = true;
		return;
	}
	w.collected = false;
	for (int i = 0; i < w.nsent; i++) {
		const struct segment *s = &w.sent[i];

		if (s->at + s->length <= w.read || s->at >= w.received)
			continue;
		w.began += s->begins && s->at >= w.read;
		w.ended += s->ends;
		if (s->ends)
			w.ended_ms = w.now_ms;
		if (s->begins && !s->ends && w.kind != PIECES) {
			w.wrote += 25;
			w.wrote_ms = w.now_ms;
		}
	}
	w.read = w.received;
}

static void
step_answers(void)
{
	if (w.answer_ms == 0 && w.ended > w.answered) {
		w.parts = pick(4) == 0 ? 2 : 1;
		w.answer_ms = w.now_ms +
		    (w.kind == FAST ? pick(20) : 1 + pick(20));
	}
	if (w.answer_ms == 0 || w.now_ms < w.answer_ms)
		return;
	w.wrote += ANSWER;
	w.wrote_ms = w.now_ms;
	w.parts--;
	w.answer_ms = w.parts > 0 ? w.now_ms + 1 + pick(9) : 0;
	if (w.parts == 0) {
		w.took_ms = w.now_ms - w.ended_ms;
		w.answered++;
		if (w.client_ms < w.now_ms)
			w.client_ms = w.now_ms + pick(2);
	}
}

static struct inhand_seen
see(void)
{
	struct inhand_seen s = { 0 };

	s.tcp.state = DIAG_ESTABLISHED;
	s.tcp.received = w.received;
	s.tcp.sent = w.wrote;
	s.tcp.received_ms = (unsigned)(w.now_ms - w.received_ms);
	s.tcp.sent_ms = (unsigned)(w.now_ms - w.wrote_ms);
	s.unread = (int)(w.received - w.read);
	return s;
}

/* What the queue looks like, which need not be what it is. Of the n bytes the
 * worker may have read some. */
static enum hold_verdict
judge(uint64_t n, uint64_t *total)
{
	int i;

	*total = 0;
	if (w.received - w.read != n)
		return HOLD_UNKNOWN;
	for (i = 0; i < w.nsent && w.sent[i].at != w.read; i++)
		continue;
	if (i == w.nsent || (w.sent[i].total == 0 && !w.sent[i].begins))
		return HOLD_IS_OTHER;
	*total = w.sent[i].total;
	if (*total == 0)
		return n > 40 ? HOLD_IS_ODD : HOLD_IS_PART;
	if (w.sent[i].odd || n > *total)
		return HOLD_IS_ODD;
	return n == *total ? HOLD_IS_WHOLE : HOLD_IS_PART;
}

static void
check_take(void)
{
	int i, begins = 0;

	for (i = 0; i < w.nsent && w.sent[i].at != w.read; i++)
		continue;
	if (i == w.nsent || !w.sent[i].begins || !w.sent[w.nsent - 1].ends)
		w.wrong = "what was taken is not one whole request";
	for (; i < w.nsent; i++)
		begins += w.sent[i].begins;
	if (begins != 1)
		w.wrong = "what was taken is not one request alone";
	if (w.ended != w.answered || w.answer_ms != 0)
		w.wrong = "taken while an answer was due";
	if (w.kind == FAST && h.took_ms < w.took_ms - 1)
		w.wrong = "its server is thought faster than it is";
	w.is_taken = true;
}

static void	do_deed(enum hold_deed);

static void
do_deed(enum hold_deed deed)
{
	struct inhand_seen s;
	uint64_t waiting = w.received - w.read, total;
	enum hold_verdict v;

	switch (deed) {
	case HOLD_NOTHING:
		break;
	case HOLD_RAISE:
		w.mark = MARK;
		if (pick(8) == 0)
			step_reads();
		s = see();
		do_deed(hold_raised(&h, &s, w.now_ms));
		break;
	case HOLD_LOWER:
		w.mark = 1;
		break;
	case HOLD_JUDGE:
		if (w.collected)
			step_reads();
		v = judge(waiting, &total);
		do_deed(hold_judged(&h, v, total, true, w.now_ms));
		break;
	case HOLD_TAKE:
		check_take();
		break;
	}
}

static void
step_master(void)
{
	const struct hold_rights rights = {
		.raise = true, .may = true, .take = true, .worker = true,
	};
	struct inhand_seen s = see();
	enum inhand_state state = inhand_look(&hand, &s);

	if (w.is_taken)
		return;
	do_deed(hold_look(&h, &s, &hand, state, rights, w.now_ms));
	if ((w.kind == PLAIN || w.kind == FAST) && h.doubted)
		w.wrong = "a request is taken for something else";
	/* Only what it lets go may wake nobody for ever. */
	if ((h.phase == HOLD_FREE || h.phase == HOLD_GIVEN ||
	    h.phase == HOLD_NEVER) && w.mark != 1)
		w.wrong = "the mark has stayed up";
}

/* Returns whether the connection was taken. */
static bool
run(enum kind kind, unsigned seed)
{
	unsigned every;

	srand(seed);
	memset(&w, 0, sizeof(w));
	memset(&h, 0, sizeof(h));
	h.mark = MARK;
	memset(&hand, 0, sizeof(hand));
	w.kind = kind;
	w.mark = 1;
	w.now_ms = 1;
	every = 1 + pick(6);
	for (; w.now_ms < TIME_MS && w.wrong == NULL; w.now_ms++) {
		step_client();
		if (pick(4) != 0)
			step_reads();
		step_answers();
		if (w.kind == FAST) {
			step_client();
			if (pick(2) != 0)
				step_reads();
		}
		if (w.now_ms % every == 0 || h.phase == HOLD_GIVEN)
			step_master();
	}
	return w.is_taken;
}

static void
many(enum kind kind, const char *sentence, bool often)
{
	int taken = 0;
	unsigned i;

	for (i = 0; i < RUNS; i++) {
		taken += run(kind, i + 1);
		if (w.wrong == NULL)
			continue;
		printf("# seed %u: %s\n", i + 1, w.wrong);
		break;
	}
	printf("# %d of %d taken\n", taken, RUNS);
	ok(i == RUNS && (!often || taken > RUNS / 2), sentence);
}

int
main(void)
{
	many(PLAIN, "a client that waits for answers is taken, and rightly",
	    true);
	many(FAST, "… whose requests come at once after the answers", true);
	many(PIECES, "… whose requests come in two pieces", false);
	many(BIG, "… whose bodies are large at times", false);
	many(PIPELINES, "a client that pipelines is never taken wrongly",
	    false);
	many(UPLOADS, "a body is never taken for a request after a 100", false);
	many(EARLY, "… nor where an answer is begun early", false);
	return done();
}
