#include <sys/socket.h>
#include <sys/stat.h>

#include <netinet/in.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "master/socket/listener.h"
#include "master/socket/steer.h"

static int
set_option(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value));
}

static bool
is_stream(const struct listener *l)
{
	return l->address.type == SOCK_STREAM;
}

/* Tell whether the listener has a queue for each seat. */
static bool
is_group(const struct listeners *ls, const struct listener *l)
{
	return !ls->shared && !l->inherited &&
	    l->address.u.sa.sa_family != AF_UNIX;
}

int
listeners_init(struct listeners *ls, int nseats, bool shared)
{
	memset(ls, 0, sizeof(*ls));
	inodes_init(&ls->inodes);
	ls->nseats = nseats;
	ls->shared = shared || !steer_available();
	ls->steered = calloc((size_t)nseats, sizeof(*ls->steered));
	return ls->steered == NULL ? -1 : 0;
}

static void
free_listener(struct listener *l)
{
	group_free(&l->group);
	if (l->path != NULL)
		unixpath_remove(l->path);
	free(l->path);
	free(l->name);
	free(l->asked);
	free(l->heard);
	free(l);
}

void
listeners_free(struct listeners *ls)
{
	for (int i = 0; i < ls->n; i++)
		free_listener(ls->list[i]);
	free(ls->list);
	free(ls->steered);
	inodes_free(&ls->inodes);
	memset(ls, 0, sizeof(*ls));
}

static int
grow_seats(struct listener *l, int had, int n)
{
	pid_t *heard = realloc(l->heard, (size_t)n * sizeof(*heard));
	unsigned *asked;

	if (heard == NULL)
		return -1;
	l->heard = heard;
	asked = realloc(l->asked, (size_t)n * sizeof(*asked));
	if (asked == NULL)
		return -1;
	l->asked = asked;
	for (int i = had; i < n; i++) {
		heard[i] = 0;
		asked[i] = 0;
	}
	return 0;
}

int
listener_grow(const struct listeners *ls, struct listener *l, int nseats)
{
	if (grow_seats(l, ls->nseats, nseats) == -1)
		return -1;
	return is_group(ls, l) ? group_grow(&l->group, nseats) : 0;
}

void
listener_shrink(struct listeners *ls, struct listener *l, int nseats)
{
	for (int i = nseats; i < l->group.nqueues; i++)
		if (l->group.queue[i].fd != -1)
			inodes_remove(&ls->inodes, l->group.queue[i].inode);
	group_shrink(&l->group, nseats);
}

static struct listener *
make_listener(const struct listeners *ls, const struct address *a,
    bool inherited)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->address = *a;
	l->inherited = l->handed = inherited;
	group_init(&l->group, is_stream(l));
	if (group_grow(&l->group, is_group(ls, l) ? ls->nseats : 1) == -1 ||
	    grow_seats(l, 0, ls->nseats) == -1) {
		free_listener(l);
		return NULL;
	}
	return l;
}

struct listener *
listeners_add(struct listeners *ls, const struct address *a,
    struct unixpath *up, bool inherited)
{
	struct listener **list, *l;

	list = realloc(ls->list, (size_t)(ls->n + 1) * sizeof(*list));
	if (list == NULL)
		return NULL;
	ls->list = list;
	if ((l = make_listener(ls, a, inherited)) == NULL)
		return NULL;
	if (up != NULL) {
		if ((l->path = malloc(sizeof(*l->path))) == NULL) {
			free_listener(l);
			return NULL;
		}
		*l->path = *up;
		unixpath_init(up);
	}
	ls->list[ls->n++] = l;
	return l;
}

void
listeners_remove(struct listeners *ls, int index)
{
	listener_shrink(ls, ls->list[index], 0);
	free_listener(ls->list[index]);
	ls->n--;
	memmove(&ls->list[index], &ls->list[index + 1],
	    (size_t)(ls->n - index) * sizeof(ls->list[0]));
}

struct listener *
listeners_find(const struct listeners *ls, const struct address *a)
{
	for (int i = 0; i < ls->n; i++)
		if (address_equal(&ls->list[i]->address, a))
			return ls->list[i];
	return NULL;
}

bool
listeners_have_port(const struct listeners *ls, unsigned port)
{
	for (int i = 0; port != 0 && i < ls->n; i++)
		if (is_stream(ls->list[i]) &&
		    address_port(&ls->list[i]->address) == port)
			return true;
	return false;
}

bool
listeners_have_datagrams(const struct listeners *ls)
{
	for (int i = 0; i < ls->n; i++)
		if (!is_stream(ls->list[i]))
			return true;
	return false;
}

struct queue *
listeners_by_inode(const struct listeners *ls, uint64_t inode,
    struct listener **lp)
{
	const struct inodes_entry *e = inodes_find(&ls->inodes, inode);

	*lp = e == NULL ? NULL : e->listener;
	return e == NULL ? NULL : &e->listener->group.queue[e->queue];
}

struct listener *
listeners_by_name(const struct listeners *ls, dev_t dir_dev, ino_t dir_ino,
    const char *name)
{
	for (int i = 0; i < ls->n; i++) {
		const struct unixpath *up = ls->list[i]->path;

		if (up != NULL && strcmp(up->name, name) == 0 &&
		    (dir_ino == 0 || (up->dir_dev == dir_dev &&
		    up->dir_ino == dir_ino)))
			return ls->list[i];
	}
	return NULL;
}

bool
listeners_have_path(const struct listeners *ls)
{
	for (int i = 0; i < ls->n; i++)
		if (ls->list[i]->path != NULL)
			return true;
	return false;
}

struct queue *
listener_queue(const struct listener *l, int seat)
{
	return group_queue(&l->group, seat);
}

bool
listeners_may_retry(struct listeners *ls)
{
	const struct timespec pause = { .tv_nsec = 10000000L };

	if (errno != EADDRINUSE || ls->retries == 0)
		return false;
	ls->retries--;
	nanosleep(&pause, NULL);
	return true;
}

static int
bind_unix(struct listeners *ls, struct listener *l, int fd)
{
	const struct address *a = &l->address;

	if (l->path != NULL)
		return unixpath_bind(l->path, fd, a->u.un.sun_path);
	while (bind(fd, &a->u.sa, a->len) == -1)
		if (!listeners_may_retry(ls))
			return -1;
	return 0;
}

/*
 * The kernel checks a bind against the SO_REUSEPORT that other sockets have at
 * that moment. So the first of a group binds without it, which makes a
 * stranger's socket a conflict, and lets others of the group in afterwards.
 */
static int
bind_socket(struct listeners *ls, struct listener *l, int fd)
{
	const struct address *a = &l->address;
	bool first = l->group.nopen == 0;

	if (a->u.sa.sa_family == AF_UNIX)
		return bind_unix(ls, l, fd);
	/* The sockets of a group have the same V6ONLY and owner. */
	if (a->u.sa.sa_family == AF_INET6 &&
	    set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, a->v6only) == -1)
		return -1;
	if (fchown(fd, geteuid(), (gid_t)-1) == -1 && errno != EPERM)
		return -1;
	if (is_stream(l) &&
	    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1) == -1)
		return -1;
	if (set_option(fd, SOL_SOCKET, SO_REUSEPORT, !first) == -1 && !first)
		return -1;
	while (bind(fd, &a->u.sa, a->len) == -1)
		if (!listeners_may_retry(ls))
			return -1;
	if (first && is_group(ls, l))
		return set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	return 0;
}

static int
note_inode(struct listeners *ls, struct listener *l, int seat, ino_t inode)
{
	const struct queue *q = listener_queue(l, seat);

	return inodes_put(&ls->inodes, inode, l, (int)(q - l->group.queue));
}

static void
close_queue(struct listeners *ls, struct listener *l, struct queue *q)
{
	if (q->fd == -1)
		return;
	inodes_remove(&ls->inodes, q->inode);
	group_close(&l->group, q);
}

int
listener_bind(struct listeners *ls, struct listener *l, int seat, int fd)
{
	struct queue *q = listener_queue(l, seat);
	struct stat st;
	int error;

	if (q->fd != -1) {
		errno = EEXIST;
		return -1;
	}
	if (fstat(fd, &st) == -1 || note_inode(ls, l, seat, st.st_ino) == -1)
		return -1;
	if (bind_socket(ls, l, fd) == -1) {
		error = errno;
		inodes_remove(&ls->inodes, st.st_ino);
		errno = error;
		return -1;
	}
	group_open(&l->group, seat, fd, st.st_ino);
	if (!is_stream(l)) {
		group_join(&l->group, q);
		/* If that fails, the kernel chooses: worth no error. */
		(void)group_steer(&l->group, ls->steered);
	}
	return 0;
}

int
listener_put(struct listeners *ls, struct listener *l, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1 || note_inode(ls, l, 0, st.st_ino) == -1)
		return -1;
	group_open(&l->group, 0, fd, st.st_ino);
	group_join(&l->group, listener_queue(l, 0));
	return 0;
}

struct listener *
listeners_bind(struct listeners *ls, const struct address *a,
    struct unixpath *up, int seat, int fd)
{
	struct listener *l;
	int n = ls->n, error;

	if ((l = listeners_find(ls, a)) == NULL &&
	    (l = listeners_add(ls, a, up, false)) == NULL)
		return NULL;
	if (listener_bind(ls, l, seat, fd) == -1) {
		error = errno;
		if (ls->n > n)
			listeners_remove(ls, n);
		errno = error;
		return NULL;
	}
	return l;
}

void
listener_lose(struct listeners *ls, struct listener *l)
{
	close_queue(ls, l, listener_queue(l, 0));
}

bool
listener_is_common(const struct listener *l)
{
	return l->handed || l->served || l->nasked > 1;
}

void
listener_ask(struct listener *l, int seat, unsigned generation)
{
	if (l->generation < generation)
		l->generation = generation;
	l->nasked += (generation != 0) - (l->asked[seat] != 0);
	l->asked[seat] = generation;
	listener_queue(l, seat)->seat = seat;
}

/* A name that belonged to one worker alone stays removed. */
static void
mend_name(struct listener *l)
{
	if (l->path != NULL && listener_is_common(l))
		unixpath_restore(l->path);
}

int
listeners_mend(struct listeners *ls, int seat)
{
	int error = 0;

	for (int i = 0; i < ls->n; i++) {
		if (group_mend(&ls->list[i]->group, seat, ls->steered) == -1)
			error = errno;
		mend_name(ls->list[i]);
	}
	errno = error;
	return error == 0 ? 0 : -1;
}

int
listener_listen(struct listeners *ls, struct listener *l, int seat,
    int backlog)
{
	return group_listen(&l->group, seat, backlog, ls->steered);
}

int
listeners_steer(struct listeners *ls, const bool *ready)
{
	size_t size = (size_t)ls->nseats * sizeof(*ready);
	int error = 0;

	if (ls->shut ||
	    (!ls->failed && memcmp(ls->steered, ready, size) == 0))
		return 0;
	memcpy(ls->steered, ready, size);
	for (int i = 0; i < ls->n; i++)
		if (group_steer(&ls->list[i]->group, ls->steered) == -1)
			error = errno;
	ls->failed = error != 0;
	errno = error;
	return error == 0 ? 0 : -1;
}

unsigned
listeners_shared_depth(const struct listeners *ls)
{
	unsigned depth = 0;

	for (int i = 0; i < ls->n; i++)
		if (!is_group(ls, ls->list[i]))
			depth += queue_depth(listener_queue(ls->list[i], 0));
	return depth;
}

unsigned
listeners_depth(const struct listeners *ls, int seat)
{
	unsigned depth = 0;

	for (int i = 0; i < ls->n; i++)
		if (is_group(ls, ls->list[i]))
			depth += queue_depth(listener_queue(ls->list[i],
			    seat));
	return depth;
}

static bool
is_connected(int fd)
{
	struct sockaddr_storage peer;
	socklen_t len = sizeof(peer);

	return getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
}

static void
release_queue(struct listeners *ls, struct listener *l, int seat, bool gone)
{
	struct queue *q = listener_queue(l, seat);

	if (q->fd != -1 && q->place == -1 && q->seat == seat &&
	    (gone || is_connected(q->fd)))
		close_queue(ls, l, q);
}

void
listeners_release(struct listeners *ls, int seat, bool gone)
{
	for (int i = ls->n - 1; i >= 0; i--) {
		struct listener *l = ls->list[i];

		if (l->handed || !is_stream(l))
			continue;
		release_queue(ls, l, seat, gone);
		if (l->group.nopen == 0)
			listeners_remove(ls, i);
	}
}
