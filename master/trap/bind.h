/*
 * What a bind(2) of a worker is answered, decided from what has been seen of
 * its caller. Knows listeners and claims; neither looks at the caller again
 * nor sends the answer. Linux.
 */
#ifndef MASTER_TRAP_BIND_H
#define MASTER_TRAP_BIND_H

#include "master/socket/listener.h"
#include "master/trap/caller.h"

enum { VERDICT_HINT_MAX = 2 * ADDRESS_TEXT_MAX + 32 };	/* bytes */

enum verdict_kind {
	VERDICT_PASS,			/* the kernel does what was asked */
	VERDICT_ERRNO,			/* the call fails with error */
	VERDICT_DONE,			/* the call returns 0 */
	VERDICT_PUT,			/* so it does once fd is in the place
					   of the caller's socket */
};

struct verdict {
	enum verdict_kind kind;
	int	 error;
	int	 fd;			/* its listener's, not to be closed */
	struct listener *listener;	/* that it is about; or NULL */
	char	 hint[VERDICT_HINT_MAX]; /* of PASS, DONE and PUT: what is not
					   shared and why; of ERRNO: what goes
					   behind the error; "": nothing */
};

/*
 * Decide for a worker of the seat, whose caller has been seen and still waits,
 * and fill *v. A listener is found or made; the caller's duplicate may become
 * its socket, so c->dup may be -1 then. A socket to be put has the caller's
 * options and its O_NONBLOCK. Waits only as claim_socket does.
 */
void	 bind_decide(struct listeners *ls, struct caller *c, int seat,
	    struct verdict *v);

#endif
