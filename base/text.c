#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

/*
 * Read a character from the len bytes at p into *code. Returns its length, or 0
 * if they begin with none: RFC 3629 has neither overlong forms nor surrogates.
 */
static size_t
decode_char(const unsigned char *p, size_t len, uint32_t *code)
{
	static const uint32_t	least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t			n, i;

	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (len < n)
		return 0;
	*code = p[0] & (0x7fU >> n);
	for (i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (p[i] & 0x3f);
	}
	if (*code < least[n] || *code > 0x10ffff ||
	    (*code >= 0xd800 && *code <= 0xdfff))
		return 0;
	return n;
}

/* Terminals obey the second set of control characters as well. */
static bool
is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

void
text_clean(char *text)
{
	unsigned char	*p = (unsigned char *)text;
	size_t		 len = strlen(text), n;
	uint32_t	 code;

	for (; len > 0; p += n, len -= n) {
		n = decode_char(p, len, &code);
		if (n == 0)
			n = 1;
		else if (!is_control(code))
			continue;
		memset(p, '?', n);
	}
}

bool
text_is_utf8(const char *text, size_t len)
{
	const unsigned char	*p = (const unsigned char *)text;
	uint32_t		 code;
	size_t			 n;

	for (; len > 0; p += n, len -= n)
		if ((n = decode_char(p, len, &code)) == 0)
			return false;
	return true;
}

size_t
text_json(const char *text, size_t len, char *json, size_t size)
{
	const unsigned char	*p = (const unsigned char *)text;
	char			 piece[8];
	uint32_t		 code;
	size_t			 n, out = 0, add;

	json[out++] = '"';
	for (; len > 0; p += n, len -= n) {
		n = decode_char(p, len, &code);
		if (n == 1 && !is_control(code) && code != '"' &&
		    code != '\\' && out + 3 <= size) {
			json[out++] = (char)code;
			continue;
		}
		if (n == 0) {
			snprintf(piece, sizeof(piece), "\xef\xbf\xbd");
			n = 1;
		} else if (code == '"' || code == '\\')
			snprintf(piece, sizeof(piece), "\\%c", (int)code);
		else if (is_control(code))
			snprintf(piece, sizeof(piece), "\\u%04x",
			    (unsigned)code & 0xffff);
		else
			snprintf(piece, sizeof(piece), "%.*s", (int)n,
			    (const char *)p);
		add = strlen(piece);
		if (out + add + 2 > size)
			break;
		memcpy(json + out, piece, add);
		out += add;
	}
	json[out++] = '"';
	json[out] = '\0';
	return out;
}
