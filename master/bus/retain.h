/*
 * The newest value of each name and id, as the frame that brings it, up to a
 * number of bytes: the least recently saved go first.
 */
#ifndef MASTER_BUS_RETAIN_H
#define MASTER_BUS_RETAIN_H

#include <stddef.h>
#include <stdint.h>

struct retain;

/* A frame that lives as long as somebody holds it. */
struct retain_frame {
	unsigned refs;
	size_t	 len;			/* bytes */
	unsigned char bytes[];
};

/* Begin with none, for at most max bytes. Returns NULL with ENOMEM. */
struct retain *retain_new(uint64_t max);

void	 retain_free(struct retain *r);

/*
 * Keep a copy of a SAVED frame in place of what its name and id had before;
 * nothing of them where it is larger than all that may be kept. Returns 0 or
 * -1 with ENOMEM, when the old value is gone, too.
 */
int	 retain_save(struct retain *r, const unsigned char *frame, size_t len);

/* Forget the value of a frame's name and id. */
void	 retain_delete(struct retain *r, const unsigned char *frame);

/*
 * All frames, the least recently saved first, each held once more. Returns how
 * many, in a malloc'd list; or -1 with ENOMEM.
 */
long	 retain_all(const struct retain *r, struct retain_frame ***list);

/* Let go of a frame. */
void	 retain_drop(struct retain_frame *f);

unsigned retain_count(const struct retain *r);
uint64_t retain_bytes(const struct retain *r);
uint64_t retain_max(const struct retain *r);

#endif
