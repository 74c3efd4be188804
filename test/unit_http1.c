/* Where a request begins and ends, and that its answer says it closes. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/http1.h"
#include "test/tap.h"

static struct http1_request r;

static enum http1_verdict
judge(const char *text)
{
	return http1_request(text, strlen(text), &r);
}

static void
plain(void)
{
	static const char post[] = "POST /a?b HTTP/1.1\r\nHost: x\r\n"
	    "Content-Length: 5\r\n\r\nhello";
	size_t i;
	bool good = true;

	ok(judge("GET / HTTP/1.1\r\nHost: x\r\n\r\n") == HTTP1_WHOLE &&
	    r.head == 27 && r.total == 27 && r.repeatable, "a GET is whole");
	ok(judge("GET / HTTP/1.0\r\n\r\n") == HTTP1_WHOLE, "… of HTTP/1.0");
	ok(judge("OPTIONS * HTTP/1.1\r\n\r\n") == HTTP1_WHOLE, "… of no path");
	ok(judge(post) == HTTP1_WHOLE && r.total == sizeof(post) - 1 &&
	    r.total - r.head == 5 && !r.repeatable, "a POST with its body");
	for (i = 0; i < sizeof(post) - 1; i++)
		good = good && http1_request(post, i, &r) == HTTP1_PART;
	ok(good, "each beginning of it is a part");
	http1_request(post, sizeof(post) - 3, &r);
	ok(r.total == sizeof(post) - 1, "… whose length is known by its head");
	ok(judge("GET / HTTP/1.1\r\nA: \x80\xff\ttext \r\nB:\r\n\r\n") ==
	    HTTP1_WHOLE, "values of any text, or none");
}

static void
odd(void)
{
	static const char *const all[] = {
		"POST / HTTP/1.1\r\nContent-Length: 1\r\n"
		"Content-Length: 1\r\n\r\nx",
		"POST / HTTP/1.1\r\nContent-Length: 1, 1\r\n\r\nx",
		"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx",
		"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
		"POST / HTTP/1.1\r\nContent-Length: 0x1\r\n\r\nx",
		"POST / HTTP/1.1\r\nContent-Length: 1111111111111111\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
		"Content-Length: 3\r\n\r\nabc",
		"POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"POST / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n",
		"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
		"GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n",
		"GET / HTTP/1.1\r\nA\r\n\r\n",
		"GET / HTTP/1.1\r\n: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
		"GET / HTTP/1.1\r\nA: \x01\r\n\r\n",
		"GET http://x/ HTTP/1.1\r\n\r\n",
		"CONNECT x:1 HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\r\n\r\n\r\n",
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (judge(all[i]) != HTTP1_ODD)
			break;
	}
	if (i < sizeof(all) / sizeof(all[0]))
		printf("# %zu: %s\n", i, all[i]);
	ok(i == sizeof(all) / sizeof(all[0]), "what is unclear is odd");
	ok(http1_request("GET / HTTP/1.1\r\nA: \0\r\n\r\n", 24, &r) ==
	    HTTP1_ODD, "… a null byte");
	judge(all[0]);
	ok(r.total == 0, "the length of one with two is not known");
	ok(judge("GET / HTTP/1.1\r\n\r\nG") == HTTP1_ODD && r.total == 18,
	    "that of one with something behind it is");
	judge("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
	ok(r.chunked && r.head == 47 && r.total == 0, "one in chunks is known");
}

static void
other(void)
{
	static const char *const all[] = {
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x02", "PING\r\n",
		"*1\r\n$4\r\nPING\r\n", "SET a b\r\n", "get / HTTP/1.1\r\n",
		"GET  / HTTP/1.1\r\n", "GET / HTTP/1.2\r\n", "GET /\r\n",
		"GET / http/1.1\r\n", "GET / HTTP/1.1 \r\n", "\r\nGET /",
		"hello", " GET / HTTP/1.1\r\n", "GET / HTTP/1.1\n\r\n",
		"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGHIJKLMNOPQRSTUVWXYZ /",
	};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (judge(all[i]) != HTTP1_OTHER)
			break;
	}
	if (i < sizeof(all) / sizeof(all[0]))
		printf("# %zu: %s\n", i, all[i]);
	ok(i == sizeof(all) / sizeof(all[0]), "what is no HTTP/1 is told");
}

static void
too_long(void)
{
	static char big[2 * HTTP1_HEAD_MAX];
	size_t n = strlen("GET / HTTP/1.1\r\nA: ");

	memset(big, 'x', sizeof(big));
	memcpy(big, "GET / HTTP/1.1\r\nA: ", n);
	ok(http1_request(big, HTTP1_HEAD_MAX, &r) == HTTP1_PART &&
	    http1_request(big, HTTP1_HEAD_MAX + 1, &r) == HTTP1_ODD,
	    "a head without an end is odd at its limit");
	memcpy(big + HTTP1_HEAD_MAX, "\r\n\r\n", 4);
	ok(http1_request(big, HTTP1_HEAD_MAX + 4, &r) == HTTP1_ODD,
	    "… and so is one that ends behind it");
}

static void
closed(void)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: x\r\n"
	    "connection: keep-alive\r\nKeep-Alive: 5\r\nA: b\r\n\r\n";
	static const char want[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n"
	    "Connection: close\r\n\r\n";
	char out[256];
	size_t n = http1_close_request(head, sizeof(head) - 1, out,
	    sizeof(out));

	ok(n == sizeof(want) - 1 && memcmp(out, want, n) == 0,
	    "a request that is handed on says that it is the last");
	ok(http1_close_request(head, sizeof(head) - 1, out, 60) == 0,
	    "… where there is room for it");
}

/* Feed an answer in two pieces, and compare what comes out. */
static bool
answers(const char *in, const char *want)
{
	static struct http1_answer a;
	static char out[2 * HTTP1_HEAD_MAX + 1024];
	size_t len = strlen(in), cut, n;

	for (cut = 0; cut <= len; cut++) {
		memset(&a, 0, sizeof(a));
		n = http1_answer(&a, in, cut, out, sizeof(out));
		n += http1_answer(&a, in + cut, len - cut, out + n,
		    sizeof(out) - n);
		n += http1_answer_end(&a, out + n);
		if (n != strlen(want) || memcmp(out, want, n) != 0) {
			printf("# cut at %zu: %.*s\n", cut, (int)n, out);
			return false;
		}
	}
	return true;
}

static void
answer(void)
{
	ok(answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
	    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n"
	    "\r\nhi"), "an answer says that it is the last");
	ok(answers("HTTP/1.0 404 No\r\nConnection: keep-alive\r\n\r\nx\r\n\r\n",
	    "HTTP/1.0 404 No\r\nConnection: close\r\n\r\nx\r\n\r\n"),
	    "… in place of something else; its body is as it is");
	ok(answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n"
	    "\r\nHTTP/1.1 204 None\r\n\r\n",
	    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nA: b\r\n\r\n"
	    "HTTP/1.1 204 None\r\nConnection: close\r\n\r\n"),
	    "those before it pass");
	ok(answers("HTTP/1.1 200 OK\r\nbad line\r\n\r\nbody",
	    "HTTP/1.1 200 OK\r\nbad line\r\n\r\nbody"),
	    "one that can't be read passes as it is");
	ok(answers("hello\r\n\r\nthere", "hello\r\n\r\nthere"),
	    "what is no answer passes, too");
	ok(answers("HTTP/1.1 200 OK\r\nA", "HTTP/1.1 200 OK\r\nA"),
	    "half a head passes at its end");
}

int
main(void)
{
	plain();
	odd();
	other();
	too_long();
	closed();
	answer();
	return done();
}
