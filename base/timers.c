#include <stddef.h>

#include "base/timers.h"

/* Make the one that is due later the first child of the other. */
static struct timer *
merge_heaps(struct timer *a, struct timer *b)
{
	struct timer *later;

	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	later = a->due_ms <= b->due_ms ? b : a;
	if (later == a)
		a = b;
	later->prev = a;
	later->next = a->child;
	if (later->next != NULL)
		later->next->prev = later;
	a->child = later;
	return a;
}

static struct timer *
take_first(struct timer **list)
{
	struct timer *t = *list;

	if (t == NULL)
		return NULL;
	*list = t->next;
	t->next = t->prev = NULL;
	return t;
}

/* Make one heap of siblings: in pairs from the left, then from the right. */
static struct timer *
merge_siblings(struct timer *list)
{
	struct timer *pairs = NULL, *heap = NULL, *t;

	while (list != NULL) {
		t = take_first(&list);
		t = merge_heaps(t, take_first(&list));
		t->next = pairs;
		pairs = t;
	}
	while (pairs != NULL)
		heap = merge_heaps(heap, take_first(&pairs));
	return heap;
}

static void
remove_timer(struct timers *ts, struct timer *t)
{
	struct timer *below = merge_siblings(t->child);

	if (t == ts->first)
		ts->first = NULL;
	else if (t->prev->child == t)
		t->prev->child = t->next;
	else
		t->prev->next = t->next;
	if (t->next != NULL)
		t->next->prev = t->prev;
	t->child = t->next = t->prev = NULL;
	t->due_ms = 0;
	ts->first = merge_heaps(ts->first, below);
}

void
timers_set(struct timers *ts, struct timer *t, int64_t due_ms)
{
	if (t->due_ms == due_ms)
		return;
	if (t->due_ms != 0)
		remove_timer(ts, t);
	t->due_ms = due_ms;
	if (due_ms != 0)
		ts->first = merge_heaps(ts->first, t);
}

int64_t
timers_next(const struct timers *ts)
{
	return ts->first == NULL ? 0 : ts->first->due_ms;
}

void *
timers_expired(struct timers *ts, int64_t now_ms)
{
	struct timer *t = ts->first;

	if (t == NULL || t->due_ms > now_ms)
		return NULL;
	remove_timer(ts, t);
	return t->owner;
}

void
timers_sooner(int64_t *next_ms, int64_t due_ms)
{
	if (due_ms != 0 && (*next_ms == 0 || due_ms < *next_ms))
		*next_ms = due_ms;
}
