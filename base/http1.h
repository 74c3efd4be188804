/*
 * As much of HTTP/1 (RFC 9112) as it takes to tell where a request begins and
 * ends, and to say `Connection: close` in it and in its answer. Judges no more
 * than that: what is unclear in any way is odd, which is never wrong to say.
 * Pure.
 */
#ifndef BASE_HTTP1_H
#define BASE_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP1_HEAD_MAX = 32 * 1024,	/* bytes of a head that is read */
};

enum http1_verdict {
	HTTP1_WHOLE,			/* exactly one plain request */
	HTTP1_PART,			/* the beginning of one, so far */
	HTTP1_ODD,			/* a request that is not plain: in parts
					   of its own (Transfer-Encoding), with
					   Expect or Upgrade, with something
					   behind it, or unclear */
	HTTP1_OTHER,			/* does not begin as a request does */
};

struct http1_request {
	size_t	 head;			/* bytes, with the empty line; 0: it has
					   not ended yet */
	uint64_t total;			/* bytes of head and body; 0: not
					   known */
	bool	 chunked;		/* its body is, and nothing else of it
					   is odd but perhaps Expect */
	bool	 repeatable;		/* its method may be sent twice: GET,
					   HEAD, PUT, DELETE, OPTIONS, TRACE */
};

/*
 * Judge n bytes. Plain is: `METHOD target HTTP/1.0` or 1.1 and CRLF, with a
 * target that begins with a slash or is an asterisk; lines of a token, a colon
 * and printable text; an empty line; and a body of as many bytes as the one
 * Content-Length says, or none.
 */
enum http1_verdict http1_request(const char *bytes, size_t n,
	    struct http1_request *r);

/*
 * Write a plain request's head with `Connection: close` in place of what it
 * says of its connection. Returns the number of bytes, or 0 if they would be
 * more than size, which is enough if it is head + 32.
 */
size_t	 http1_close_request(const char *bytes, size_t head, char *out,
	    size_t size);

/* How far an answer has come. Begin with zeros. */
struct http1_answer {
	bool	 past;			/* its head; what follows is as it is */
	size_t	 n;			/* bytes of the head that are kept */
	char	 head[HTTP1_HEAD_MAX];
};

enum { HTTP1_ANSWER_MORE = 32 };	/* bytes that its head may grow by */

/*
 * Take the next n bytes of an answer, and write what is to be sent of it: heads
 * of answers that are not final (1xx) as they are, the final one with
 * `Connection: close` in place of what it says of its connection, and all that
 * comes behind it as it is. A head that can't be read, or is too long, is
 * written as it is. size must be n + HTTP1_HEAD_MAX + HTTP1_ANSWER_MORE at
 * least. Returns the number of bytes written.
 */
size_t	 http1_answer(struct http1_answer *a, const char *bytes, size_t n,
	    char *out, size_t size);

/* The answer has ended: write what is kept of a head that has not. Returns the
 * number of bytes, at most HTTP1_HEAD_MAX. */
size_t	 http1_answer_end(struct http1_answer *a, char *out);

#endif
