#include <sys/socket.h>

#include <netinet/in.h>
#include <stddef.h>
#include <unistd.h>

#include "master/socket/door.h"
#include "master/socket/steer.h"

static bool
is_tcp(const struct listener *l)
{
	return l->address.type == SOCK_STREAM &&
	    address_path(&l->address) == NULL &&
	    l->address.u.sa.sa_family != AF_UNIX;
}

static int
first_fd(const struct queue_group *g)
{
	return g->queue[g->at[0]].fd;
}

bool
door_refuse(struct listeners *ls)
{
	const struct queue_group *g;
	int i;

	for (i = 0; i < ls->n; i++) {
		g = &ls->list[i]->group;
		if (is_tcp(ls->list[i]) && g->nplaces > 0 &&
		    steer_refuse(first_fd(g)) == -1)
			return false;
	}
	ls->shut = true;
	return true;
}

static int
drop_all(const struct queue_group *g)
{
	int n;

	for (n = 0; n < g->nplaces; n++) {
		if (steer_drop(g->queue[g->at[n]].fd) == -1)
			return -1;
	}
	return 0;
}

/* A socket with the address of another, of which it is to share the group. */
static int
open_twin(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss), size = sizeof(int);
	int twin, one = 1, only = 0;

	if (getsockname(fd, (struct sockaddr *)&ss, &len) == -1)
		return -1;
	twin = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (twin == -1)
		return -1;
	if (ss.ss_family == AF_INET6 && getsockopt(fd, IPPROTO_IPV6,
	    IPV6_V6ONLY, &only, &size) == 0)
		setsockopt(twin, IPPROTO_IPV6, IPV6_V6ONLY, &only, size);
	setsockopt(twin, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(twin, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (bind(twin, (struct sockaddr *)&ss, len) == -1 ||
	    listen(twin, 0) == -1) {
		close(twin);
		return -1;
	}
	return twin;
}

/* Nobody accepts from it, and its queue is full with one. It stays open to the
 * master's end. */
static void
lead_astray(const struct queue_group *g)
{
	int fd = open_twin(first_fd(g));

	if (fd != -1 && steer_attach(fd, &g->nplaces, 1) == -1)
		close(fd);
}

void
door_shut(struct listeners *ls)
{
	const struct queue_group *g;
	int i;

	ls->shut = true;
	for (i = 0; i < ls->n; i++) {
		g = &ls->list[i]->group;
		if (is_tcp(ls->list[i]) && g->nplaces > 0 &&
		    drop_all(g) == -1 && g->nqueues > 1)
			lead_astray(g);
	}
}
