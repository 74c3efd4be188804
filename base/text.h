/*
 * Text from elsewhere, made safe to write: whatever bytes a worker, a path or a
 * peer put into it, a terminal and a JSON parser get nothing but text. Pure.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Replace in place, by '?', what is not printable UTF-8: control characters
 * and bytes that are no character.
 */
void	 text_clean(char *text);

/* Tell whether all of it is UTF-8. */
bool	 text_is_utf8(const char *text, size_t len);

/*
 * Write len bytes as a JSON string, quotes and a NUL included, with U+FFFD for
 * bytes that are no character. Six bytes for each, and three, always suffice;
 * with less, the string is cut between characters and still closed. Returns
 * its length; size is at least 3.
 */
size_t	 text_json(const char *text, size_t len, char *json, size_t size);

#endif
