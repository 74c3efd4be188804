/*
 * One request and its answer, on their way between two sockets. The request
 * asks its server to close after it, and the answer says so to its client. All
 * else goes as it is. Knows no master.
 */
#ifndef PORTER_EXCHANGE_H
#define PORTER_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/http1.h"

enum {
	EXCHANGE_REQUEST_MAX = 512 * 1024,	/* bytes to begin with */
	EXCHANGE_BODY_SOME = 64 * 1024,		/* bytes read at once */
	EXCHANGE_REQUEST_MORE = 32,		/* that a head may grow by */
	EXCHANGE_ANSWER_SOME = 16 * 1024,	/* the same */
};

enum exchange_news {
	EXCHANGE_GOES_ON,
	EXCHANGE_ANSWERED,		/* to the end, as far as can be seen */
	EXCHANGE_BROKEN,		/* the server ended before its answer's
					   head, or the client takes no more */
};

struct exchange {
	/* To the server: */
	char	*request;		/* malloc'd */
	size_t	 size;			/* of that */
	size_t	 nrequest, wrote;
	uint64_t body_left;		/* bytes to come from the client */

	/* To the client: */
	bool	 told;			/* of its end, or that it was shut down
					   by its old worker */
	bool	 ended;			/* the server has */
	size_t	 nout, out_at;
	struct http1_answer answer;
	char	 out[EXCHANGE_ANSWER_SOME + HTTP1_HEAD_MAX +
		    HTTP1_ANSWER_MORE];
};

/* One for a request of which n bytes are there, EXCHANGE_REQUEST_MAX at most.
 * Returns NULL with ENOMEM. exchange_free frees it. */
struct exchange *exchange_new(size_t n);

/* NULL is ignored. */
void	 exchange_free(struct exchange *e);

/*
 * Begin with these n bytes of a request, of which r is known; what is missing
 * of its body will come from the client. Returns 0, or -1 where its head can't
 * be rewritten.
 */
int	 exchange_begin(struct exchange *e, const char *bytes, size_t n,
	    const struct http1_request *r);

/* A client has ended its side, or the connection. */
bool	 exchange_has_left(int client);

/* Carry what can be carried at once. */
enum exchange_news exchange_step(struct exchange *e, int client, int server);

/* What to poll(2) the two sockets for, until the next step. */
short	 exchange_client_events(const struct exchange *e);
short	 exchange_server_events(const struct exchange *e);

#endif
