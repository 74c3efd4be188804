#include <sys/socket.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/socket/handed.h"

/* Make the seat's queue of a listener that -l gave, and listen. */
static int
make_queue(struct listeners *ls, struct listener *l, int seat)
{
	int fd, error;

	fd = socket(l->address.u.sa.sa_family,
	    l->address.type | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (listener_bind(ls, l, seat, fd) == -1) {
		error = errno;
		close(fd);
		errno = error;
		return -1;
	}
	if (!l->group.is_stream)
		return 0;
	return listener_listen(ls, l, seat, GROUP_BACKLOG_MIN);
}

/* Make the queues from a seat on of a listener that -l gave. */
static int
make_queues(struct listeners *ls, struct listener *l, int from)
{
	for (int i = from; i < l->group.nqueues; i++)
		if (make_queue(ls, l, i) == -1)
			return -1;
	return 0;
}

static struct listener *
open_listener(struct listeners *ls, const struct address *a,
    struct unixpath *up)
{
	struct listener *l;
	int error;

	if (listeners_find(ls, a) != NULL) {
		errno = EEXIST;
		return NULL;
	}
	while (up != NULL && unixpath_clear(up, a->type) == -1)
		if (!listeners_may_retry(ls))
			return NULL;
	if ((l = listeners_add(ls, a, up, false)) == NULL)
		return NULL;
	l->handed = true;
	if (make_queues(ls, l, 0) == -1) {
		error = errno;
		listeners_remove(ls, ls->n - 1);
		errno = error;
		return NULL;
	}
	return l;
}

/* Note in the address which directory its path is in. */
static int
open_path(struct unixpath *up, struct address *a)
{
	if (unixpath_open(up, address_path(a)) == -1)
		return -1;
	a->dir_dev = up->dir_dev;
	a->dir_ino = up->dir_ino;
	return 0;
}

struct listener *
handed_open(struct listeners *ls, const struct address *a)
{
	struct address known = *a;
	struct unixpath up;
	struct listener *l;
	int error;

	if (address_path(a) == NULL)
		return open_listener(ls, a, NULL);
	if (open_path(&up, &known) == -1)
		return NULL;
	l = open_listener(ls, &known, &up);
	error = errno;
	unixpath_close(&up);
	errno = error;
	return l;
}

/* Add one that came from a service manager, complete but for its queue. */
static struct listener *
add_inherited(struct listeners *ls, const struct address *a, const char *name)
{
	struct address known = *a;
	struct unixpath up;
	struct listener *l;
	int error;

	/* A path that can't be seen from here is none to put back. */
	unixpath_init(&up);
	if (address_path(a) != NULL)
		(void)open_path(&up, &known);
	if (listeners_find(ls, &known) != NULL) {
		unixpath_close(&up);
		errno = EEXIST;
		return NULL;
	}
	if (up.dir_fd != -1 && unixpath_lend(&up) == -1)
		unixpath_close(&up);
	l = listeners_add(ls, &known, up.dir_fd == -1 ? NULL : &up, true);
	error = errno;
	unixpath_remove(&up);
	if (l != NULL && (l->name = strdup(name)) == NULL) {
		error = errno;
		listeners_remove(ls, ls->n - 1);
		l = NULL;
	}
	errno = error;
	return l;
}

struct listener *
handed_inherit(struct listeners *ls, const struct address *a, int fd,
    const char *name)
{
	struct listener *l;
	int error;

	if (fcntl(fd, F_SETFD, FD_CLOEXEC) == -1 ||
	    (a->type == SOCK_STREAM && listen(fd, SOMAXCONN) == -1) ||
	    (l = add_inherited(ls, a, name)) == NULL)
		return NULL;
	if (listener_put(ls, l, fd) == -1) {
		error = errno;
		listeners_remove(ls, ls->n - 1);
		errno = error;
		return NULL;
	}
	return l;
}

static int
grow_steered(struct listeners *ls, int nseats)
{
	bool *steered = realloc(ls->steered, (size_t)nseats);

	if (steered == NULL)
		return -1;
	for (int i = ls->nseats; i < nseats; i++)
		steered[i] = false;
	ls->steered = steered;
	return 0;
}

static int
grow_listener(struct listeners *ls, struct listener *l, int nseats)
{
	int had = l->group.nqueues;

	if (listener_grow(ls, l, nseats) == -1)
		return -1;
	return l->handed ? make_queues(ls, l, had) : 0;
}

int
handed_grow(struct listeners *ls, int nseats)
{
	int i, error;

	if (nseats <= ls->nseats)
		return 0;
	if (grow_steered(ls, nseats) == -1)
		return -1;
	for (i = 0; i < ls->n; i++)
		if (grow_listener(ls, ls->list[i], nseats) == -1)
			break;
	if (i == ls->n) {
		ls->nseats = nseats;
		return 0;
	}
	error = errno;
	for (; i >= 0; i--)
		listener_shrink(ls, ls->list[i], ls->nseats);
	errno = error;
	return -1;
}
