#include <stdlib.h>
#include <string.h>

#include "base/pile.h"

enum {
	SIZE_MIN = 1024,		/* bytes */
	SIZE_KEPT = 256 << 10,		/* bytes: more is freed when empty */
};

void
pile_free(struct pile *p)
{
	free(p->bytes);
	memset(p, 0, sizeof(*p));
}

size_t
pile_len(const struct pile *p)
{
	return p->end - p->begin;
}

int
pile_reserve(struct pile *p, size_t more)
{
	size_t size = p->size == 0 ? SIZE_MIN : p->size;
	char *bytes;

	if (p->size - p->end >= more)
		return 0;
	if (p->begin > 0) {
		memmove(p->bytes, p->bytes + p->begin, pile_len(p));
		p->end -= p->begin;
		p->begin = 0;
	}
	while (size - p->end < more)
		size *= 2;
	if (size == p->size)
		return 0;
	bytes = realloc(p->bytes, size);
	if (bytes == NULL)
		return -1;
	p->bytes = bytes;
	p->size = size;
	return 0;
}

int
pile_append(struct pile *p, const void *bytes, size_t len)
{
	if (pile_reserve(p, len) == -1)
		return -1;
	if (len > 0)
		memcpy(p->bytes + p->end, bytes, len);
	p->end += len;
	return 0;
}

void
pile_use(struct pile *p, size_t len)
{
	p->begin += len;
	if (p->begin < p->end)
		return;
	p->begin = p->end = 0;
	if (p->size > SIZE_KEPT)
		pile_free(p);
}
