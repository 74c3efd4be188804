/*
 * Handshakes that were half done when connections were steered away from a
 * worker. They belong to its queue, but the kernel's depth of the queue does
 * not count them before they are done. Linux.
 */
#ifndef MASTER_DRAIN_HALFOPEN_H
#define MASTER_DRAIN_HALFOPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/socket/listener.h"

/*
 * What the last look at all handshakes has found; all drains share it. Begin
 * with zeros. A look goes through the kernel's whole table of connections; once
 * one has found no handshake on any port, there is none until another segment
 * comes in, and no look is needed.
 */
struct handshakes {
	bool	 none;			/* the last look found none */
	unsigned long long segments;	/* received before that look */
};

struct halfopen {
	struct handshakes *all;
	struct handshake *list;		/* half done at the beginning, and not
					   known to be done since */
	size_t	 n, size;
	bool	 looked;		/* false: all says that there is none */
	int64_t	 next_ms;		/* when to look again */
	int64_t	 until_ms;		/* when to wait no longer */
};

/*
 * Note the handshakes that are half done on the listeners' ports. If a
 * listener defers accept(2) until its client speaks (TCP_DEFER_ACCEPT), they
 * are waited for until limit_ms from now; else at most until the first SYN-ACK
 * has been sent again. Where memory is short, some are not noted. Keeps all.
 */
void	 halfopen_begin(struct halfopen *h, struct handshakes *all,
	    const struct listeners *ls, int64_t limit_ms, int64_t now_ms);

/* Tell whether some of them may still become connections. Looks again at most
 * each 50 ms; where the kernel can't be asked, they may. */
bool	 halfopen_left(struct halfopen *h, const struct listeners *ls,
	    int64_t now_ms);

/*
 * Look once more for handshakes on the listeners' ports, if any segment has
 * come since there were none: one whose first segment was still on its way
 * through the kernel when the drain began is in nobody's list then. Returns
 * whether there may have been one: then what is clean must be looked at a
 * little later.
 */
bool	 halfopen_again(struct halfopen *h, const struct listeners *ls,
	    int64_t now_ms);

/* Free the list, not h. */
void	 halfopen_free(struct halfopen *h);

#endif
