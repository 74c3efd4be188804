/*
 * What master and porter say to each other, on a pair of Unix sockets of type
 * SOCK_SEQPACKET. Both are the same binary, so it goes as it is in memory. Has
 * no functions.
 */
#ifndef BASE_PORTING_H
#define BASE_PORTING_H

#include <stdbool.h>
#include <stdint.h>

enum { PORTING_FD = 3 };		/* the porter's end */

enum porting_mode {
	PORTING_TAKE,			/* hand on the request in its queue */
	PORTING_WATCH,			/* the same when one comes; close it
					   when it has been quiet */
};

/* From the master, with the connection's descriptor. */
struct porting_order {
	uint64_t id;			/* the master's: the socket's inode */
	uint32_t mode;			/* enum porting_mode */
	uint32_t length;		/* TAKE: bytes in the queue, which are
					   exactly one request */
	int64_t	 quiet_ms;		/* WATCH: of quiet, then it is closed */
	bool	 local;			/* connect from its client's address */
};

enum porting_news {
	PORTING_TAKEN,			/* its bytes have been read */
	PORTING_REFUSED,		/* none has been: it is the master's */
	PORTING_ANSWERED,		/* … to the end of the answer */
	PORTING_BROKEN,			/* there was none, or not to its end */
	PORTING_QUIET,			/* WATCH: closed in its quiet */
};

/* From the porter. */
struct porting_reply {
	uint64_t id;
	uint32_t news;			/* enum porting_news */
};

#endif
