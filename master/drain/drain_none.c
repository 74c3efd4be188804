#include <stdlib.h>

#include "master/drain/drain.h"

enum { LOOK_MS = 5 };

struct drain {
	int	 seat;
	bool	 leaves_queue;
	int64_t	 next_ms;
	struct drain_counts counts;
};

struct drain *
drain_begin(const struct process *p, struct family *family,
    const struct listeners *ls, int seat, struct handshakes *handshakes,
    const struct drain_rules *rules, int64_t now_ms)
{
	struct drain *d;

	(void)p;
	(void)family;
	(void)ls;
	(void)handshakes;
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->seat = seat;
	d->leaves_queue = rules->leaves_queue;
	d->next_ms = now_ms + LOOK_MS;
	return d;
}

bool
drain_look(struct drain *d, const struct listeners *ls, int64_t now_ms)
{
	d->next_ms = now_ms + LOOK_MS;
	d->counts.queued = d->leaves_queue ? 0 : listeners_depth(ls, d->seat);
	return d->counts.queued == 0;
}

int64_t
drain_next(const struct drain *d)
{
	return d->next_ms;
}

struct drain_counts
drain_counts(const struct drain *d)
{
	return d->counts;
}

bool
drain_only_new(const struct drain *d)
{
	return d->counts.queued == 0;
}

void
drain_again(struct drain *d)
{
	(void)d;
}

void
drain_last(struct drain *d)
{
	(void)d;
}

bool
drain_stopping(struct drain *d, int64_t now_ms)
{
	(void)d;
	(void)now_ms;
	return false;
}

bool
drain_reply(struct drain *d, uint64_t inode, bool taken, int64_t now_ms)
{
	(void)d;
	(void)inode;
	(void)taken;
	(void)now_ms;
	return false;
}

void
drain_end(struct drain *d, int64_t now_ms)
{
	(void)d;
	(void)now_ms;
}

void
drain_free(struct drain *d)
{
	free(d);
}
