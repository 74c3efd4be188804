/*
 * A buffer of bytes that are appended at the end and used up from the front,
 * such as what has been read from a descriptor or waits to be written to one.
 * Does no input or output itself.
 */
#ifndef BASE_PILE_H
#define BASE_PILE_H

#include <stddef.h>

/* All zero: empty, with no memory of its own. What is held are the bytes from
 * begin up to end. */
struct pile {
	char	*bytes;			/* malloc'd; or NULL */
	size_t	 size;			/* bytes allocated */
	size_t	 begin, end;		/* offsets into bytes */
};

/* Free the memory, which leaves the pile empty and ready for use. */
void	 pile_free(struct pile *p);

/* Return how many bytes are held. */
size_t	 pile_len(const struct pile *p);

/*
 * Make room for more bytes at bytes + end, to which they may be written before
 * the caller adds their number to end. May move what is held, which makes
 * pointers to it invalid. Returns 0, or -1 with ENOMEM and nothing lost.
 */
int	 pile_reserve(struct pile *p, size_t more);

/* Append a copy of len bytes. Moves and fails as pile_reserve does. */
int	 pile_append(struct pile *p, const void *bytes, size_t len);

/*
 * Drop len bytes, at most all that are held, from the front. The memory of a
 * pile that becomes empty is freed if it has grown large.
 */
void	 pile_use(struct pile *p, size_t len);

#endif
