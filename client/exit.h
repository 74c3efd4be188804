/* What a client command exits with. */
#ifndef CLIENT_EXIT_H
#define CLIENT_EXIT_H

enum exit_code {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,		/* or refused */
	EXIT_USAGE = 2,
	EXIT_NO_MASTER = 3,
	EXIT_OTHER_VERSION = 4,
	EXIT_LATE = 5,			/* --timeout passed */
};

#endif
