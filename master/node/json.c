#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "master/node/json.h"

/* What is left to read; at is NULL after anything that is not JSON. */
struct reader {
	const char *at, *end;
};

static int
reject_rest(struct reader *r)
{
	r->at = NULL;
	return -1;
}

static char
peek_char(const struct reader *r)
{
	return r->at < r->end ? *r->at : '\0';
}

static void
skip_space(struct reader *r)
{
	while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' ||
	    *r->at == '\r' || *r->at == '\n'))
		r->at++;
}

static int
read_word(struct reader *r, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len) != 0)
		return reject_rest(r);
	r->at += len;
	return 0;
}

static int
read_digits(struct reader *r)
{
	if (!isdigit((unsigned char)peek_char(r)))
		return reject_rest(r);
	while (isdigit((unsigned char)peek_char(r)))
		r->at++;
	return 0;
}

static int
read_number(struct reader *r)
{
	if (peek_char(r) == '-')
		r->at++;
	if (peek_char(r) == '0')
		r->at++;
	else if (read_digits(r) == -1)
		return -1;
	if (peek_char(r) == '.') {
		r->at++;
		if (read_digits(r) == -1)
			return -1;
	}
	if (peek_char(r) == 'e' || peek_char(r) == 'E') {
		r->at++;
		if (peek_char(r) == '+' || peek_char(r) == '-')
			r->at++;
		return read_digits(r);
	}
	return 0;
}

static int
read_escape(struct reader *r)
{
	int i;

	r->at++;
	if (peek_char(r) != 'u') {
		if (peek_char(r) == '\0' ||
		    strchr("\"\\/bfnrt", peek_char(r)) == NULL)
			return reject_rest(r);
		r->at++;
		return 0;
	}
	r->at++;
	for (i = 0; i < 4; i++) {
		if (!isxdigit((unsigned char)peek_char(r)))
			return reject_rest(r);
		r->at++;
	}
	return 0;
}

static int
read_string(struct reader *r)
{
	if (peek_char(r) != '"')
		return reject_rest(r);
	r->at++;
	while (r->at < r->end) {
		if (*r->at == '"') {
			r->at++;
			return 0;
		}
		if ((unsigned char)*r->at < 0x20)
			return reject_rest(r);
		if (*r->at != '\\')
			r->at++;
		else if (read_escape(r) == -1)
			return -1;
	}
	return reject_rest(r);
}

static int
read_scalar(struct reader *r)
{
	switch (peek_char(r)) {
	case '"':
		return read_string(r);
	case 't':
		return read_word(r, "true");
	case 'f':
		return read_word(r, "false");
	case 'n':
		return read_word(r, "null");
	default:
		return read_number(r);
	}
}

static int
read_key(struct reader *r)
{
	skip_space(r);
	if (read_string(r) == -1)
		return -1;
	skip_space(r);
	if (peek_char(r) != ':')
		return reject_rest(r);
	r->at++;
	skip_space(r);
	return 0;
}

/*
 * Close the arrays and objects that end after a value, up to a comma. Returns
 * 1 if another value must follow, 0 at the end of the outermost one, or -1.
 */
static int
close_all(struct reader *r, const char *open, size_t *depth)
{
	while (*depth > 0) {
		skip_space(r);
		if (peek_char(r) == ',') {
			r->at++;
			skip_space(r);
			return open[*depth - 1] == '{' && read_key(r) == -1 ?
			    -1 : 1;
		}
		if (peek_char(r) != (open[*depth - 1] == '{' ? '}' : ']'))
			return reject_rest(r);
		r->at++;
		--*depth;
	}
	return 0;
}

/* Recursion would let a worker choose how much stack the master uses. */
static int
read_value(struct reader *r)
{
	char open[JSON_DEPTH];
	size_t depth = 0;
	int more = 1;

	while (more == 1) {
		skip_space(r);
		if (peek_char(r) != '{' && peek_char(r) != '[') {
			if (read_scalar(r) == -1)
				return -1;
			more = close_all(r, open, &depth);
			continue;
		}
		if (depth == JSON_DEPTH)
			return reject_rest(r);
		open[depth++] = *r->at++;
		skip_space(r);
		if (peek_char(r) == (open[depth - 1] == '{' ? '}' : ']'))
			more = close_all(r, open, &depth);
		else if (open[depth - 1] == '{' && read_key(r) == -1)
			return -1;
	}
	return more;
}

static bool
is_name(const char *key, size_t len, const char *name)
{
	return len == strlen(name) && memcmp(key, name, len) == 0;
}

/* Returns where to store the value of a member, or NULL. */
typedef struct json_value *finder(void *arg, const char *key, size_t len);

static struct json_value *
find_known(void *arg, const char *key, size_t len)
{
	struct json *j = arg;

	if (is_name(key, len, "cmd"))
		return &j->cmd;
	if (is_name(key, len, "pid"))
		return &j->pid;
	if (is_name(key, len, "id"))
		return &j->id;
	if (is_name(key, len, "name"))
		return &j->name;
	if (is_name(key, len, "data"))
		return &j->data;
	return NULL;
}

struct wanted {
	const char *name;
	struct json_value value;
};

static struct json_value *
find_wanted(void *arg, const char *key, size_t len)
{
	struct wanted *w = arg;

	return is_name(key, len, w->name) ? &w->value : NULL;
}

static int
read_member(struct reader *r, finder *find, void *arg)
{
	struct json_value *v;
	const char *begin, *key;

	skip_space(r);
	key = r->at + 1;
	if (read_string(r) == -1)
		return -1;
	v = find(arg, key, (size_t)(r->at - 1 - key));
	skip_space(r);
	if (peek_char(r) != ':')
		return reject_rest(r);
	r->at++;
	skip_space(r);
	begin = r->at;
	if (read_value(r) == -1)
		return -1;
	if (v != NULL)
		*v = (struct json_value){ begin, (size_t)(r->at - begin) };
	return 0;
}

static int
read_members(struct reader *r, finder *find, void *arg)
{
	r->at++;
	skip_space(r);
	if (peek_char(r) == '}') {
		r->at++;
		return 0;
	}
	for (;;) {
		if (read_member(r, find, arg) == -1)
			return -1;
		skip_space(r);
		if (peek_char(r) == '}') {
			r->at++;
			return 0;
		}
		if (peek_char(r) != ',')
			return reject_rest(r);
		r->at++;
	}
}

int
json_read(struct json *j, const char *line, size_t len)
{
	struct reader r = { line, line + len };
	int rc;

	memset(j, 0, sizeof(*j));
	skip_space(&r);
	j->all.at = r.at;
	rc = peek_char(&r) == '{' ? read_members(&r, find_known, j) :
	    read_value(&r);
	if (rc == -1)
		return -1;
	j->all.len = (size_t)(r.at - j->all.at);
	skip_space(&r);
	return r.at == r.end ? 0 : -1;
}

struct json_value
json_find(const struct json_value *object, const char *name)
{
	struct reader r = { object->at, object->at + object->len };
	struct wanted w = { .name = name };

	if (object->len > 0 && *object->at == '{')
		read_members(&r, find_wanted, &w);
	return w.value;
}

bool
json_is(const struct json_value *v, const char *string)
{
	size_t len = strlen(string);

	return v->at != NULL && v->len == len + 2 && v->at[0] == '"' &&
	    memcmp(v->at + 1, string, len) == 0;
}

static unsigned
read_hex4(const char *p)
{
	static const char digits[] = "0123456789abcdef";
	unsigned n = 0;
	int i;

	for (i = 0; i < 4; i++)
		n = n << 4 | (unsigned)(strchr(digits,
		    tolower((unsigned char)p[i])) - digits);
	return n;
}

static size_t
put_utf8(char *buf, uint32_t code)
{
	unsigned char *p = (unsigned char *)buf;

	if (code < 0x80) {
		p[0] = (unsigned char)code;
		return 1;
	}
	if (code < 0x800) {
		p[0] = (unsigned char)(0xc0 | code >> 6);
		p[1] = (unsigned char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		p[0] = (unsigned char)(0xe0 | code >> 12);
		p[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
		p[2] = (unsigned char)(0x80 | (code & 0x3f));
		return 3;
	}
	p[0] = (unsigned char)(0xf0 | code >> 18);
	p[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
	p[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
	p[3] = (unsigned char)(0x80 | (code & 0x3f));
	return 4;
}

/* Two \u escapes are one character if they are a surrogate pair; half of a pair
 * becomes U+FFFD. */
static uint32_t
unescape_u(const char **p, const char *end)
{
	uint32_t high = read_hex4(*p + 2), low;

	*p += 6;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' &&
	    (*p)[1] == 'u') {
		low = read_hex4(*p + 2);
		if (low >= 0xdc00 && low <= 0xdfff) {
			*p += 6;
			return 0x10000 + ((high - 0xd800) << 10) +
			    (low - 0xdc00);
		}
	}
	return 0xfffd;
}

size_t
json_text(const struct json_value *v, char *buf)
{
	static const char letters[] = "bfnrt", meant[] = "\b\f\n\r\t";
	const char *p = v->at, *end = v->at + v->len, *letter;
	size_t n = 0;

	if (v->len == 0 || *p != '"') {
		memcpy(buf, p, v->len);
		return v->len;
	}
	for (p++, end--; p < end;) {
		if (*p != '\\')
			buf[n++] = *p++;
		else if (p[1] == 'u')
			n += put_utf8(buf + n, unescape_u(&p, end));
		else {
			letter = strchr(letters, p[1]);
			buf[n++] = letter == NULL ? p[1] :
			    meant[letter - letters];
			p += 2;
		}
	}
	return n;
}
