/*
 * The words of Node's channel, which are those of the Node package
 * cluster-rolling-restart: what a line from a worker means, and the line that
 * a message of the bus becomes. Pure: knows JSON and frames, and neither
 * descriptors nor workers.
 */
#ifndef MASTER_NODE_WORDS_H
#define MASTER_NODE_WORDS_H

#include <stddef.h>

#include "base/pile.h"
#include "ipc.h"
#include "master/node/json.h"

enum words_kind {
	WORDS_NONE,			/* no whole line has come */
	WORDS_OTHER,			/* a line that means nothing to crr */
	WORDS_READY,
	WORDS_RELOAD,
	WORDS_RESET,			/* of the reload */
	WORDS_SAVE,			/* a message for the bus: payload */
	WORDS_DELETE,			/* the same */
	WORDS_CLUSTER,			/* of Node's cluster module: object */
	WORDS_WRONG,			/* ignored: why */
};

/* What a line says. */
struct words {
	enum words_kind kind;
	unsigned char *payload;		/* of WORDS_SAVE and WORDS_DELETE, as
					   bus_publish takes it; else NULL */
	size_t	 len;			/* bytes of payload */
	struct json_value object;	/* the line itself: valid as long as
					   the caller keeps it */
	const char *why;		/* static text, follows "channel " */
};

/*
 * Say what a line of len bytes means, without its newline; never WORDS_NONE.
 * A message carries pid, its sender's, whatever the line says of itself. The
 * caller frees said->payload. A lack of memory is WORDS_WRONG.
 */
void	 words_read(struct words *said, const char *line, size_t len, int pid);

/*
 * Append to out the line, newline included, that a frame of the bus becomes:
 * nothing if the frame has no words for Node. Returns 0, or -1 with ENOMEM and
 * nothing appended.
 */
int	 words_write(struct pile *out, const struct crr_frame *f);

#endif
