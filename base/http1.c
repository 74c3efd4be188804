#include <string.h>
#include <strings.h>

#include "base/http1.h"

static const char close_line[] = "Connection: close\r\n";

enum {
	CLOSE_LINE = sizeof(close_line) - 1,
	METHOD_MAX = 32,		/* bytes */
	LENGTH_DIGITS = 15,		/* of Content-Length */
};

/* A header line. */
struct field {
	const char *name, *value;	/* without white space around it */
	size_t	 name_len, value_len;
};

/* What the header lines say that matters here. */
struct fields {
	bool	 odd;			/* never handed on */
	bool	 unclear;		/* … nor is its end known */
	bool	 chunked;
	bool	 has_length;
	uint64_t length;
};

/* RFC 9110, section 5.6.2. */
static bool
is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') ||
	    (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* Text in a header line: no control character but the tab. */
static bool
is_text_char(char c)
{
	return c == '\t' || ((unsigned char)c >= ' ' && c != '\x7f');
}

static bool
is_target_char(char c)
{
	return (unsigned char)c > ' ' && c != '\x7f';
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool
has_name(const struct field *f, const char *name)
{
	return strlen(name) == f->name_len &&
	    strncasecmp(f->name, name, f->name_len) == 0;
}

/* A word in a list that commas separate. */
static bool
has_word(const struct field *f, const char *word)
{
	size_t len = strlen(word), i;

	for (i = 0; i + len <= f->value_len; i++) {
		if (strncasecmp(f->value + i, word, len) == 0)
			return true;
	}
	return false;
}

/* Where a line ends: at its CR, which an LF follows; NULL: it does not end. */
static const char *
find_end(const char *p, const char *end)
{
	return memmem(p, (size_t)(end - p), "\r\n", 2);
}

static bool
is_repeatable(const char *method, size_t len)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE",
	    "OPTIONS", "TRACE" };
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strlen(methods[i]) == len &&
		    memcmp(methods[i], method, len) == 0)
			return true;
	}
	return false;
}

/*
 * Read a request line as far as it goes. HTTP1_WHOLE: all of it is there, and
 * *next is behind it.
 */
static enum http1_verdict
read_line(const char *p, const char *end, const char **next,
    struct http1_request *r)
{
	static const char version[] = " HTTP/1.";
	const char *begin = p, *eol;

	while (p < end && *p >= 'A' && *p <= 'Z')
		p++;
	if (p - begin > METHOD_MAX)
		return HTTP1_OTHER;
	if (p == end)
		return HTTP1_PART;
	if (p == begin || *p != ' ')
		return HTTP1_OTHER;
	r->repeatable = is_repeatable(begin, (size_t)(p - begin));
	if (++p == end)
		return HTTP1_PART;
	begin = p;
	while (p < end && is_target_char(*p))
		p++;
	if (p == end)
		return HTTP1_PART;
	if (p == begin || *p != ' ')
		return HTTP1_OTHER;
	eol = find_end(p, end);
	if (eol == NULL)
		return end - p < (ptrdiff_t)sizeof(version) + 2 ? HTTP1_PART :
		    HTTP1_OTHER;
	if (eol - p != sizeof(version) || memcmp(p, version,
	    sizeof(version) - 1) != 0 || (eol[-1] != '0' && eol[-1] != '1'))
		return HTTP1_OTHER;
	*next = eol + 2;
	return *begin == '/' || (*begin == '*' && p - begin == 1) ?
	    HTTP1_WHOLE : HTTP1_ODD;
}

/* Read a header line of which the end is known. Returns false if it is no
 * token, colon, text. */
static bool
read_field(const char *p, const char *eol, struct field *f)
{
	const char *q = p;

	while (q < eol && is_token_char(*q))
		q++;
	if (q == p || q == eol || *q != ':')
		return false;
	f->name = p;
	f->name_len = (size_t)(q - p);
	for (q++; q < eol && is_space(*q); q++)
		continue;
	f->value = q;
	while (eol > q && is_space(eol[-1]))
		eol--;
	f->value_len = (size_t)(eol - q);
	for (; q < eol; q++) {
		if (!is_text_char(*q))
			return false;
	}
	return true;
}

static void
note_length(struct fields *fs, const struct field *f)
{
	uint64_t n = 0;
	size_t i;

	if (fs->has_length || f->value_len == 0 ||
	    f->value_len > LENGTH_DIGITS) {
		fs->unclear = true;
		return;
	}
	for (i = 0; i < f->value_len; i++) {
		if (f->value[i] < '0' || f->value[i] > '9') {
			fs->unclear = true;
			return;
		}
		n = 10 * n + (uint64_t)(f->value[i] - '0');
	}
	fs->has_length = true;
	fs->length = n;
}

static void
note_coding(struct fields *fs, const struct field *f)
{
	if (fs->chunked || f->value_len != strlen("chunked") ||
	    strncasecmp(f->value, "chunked", f->value_len) != 0)
		fs->unclear = true;
	fs->chunked = true;
}

static void
note_field(struct fields *fs, const struct field *f)
{
	if (has_name(f, "Content-Length"))
		note_length(fs, f);
	else if (has_name(f, "Transfer-Encoding"))
		note_coding(fs, f);
	else if (has_name(f, "Expect"))
		fs->odd = true;
	else if (has_name(f, "Upgrade") ||
	    (has_name(f, "Connection") && has_word(f, "upgrade")))
		fs->unclear = true;
}

/* Read the lines of a head from behind its first one. HTTP1_WHOLE: its end has
 * been found, at *next. */
static enum http1_verdict
read_fields(const char *p, const char *end, const char **next,
    struct fields *fs)
{
	struct field f;
	const char *eol;

	while ((eol = find_end(p, end)) != NULL) {
		if (eol == p) {
			*next = eol + 2;
			return HTTP1_WHOLE;
		}
		if (!read_field(p, eol, &f))
			return HTTP1_ODD;
		note_field(fs, &f);
		p = eol + 2;
	}
	return HTTP1_PART;
}

static enum http1_verdict
judge_length(const struct fields *fs, size_t n, struct http1_request *r)
{
	if (fs->unclear || (fs->chunked && fs->has_length))
		return HTTP1_ODD;
	r->chunked = fs->chunked;
	if (fs->chunked)
		return HTTP1_ODD;
	r->total = r->head + fs->length;
	if (n > r->total || fs->odd)
		return HTTP1_ODD;
	return n == r->total ? HTTP1_WHOLE : HTTP1_PART;
}

enum http1_verdict
http1_request(const char *bytes, size_t n, struct http1_request *r)
{
	const char *end = bytes + n, *p = bytes;
	struct fields fs = { 0 };
	enum http1_verdict line, v;

	memset(r, 0, sizeof(*r));
	line = read_line(bytes, end, &p, r);
	if (line == HTTP1_OTHER || line == HTTP1_PART)
		return line == HTTP1_PART && n > HTTP1_HEAD_MAX ? HTTP1_ODD :
		    line;
	v = read_fields(p, end, &p, &fs);
	if (v == HTTP1_PART && n > HTTP1_HEAD_MAX)
		return HTTP1_ODD;
	if (v != HTTP1_WHOLE)
		return v;
	r->head = (size_t)(p - bytes);
	if (r->head > HTTP1_HEAD_MAX)
		return HTTP1_ODD;
	v = judge_length(&fs, n, r);
	return line == HTTP1_ODD ? HTTP1_ODD : v;
}

static bool
is_of_connection(const struct field *f)
{
	return has_name(f, "Connection") || has_name(f, "Keep-Alive") ||
	    has_name(f, "Proxy-Connection");
}

/* Copy a head whose lines are all right, without what it says of its
 * connection, and say that it closes. */
static size_t
copy_closing(const char *p, size_t head, char *out)
{
	const char *end = p + head, *eol = find_end(p, end);
	struct field f;
	char *to = out;

	for (; eol != NULL && eol != p; p = eol + 2, eol = find_end(p, end)) {
		if (to != out && read_field(p, eol, &f) && is_of_connection(&f))
			continue;
		memcpy(to, p, (size_t)(eol + 2 - p));
		to += eol + 2 - p;
	}
	memcpy(to, close_line, CLOSE_LINE);
	to += CLOSE_LINE;
	memcpy(to, "\r\n", 2);
	return (size_t)(to + 2 - out);
}

size_t
http1_close_request(const char *bytes, size_t head, char *out, size_t size)
{
	if (head + CLOSE_LINE > size || find_end(bytes, bytes + head) == NULL)
		return 0;
	return copy_closing(bytes, head, out);
}

/* Tell whether a head is an answer's: its status, or 0. */
static int
read_status(const char *p, size_t n)
{
	if (n < 13 || memcmp(p, "HTTP/1.", 7) != 0 || p[8] != ' ' ||
	    p[9] < '1' || p[9] > '9' || p[10] < '0' || p[10] > '9' ||
	    p[11] < '0' || p[11] > '9')
		return 0;
	return 100 * (p[9] - '0') + 10 * (p[10] - '0') + (p[11] - '0');
}

/* Every line of it can be read, so that none of them is torn apart. */
static bool
is_clear(const char *p, size_t head)
{
	const char *end = p + head, *eol = find_end(p, end);
	struct field f;

	if (eol == NULL)
		return false;
	for (p = eol + 2; (eol = find_end(p, end)) != NULL && eol != p;
	    p = eol + 2) {
		if (!read_field(p, eol, &f))
			return false;
	}
	return eol == p;
}

/* A head is there as a whole: write it, and tell whether it is the last. */
static size_t
write_head(struct http1_answer *a, size_t head, char *out)
{
	int status = read_status(a->head, head);
	size_t wrote = head;

	if (status == 101 || status >= 200 || status == 0)
		a->past = true;
	if (status >= 200 && is_clear(a->head, head))
		return copy_closing(a->head, head, out);
	memcpy(out, a->head, head);
	return wrote;
}

/* Write the heads that have come; what is behind the last one, too. */
static size_t
write_heads(struct http1_answer *a, char *out)
{
	size_t wrote = 0, head;
	const char *gap;

	while (!a->past &&
	    (gap = memmem(a->head, a->n, "\r\n\r\n", 4)) != NULL) {
		head = (size_t)(gap + 4 - a->head);
		wrote += write_head(a, head, out + wrote);
		a->n -= head;
		memmove(a->head, a->head + head, a->n);
	}
	if (a->n == sizeof(a->head))
		a->past = true;
	if (a->past)
		wrote += http1_answer_end(a, out + wrote);
	return wrote;
}

size_t
http1_answer(struct http1_answer *a, const char *bytes, size_t n, char *out,
    size_t size)
{
	size_t wrote = 0, some;

	if (size < n + HTTP1_HEAD_MAX + HTTP1_ANSWER_MORE)
		return 0;
	while (n > 0 && !a->past) {
		some = sizeof(a->head) - a->n;
		if (some > n)
			some = n;
		memcpy(a->head + a->n, bytes, some);
		a->n += some;
		bytes += some;
		n -= some;
		wrote += write_heads(a, out + wrote);
	}
	memcpy(out + wrote, bytes, n);
	return wrote + n;
}

size_t
http1_answer_end(struct http1_answer *a, char *out)
{
	size_t n = a->n;

	memcpy(out, a->head, n);
	a->n = 0;
	return n;
}
