#include <stdlib.h>

#include "master/socket/inodes.h"

enum { FIRST_SLOTS = 16 };

void
inodes_init(struct inodes *t)
{
	*t = (struct inodes){ 0 };
}

void
inodes_free(struct inodes *t)
{
	free(t->slots);
	inodes_init(t);
}

/* Fibonacci hashing: the kernel numbers sockets one after the other. */
static size_t
home_of(const struct inodes *t, uint64_t inode)
{
	return (size_t)(inode * UINT64_C(0x9e3779b97f4a7c15) >> 32) &
	    (t->nslots - 1);
}

/* The slot of an inode, or the free one where it belongs. */
static struct inodes_entry *
find_slot(const struct inodes *t, uint64_t inode)
{
	size_t i = home_of(t, inode);

	while (t->slots[i].listener != NULL && t->slots[i].inode != inode)
		i = (i + 1) & (t->nslots - 1);
	return &t->slots[i];
}

static int
grow_slots(struct inodes *t)
{
	struct inodes more = { .n = t->n };

	more.nslots = t->nslots == 0 ? FIRST_SLOTS : 2 * t->nslots;
	more.slots = calloc(more.nslots, sizeof(*more.slots));
	if (more.slots == NULL)
		return -1;
	for (size_t i = 0; i < t->nslots; i++)
		if (t->slots[i].listener != NULL)
			*find_slot(&more, t->slots[i].inode) = t->slots[i];
	free(t->slots);
	*t = more;
	return 0;
}

int
inodes_put(struct inodes *t, uint64_t inode, struct listener *l, int queue)
{
	struct inodes_entry *e;

	if (2 * (t->n + 1) > t->nslots && grow_slots(t) == -1)
		return -1;
	e = find_slot(t, inode);
	t->n += e->listener == NULL;
	*e = (struct inodes_entry){ inode, l, queue };
	return 0;
}

const struct inodes_entry *
inodes_find(const struct inodes *t, uint64_t inode)
{
	const struct inodes_entry *e;

	if (t->nslots == 0)
		return NULL;
	e = find_slot(t, inode);
	return e->listener == NULL ? NULL : e;
}

/* What is found by going past the slot moves up, since a free one ends the
 * search. */
void
inodes_remove(struct inodes *t, uint64_t inode)
{
	size_t mask = t->nslots - 1, hole, i;
	const struct inodes_entry *e = inodes_find(t, inode);

	if (e == NULL)
		return;
	hole = (size_t)(e - t->slots);
	for (i = (hole + 1) & mask; t->slots[i].listener != NULL;
	    i = (i + 1) & mask) {
		size_t home = home_of(t, t->slots[i].inode);

		if (((i - home) & mask) < ((i - hole) & mask))
			continue;
		t->slots[hole] = t->slots[i];
		hole = i;
	}
	t->slots[hole].listener = NULL;
	t->n--;
}
