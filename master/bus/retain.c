#include <stdlib.h>
#include <string.h>

#include "ipc.h"
#include "master/bus/retain.h"

enum { TABLE_MIN = 64 };		/* a power of 2 */

struct entry {
	struct entry *chain;		/* of the same place in the table */
	struct entry *older, *newer;
	uint64_t hash;
	struct retain_frame *frame;
};

struct retain {
	uint64_t max, bytes;
	struct entry **table;
	size_t	 size, n;
	struct entry *oldest, *newest;
};

/* The name and id of a frame, and their lengths: "a", "bc" is not "ab", "c". */
struct key {
	const unsigned char *lengths;	/* 4 bytes */
	const unsigned char *text;
	size_t	 len;			/* bytes of text */
	uint64_t hash;
};

static uint64_t
hash_bytes(uint64_t hash, const unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		hash = (hash ^ p[i]) * 0x100000001b3U;
	return hash;
}

static struct key
key_of(const unsigned char *frame)
{
	const unsigned char *payload = frame + CRR_HEADER;
	struct key k;

	k.lengths = payload + CRR_BUS_NAME_LEN;
	k.text = payload + CRR_BUS_FIXED;
	k.len = (size_t)crr_get16(k.lengths) + crr_get16(k.lengths + 2);
	k.hash = hash_bytes(0xcbf29ce484222325U, k.lengths, 4);
	k.hash = hash_bytes(k.hash, k.text, k.len);
	return k;
}

struct retain *
retain_new(uint64_t max)
{
	struct retain *r;

	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return NULL;
	r->max = max;
	r->size = TABLE_MIN;
	r->table = calloc(r->size, sizeof(*r->table));
	if (r->table == NULL) {
		free(r);
		return NULL;
	}
	return r;
}

void
retain_drop(struct retain_frame *f)
{
	if (--f->refs == 0)
		free(f);
}

static struct entry **
find_entry(const struct retain *r, const struct key *k)
{
	struct entry **at = &r->table[k->hash & (r->size - 1)];
	struct key other;

	for (; *at != NULL; at = &(*at)->chain) {
		if ((*at)->hash != k->hash)
			continue;
		other = key_of((*at)->frame->bytes);
		if (other.len == k->len &&
		    memcmp(other.lengths, k->lengths, 4) == 0 &&
		    memcmp(other.text, k->text, k->len) == 0)
			break;
	}
	return at;
}

static void
remove_at(struct retain *r, struct entry **at)
{
	struct entry *e = *at;

	*at = e->chain;
	if (e->older != NULL)
		e->older->newer = e->newer;
	else
		r->oldest = e->newer;
	if (e->newer != NULL)
		e->newer->older = e->older;
	else
		r->newest = e->older;
	r->bytes -= e->frame->len;
	r->n--;
	retain_drop(e->frame);
	free(e);
}

static void
remove_key(struct retain *r, const struct key *k)
{
	struct entry **at = find_entry(r, k);

	if (*at != NULL)
		remove_at(r, at);
}

void
retain_delete(struct retain *r, const unsigned char *frame)
{
	struct key k = key_of(frame);

	remove_key(r, &k);
}

static void
remove_oldest(struct retain *r)
{
	struct key k = key_of(r->oldest->frame->bytes);

	remove_key(r, &k);
}

void
retain_free(struct retain *r)
{
	if (r == NULL)
		return;
	while (r->oldest != NULL)
		remove_oldest(r);
	free(r->table);
	free(r);
}

/* Without memory to grow, the table only becomes slower. */
static void
grow_table(struct retain *r)
{
	struct entry **table, *e;
	size_t size = r->size * 2;

	table = calloc(size, sizeof(*table));
	if (table == NULL)
		return;
	for (e = r->oldest; e != NULL; e = e->newer) {
		e->chain = table[e->hash & (size - 1)];
		table[e->hash & (size - 1)] = e;
	}
	free(r->table);
	r->table = table;
	r->size = size;
}

static struct entry *
make_entry(const unsigned char *frame, size_t len)
{
	unsigned char *flags;
	struct entry *e;

	e = calloc(1, sizeof(*e));
	if (e == NULL)
		return NULL;
	e->frame = malloc(sizeof(*e->frame) + len);
	if (e->frame == NULL) {
		free(e);
		return NULL;
	}
	e->frame->refs = 1;
	e->frame->len = len;
	memcpy(e->frame->bytes, frame, len);
	flags = e->frame->bytes + CRR_HEADER + CRR_BUS_FLAGS;
	crr_put16(flags, crr_get16(flags) | CRR_MESSAGE_RETAINED);
	return e;
}

int
retain_save(struct retain *r, const unsigned char *frame, size_t len)
{
	struct key k = key_of(frame);
	struct entry *e, **at;

	remove_key(r, &k);
	if (len > r->max)
		return 0;
	e = make_entry(frame, len);
	if (e == NULL)
		return -1;
	while (r->bytes + len > r->max)
		remove_oldest(r);
	if (r->n >= r->size)
		grow_table(r);
	e->hash = k.hash;
	at = &r->table[k.hash & (r->size - 1)];
	e->chain = *at;
	*at = e;
	e->older = r->newest;
	if (r->newest != NULL)
		r->newest->newer = e;
	else
		r->oldest = e;
	r->newest = e;
	r->bytes += len;
	r->n++;
	return 0;
}

long
retain_all(const struct retain *r, struct retain_frame ***list)
{
	struct entry *e;
	long n = 0;

	*list = malloc((r->n + 1) * sizeof(**list));
	if (*list == NULL)
		return -1;
	for (e = r->oldest; e != NULL; e = e->newer) {
		e->frame->refs++;
		(*list)[n++] = e->frame;
	}
	return n;
}

unsigned
retain_count(const struct retain *r)
{
	return (unsigned)r->n;
}

uint64_t
retain_bytes(const struct retain *r)
{
	return r->bytes;
}

uint64_t
retain_max(const struct retain *r)
{
	return r->max;
}
