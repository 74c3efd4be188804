/*
 * The newest value of each name and id, as the frame that brought it, up to a
 * number of bytes; the values saved longest ago make room for new ones. Knows
 * nothing of who sends or gets them.
 */
#ifndef MASTER_BUS_RETAIN_H
#define MASTER_BUS_RETAIN_H

#include <stddef.h>
#include <stdint.h>

struct retain;

/* A frame that lives as long as anybody holds it. */
struct retain_frame {
	unsigned refs;			/* how many hold it */
	size_t	 len;			/* bytes */
	unsigned char bytes[];
};

/* Begin with no values, for at most max bytes of frames. Returns NULL with
 * ENOMEM. retain_free frees it. */
struct retain *retain_new(uint64_t max);

/* Forget all. Frames that others hold live on. Ignores NULL. */
void	 retain_free(struct retain *r);

/*
 * Keep a copy of a SAVED frame of len bytes, header included, with
 * CRR_MESSAGE_RETAINED set, in place of the value that its name and id had. A
 * frame longer than max is not kept, and that is no error; the old value is
 * gone even so. Returns 0, or -1 with ENOMEM, when the old value is gone, too.
 */
int	 retain_save(struct retain *r, const unsigned char *frame, size_t len);

/* Forget the value of the name and id of a frame, if there is one. */
void	 retain_delete(struct retain *r, const unsigned char *frame);

/*
 * List all frames, those saved longest ago first, and hold each once more.
 * Returns how many, in a list that the caller frees after retain_drop of each
 * frame; or -1 with ENOMEM.
 */
long	 retain_all(const struct retain *r, struct retain_frame ***list);

/* Hold a frame no longer; the last one who does so frees it. */
void	 retain_drop(struct retain_frame *f);

/* Return how many values are kept, their bytes, and the limit of these. */
unsigned retain_count(const struct retain *r);
uint64_t retain_bytes(const struct retain *r);
uint64_t retain_max(const struct retain *r);

#endif
