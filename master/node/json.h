/*
 * One line of JSON, as Node writes it on its channel: checked from the first
 * byte to the last (RFC 8259), since it is passed on to programs that end when
 * they read anything else; and where the members are that crr looks at. What a
 * member means is not known here. Pure: no copy, no allocation, no system call.
 */
#ifndef MASTER_NODE_JSON_H
#define MASTER_NODE_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum { JSON_DEPTH = 1000 };		/* of arrays and objects, nested */

/* A value as it stands in the text, a string with its quotes and escapes. */
struct json_value {
	const char *at;			/* NULL: there is no such value */
	size_t	 len;			/* bytes */
};

/* A value and, if it is an object, members of it. If several members have one
 * name, the last one counts. All point into the line that was read. */
struct json {
	struct json_value all, cmd, pid, id, name, data;
};

/*
 * Read a line of len bytes, without its newline. Bytes in strings are not
 * checked to be UTF-8. Returns 0, or -1 if the line is not JSON; *j is not to
 * be used then.
 */
int	 json_read(struct json *j, const char *line, size_t len);

/* Find the last member of that name in an object that json_read has accepted.
 * at is NULL if there is none, or if the value is not an object. */
struct json_value json_find(const struct json_value *object,
	    const char *name);

/* Tell whether a value is this string, written without escapes. */
bool	 json_is(const struct json_value *v, const char *string);

/*
 * Write the text of a value that is there to buf, which has room for v->len
 * bytes: the characters of a string as UTF-8, any other value as it stands.
 * Adds no NUL. Returns the length.
 */
size_t	 json_text(const struct json_value *v, char *buf);

#endif
