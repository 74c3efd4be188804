/* Deadlines: the nearest first, whatever is set, changed and stopped. */

#include <stdlib.h>
#include <string.h>

#include "base/timers.h"
#include "test/tap.h"

enum { TIMERS = 200, STEPS = 20000 };

/* The earliest that is set, found the slow way. */
static int64_t
find_nearest(const struct timer *t)
{
	int64_t nearest = 0;
	int i;

	for (i = 0; i < TIMERS; i++) {
		if (t[i].due_ms != 0 &&
		    (nearest == 0 || t[i].due_ms < nearest))
			nearest = t[i].due_ms;
	}
	return nearest;
}

static void
test_random(unsigned seed)
{
	struct timers ts = { NULL };
	struct timer t[TIMERS];
	int i, step, wrong = 0, expired = 0;
	int64_t now = 1, nearest;
	struct timer *owner;

	memset(t, 0, sizeof(t));
	for (i = 0; i < TIMERS; i++)
		t[i].owner = &t[i];
	srand(seed);
	for (step = 0; step < STEPS; step++) {
		i = rand() % TIMERS;
		timers_set(&ts, &t[i], rand() % 4 == 0 ? 0 :
		    now + rand() % 1000);
		wrong += timers_next(&ts) != find_nearest(t);
		if (rand() % 10 != 0)
			continue;
		now += rand() % 50;
		nearest = find_nearest(t);
		while ((owner = timers_expired(&ts, now)) != NULL) {
			wrong += nearest == 0 || nearest > now ||
			    owner->due_ms != 0;
			nearest = find_nearest(t);
			expired++;
		}
		wrong += nearest != 0 && nearest <= now;
	}
	ok(wrong == 0, "a random schedule always gives the nearest");
	ok(expired > 1000, "in which many have expired");
	for (i = 0; i < TIMERS; i++)
		timers_set(&ts, &t[i], 0);
	ok(timers_next(&ts) == 0 && timers_expired(&ts, INT64_MAX) == NULL,
	    "none is left when all are stopped");
}

int
main(void)
{
	int64_t next;
	struct timers ts = { NULL };
	struct timer a = { .owner = &a }, b = { .owner = &b };

	ok(timers_next(&ts) == 0, "none is due at the beginning");
	ok(timers_expired(&ts, 100) == NULL, "and none expires");
	timers_set(&ts, &a, 0);
	ok(timers_next(&ts) == 0, "one that isn't set can be stopped");
	timers_set(&ts, &a, 50);
	timers_set(&ts, &b, 40);
	ok(timers_next(&ts) == 40, "the nearest counts");
	ok(timers_expired(&ts, 39) == NULL, "not before its time");
	ok(timers_expired(&ts, 40) == &b, "at its time");
	ok(b.due_ms == 0 && timers_next(&ts) == 50, "once");
	timers_set(&ts, &a, 60);
	ok(timers_expired(&ts, 55) == NULL, "one that is put off waits");
	timers_set(&ts, &a, 10);
	ok(timers_expired(&ts, 10) == &a, "one can be made due earlier");
	next = 0;
	timers_sooner(&next, 0);
	ok(next == 0, "of none and none there is none");
	timers_sooner(&next, 70);
	timers_sooner(&next, 90);
	timers_sooner(&next, 0);
	ok(next == 70, "of several the earliest counts, and none does not");
	test_random(1);
	test_random(2);
	return done();
}
