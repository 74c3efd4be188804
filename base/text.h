/*
 * Text from elsewhere, made safe to write: whatever bytes a worker, a path or a
 * peer has put into it, a terminal and a JSON parser get only UTF-8 without
 * control characters. Pure.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Replace control characters, and bytes that are not UTF-8, by as many '?',
 * in place. */
void	 text_clean(char *text);

/* Tell whether all len bytes are UTF-8 (RFC 3629). */
bool	 text_is_utf8(const char *text, size_t len);

/*
 * Write len bytes of text as a JSON string, with its quotes and a NUL, into
 * json; each byte that is not UTF-8 becomes U+FFFD. size is at least 3; 6 * len
 * + 3 is always enough. With less, the string is cut between characters and
 * still closed. Returns its length.
 */
size_t	 text_json(const char *text, size_t len, char *json, size_t size);

#endif
