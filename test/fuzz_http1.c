/*
 * libFuzzer: what a client or a server may say. A request that is called whole
 * ends where the bytes do, not before, and is whole again when it says that it
 * is the last; an answer comes out the same however it comes in.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1.h"

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 2 * HTTP1_HEAD_MAX + 8192 };

static void
check_request(const char *bytes, size_t n)
{
	static char again[OUT_MAX];
	struct http1_request r, other;
	size_t head;

	if (http1_request(bytes, n, &r) != HTTP1_WHOLE)
		return;
	if (r.total != n || r.head == 0 || r.head > n)
		abort();
	if (http1_request(bytes, n - 1, &other) == HTTP1_WHOLE)
		abort();
	head = http1_close_request(bytes, r.head, again, sizeof(again));
	if (head == 0)
		abort();
	memcpy(again + head, bytes + r.head, n - r.head);
	if (http1_request(again, head + n - r.head, &other) != HTTP1_WHOLE ||
	    other.total - other.head != r.total - r.head ||
	    other.repeatable != r.repeatable)
		abort();
}

static size_t
pass_answer(const char *bytes, size_t n, size_t cut, char *out)
{
	static struct http1_answer a;
	size_t wrote;

	memset(&a, 0, sizeof(a));
	wrote = http1_answer(&a, bytes, cut, out, OUT_MAX);
	wrote += http1_answer(&a, bytes + cut, n - cut, out + wrote,
	    OUT_MAX - wrote);
	return wrote + http1_answer_end(&a, out + wrote);
}

static void
check_answer(const char *bytes, size_t n)
{
	static char one[OUT_MAX], two[OUT_MAX];
	size_t whole = pass_answer(bytes, n, 0, one);
	size_t cut = n == 0 ? 0 : (unsigned char)bytes[n - 1] % n;

	if (whole > n + HTTP1_ANSWER_MORE || pass_answer(bytes, n, cut, two) !=
	    whole || memcmp(one, two, whole) != 0)
		abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_request((const char *)data, size);
	check_answer((const char *)data, size);
	return 0;
}
