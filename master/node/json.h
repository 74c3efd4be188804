/*
 * One line of JSON, as Node writes them on its channel: checked from end to
 * end (RFC 8259), since what is passed on is parsed by others, who die of what
 * is none; and where the members are that crr looks at. Pure.
 */
#ifndef MASTER_NODE_JSON_H
#define MASTER_NODE_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum { JSONLINE_DEPTH = 1000 };		/* arrays and objects in each other */

/* Where a value stands; NULL: there is none. */
struct jsonline_value {
	const char *at;
	size_t	 len;			/* bytes */
};

/* The value, and members of it where it is an object. Of several of one name
 * the last one counts. */
struct jsonline {
	struct jsonline_value all, cmd, pid, id, name, data;
};

/* Read a line without its newline. Returns 0, or -1: it is no JSON. */
int	 jsonline_read(struct jsonline *j, const char *line, size_t len);

/* The last member of that name of an object that has been read; or none. */
struct jsonline_value jsonline_find(const struct jsonline_value *object,
	    const char *name);

/* Tell whether a value is the string, which needs no escape. */
bool	 jsonline_is(const struct jsonline_value *v, const char *string);

/*
 * Write what a value says into buf, at least v->len bytes: a string's
 * characters as UTF-8, any other value as it stands. Returns the length.
 */
size_t	 jsonline_text(const struct jsonline_value *v, char *buf);

#endif
