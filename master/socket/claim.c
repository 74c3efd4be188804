#include <sys/socket.h>

#include <errno.h>
#include <unistd.h>

#include "master/socket/claim.h"

struct listener *
claim_find_other_family(const struct listeners *ls, const struct address *a)
{
	for (int i = 0; i < ls->n; i++) {
		struct listener *l = ls->list[i];

		if (l->address.type == a->type && !l->address.v6only &&
		    l->address.u.sa.sa_family != a->u.sa.sa_family &&
		    address_port(&l->address) == address_port(a))
			return l;
	}
	return NULL;
}

/* Find the listener of the address; where V6ONLY is a guess, of either. */
static struct listener *
find_listener(const struct listeners *ls, const struct claim *c)
{
	struct address *a = c->address;
	struct listener *l = listeners_find(ls, a);

	if (l != NULL || !c->is_guess || a->u.sa.sa_family != AF_INET6)
		return l;
	a->v6only = true;
	if ((l = listeners_find(ls, a)) == NULL)
		a->v6only = false;
	return l;
}

/*
 * A worker that binds a path has usually removed what was there before. Put
 * the name back, so that one queue is behind it for all.
 */
static int
restore_name(struct listeners *ls, struct listener *l)
{
	if (l->path == NULL || listener_queue(l, 0)->fd == -1 ||
	    unixpath_restore(l->path) == 0)
		return 0;
	if (errno != ENOENT || l->inherited)
		return -1;
	listener_lose(ls, l);
	return 0;
}

/* Open the path here and make way in it; with the asker's rights. */
static struct listener *
bind_cleared(struct listeners *ls, const struct claim *c, int fd)
{
	struct listener *l = NULL;
	struct unixpath up;
	int error;

	if (unixpath_open(&up, address_path(c->address)) == -1)
		return NULL;
	if (unixpath_clear(&up, c->address->type) == 0)
		l = listeners_bind(ls, c->address, &up, c->seat, fd);
	error = errno;
	unixpath_close(&up);
	errno = error;
	return l;
}

/* A bind that makes a file is made with the asker's rights. */
static struct listener *
bind_path(struct listeners *ls, const struct claim *c, int fd)
{
	struct identity was;
	struct listener *l;
	int error;

	if (c->who == NULL) {
		errno = EACCES;
		return NULL;
	}
	identity_take(c->who, &was);
	l = c->path == NULL ? bind_cleared(ls, c, fd) :
	    listeners_bind(ls, c->address, c->path, c->seat, fd);
	error = errno;
	identity_back(&was);
	errno = error;
	return l;
}

/* Bind the asker's own socket, or else one of ours. */
static struct listener *
bind_socket(struct listeners *ls, struct claim *c)
{
	const struct address *a = c->address;
	struct listener *l;
	int fd = c->fd, error;

	if (fd == -1)
		fd = socket(a->u.sa.sa_family, a->type | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return NULL;
	l = address_path(a) != NULL ? bind_path(ls, c, fd) :
	    listeners_bind(ls, a, NULL, c->seat, fd);
	if (l != NULL) {
		c->fd = -1;
		c->made = true;
	} else if (c->fd == -1) {
		error = errno;
		close(fd);
		errno = error;
	}
	return l;
}

struct listener *
claim_socket(struct listeners *ls, struct claim *c)
{
	struct address *a = c->address;
	struct listener *l = find_listener(ls, c);

	c->made = false;
	if (!c->may_bind && (l == NULL || !l->handed)) {
		errno = EACCES;
		return NULL;
	}
	if (l != NULL && restore_name(ls, l) == -1)
		return NULL;
	if (l != NULL && listener_queue(l, c->seat)->fd != -1)
		return l;
	l = bind_socket(ls, c);
	/* IPv4 has the port already, so the asker must have set V6ONLY. */
	if (l == NULL && errno == EADDRINUSE && c->is_guess &&
	    a->u.sa.sa_family == AF_INET6 && !a->v6only &&
	    claim_find_other_family(ls, a) != NULL) {
		a->v6only = true;
		l = bind_socket(ls, c);
	}
	return l;
}
