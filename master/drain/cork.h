/*
 * Makes a gap in a connection whose server blocks while a request is in hand,
 * as those with a thread for each request do: it can be held only between an
 * answer and the next request, and a quick client leaves nothing between them.
 * So the end of an answer is kept back (TCP_CORK) until its server waits for
 * the next request without blocking, for some milliseconds at most. Makes no
 * system call. The caller does what is decided.
 */
#ifndef MASTER_DRAIN_CORK_H
#define MASTER_DRAIN_CORK_H

#include <stdbool.h>
#include <stdint.h>

#include "master/drain/inhand.h"

/* Begin with zeros. */
struct cork {
	bool	 on;
	unsigned failed;		/* times that it was of no use */
	int64_t	 since_ms;		/* when something was kept back first;
					   0: nothing yet */
};

enum cork_deed {
	CORK_NOTHING,
	CORK_SET,
	CORK_TAKE_OFF,
};

/*
 * What to do after a look, and after it was tried to hold the connection.
 * wanted: it is to be held, and is not; awake: its server does not block.
 */
enum cork_deed cork_look(struct cork *c, const struct inhand_seen *s,
	    enum inhand_state state, bool wanted, bool awake, int64_t now_ms);

/* Something is kept back: a gap as long as it is. */
bool	 cork_makes_gap(const struct cork *c, const struct inhand_seen *s);

#endif
