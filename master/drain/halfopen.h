/*
 * Handshakes that were half done when a worker was steered away from: they
 * belong to its queue, which the kernel does not tell before they are done.
 * Linux.
 */
#ifndef MASTER_DRAIN_HALFOPEN_H
#define MASTER_DRAIN_HALFOPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/socket/listener.h"

/*
 * What the last look at all connections has found, from drain to drain. Such a
 * look goes through the kernel's whole table. After one that found no handshake
 * at all there is none until another segment comes in.
 */
struct calm {
	bool	 known;			/* it found none */
	unsigned long long segments;	/* that had come in before */
};

struct halfopen {
	struct calm *calm;
	struct handshake *list;		/* as of the beginning */
	size_t	 n, size;
	bool	 looked;		/* false: all was calm */
	int64_t	 next_ms;		/* when to look again */
	int64_t	 until_ms;		/* no longer than that */
};

/*
 * Note what is half done on the listeners' ports. Those of a server that
 * defers accept(2) until a client speaks (TCP_DEFER_ACCEPT) are waited for
 * until limit_ms from now, others for as long as a SYN-ACK may be sent again.
 */
void	 halfopen_begin(struct halfopen *h, struct calm *calm,
	    const struct listeners *ls, int64_t limit_ms, int64_t now_ms);

/* Tell whether some of them may still come. */
bool	 halfopen_left(struct halfopen *h, const struct listeners *ls,
	    int64_t now_ms);

void	 halfopen_free(struct halfopen *h);

#endif
