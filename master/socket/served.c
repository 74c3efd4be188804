#include <stdbool.h>
#include <stdio.h>

#include "master/socket/served.h"

static bool
is_missing(const struct listener *l, int seat, pid_t leader)
{
	return l->served && !l->handed && l->heard[seat] != leader;
}

bool
served_is_heard(const struct listeners *ls, int seat, pid_t leader)
{
	for (int i = 0; i < ls->n; i++)
		if (is_missing(ls->list[i], seat, leader))
			return false;
	return true;
}

int
served_tell_missing(const struct listeners *ls, int seat, pid_t leader,
    char *text, size_t size)
{
	char on[ADDRESS_TEXT_MAX] = "", not[ADDRESS_TEXT_MAX] = "";
	int n = 0;

	for (int i = ls->n - 1; i >= 0; i--) {
		const struct listener *l = ls->list[i];

		if (l->heard[seat] == leader)
			address_format(&l->address, on, sizeof(on));
		if (!is_missing(l, seat, leader))
			continue;
		address_format(&l->address, not, sizeof(not));
		n++;
	}
	if (n > 0 && on[0] != '\0')
		snprintf(text, size, "listens on %s but not on %s", on, not);
	else if (n > 0)
		snprintf(text, size, "does not listen on %s", not);
	return n;
}

/* Count the seats whose workers of a generation asked for the listener. */
static int
count_asked(const struct listeners *ls, const struct listener *l,
    unsigned generation)
{
	int n = 0;

	for (int i = 0; i < ls->nseats; i++)
		n += l->asked[i] == generation;
	return n;
}

static bool
is_listened_on(const struct listeners *ls, const struct listener *l)
{
	for (int i = 0; i < ls->nseats; i++)
		if (l->heard[i] != 0)
			return true;
	return false;
}

/* What all workers of a generation serve, all of them asked for. Fewer asked
 * for what has a worker's id or pid in its name. */
static void
mark_served(struct listeners *ls)
{
	int most = 0;

	for (int i = 0; i < ls->n; i++) {
		int n = count_asked(ls, ls->list[i], ls->complete);

		if (!ls->list[i]->handed && n > most)
			most = n;
	}
	for (int i = 0; i < ls->n; i++)
		ls->list[i]->served = ls->list[i]->handed ||
		    (is_listened_on(ls, ls->list[i]) &&
		    count_asked(ls, ls->list[i], ls->complete) == most);
}

void
served_hear(struct listeners *ls, struct listener *l, int seat, pid_t leader)
{
	l->heard[seat] = leader;
	/* Its first address made the worker ready; here is another. */
	if (l->asked[seat] == ls->complete)
		mark_served(ls);
}

void
served_complete(struct listeners *ls, unsigned generation)
{
	for (int i = ls->n - 1; i >= 0; i--)
		if (!ls->list[i]->handed &&
		    ls->list[i]->generation < generation)
			listeners_remove(ls, i);
	ls->complete = generation;
	mark_served(ls);
}
