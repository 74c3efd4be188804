#include <sys/socket.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "master/socket/claim.h"
#include "master/trap/bind.h"

/* What a server sets before bind, carried over to the socket it gets. */
static const struct {
	int	 level;
	int	 name;
	int	 divisor;		/* the kernel doubles what is set */
} carried[] = {
	{ SOL_SOCKET,	SO_KEEPALIVE,		1 },
	{ SOL_SOCKET,	SO_RCVBUF,		2 },
	{ SOL_SOCKET,	SO_SNDBUF,		2 },
	{ IPPROTO_TCP,	TCP_NODELAY,		1 },
	{ IPPROTO_TCP,	TCP_DEFER_ACCEPT,	1 },
	{ IPPROTO_TCP,	TCP_FASTOPEN,		1 },
};

static void
carry_options(int from, int to)
{
	for (size_t i = 0; i < sizeof(carried) / sizeof(carried[0]); i++) {
		int level = carried[i].level, name = carried[i].name;
		int value = caller_option(from, level, name);

		if (value == -1 || value == caller_option(to, level, name))
			continue;
		value /= carried[i].divisor;
		setsockopt(to, level, name, &value, sizeof(value));
	}
}

/* Event loops of other workers accept from the same socket: they would block
 * in accept(2) if it were made to. */
static bool
is_shared(const struct listener *l, int seat)
{
	return l->group.nqueues == 1 &&
	    l->nasked > (l->asked[seat] != 0 ? 1 : 0);
}

/* O_NONBLOCK belongs to what the worker and we then share. */
static int
carry_state(const struct caller *c, struct listener *l, int seat,
    struct verdict *v)
{
	int flags = fcntl(v->fd, F_GETFL);
	bool clears = (flags & O_NONBLOCK) != 0 && (c->flags & O_NONBLOCK) == 0;

	if (c->dup != -1)
		carry_options(c->dup, v->fd);
	if (flags == -1)
		return -1;
	if (!clears || !is_shared(l, seat))
		return fcntl(v->fd, F_SETFL, (flags & ~O_NONBLOCK) |
		    (c->flags & O_NONBLOCK));
	if (!l->told_nonblock && l->address.type == SOCK_STREAM)
		snprintf(v->hint, sizeof(v->hint), "workers that share the "
		    "socket have made it non-blocking, so it stays so");
	l->told_nonblock = true;
	return 0;
}

static void
refuse_claim(const struct listeners *ls, const struct caller *c, int error,
    struct verdict *v)
{
	const struct listener *l = claim_find_other_family(ls, &c->address);
	char ours[ADDRESS_TEXT_MAX], asked[ADDRESS_TEXT_MAX];

	v->kind = VERDICT_ERRNO;
	v->error = error;
	if (error == EACCES && !c->may_bind) {
		snprintf(v->hint, sizeof(v->hint),
		    ": a privileged port; give it to crr with -l");
	} else if (error == EADDRINUSE && l != NULL && l->handed) {
		address_format(&l->address, ours, sizeof(ours));
		address_format(&c->address, asked, sizeof(asked));
		snprintf(v->hint, sizeof(v->hint), " by -l %s: say -l %s",
		    ours, asked);
	}
}

/* Tell whether the next worker to remove the name would not find it back. */
static bool
is_alone(const struct listener *l)
{
	return l->path != NULL && !l->path->lent && l->path->spare[0] == '\0';
}

static void
share_address(struct listeners *ls, struct caller *c, int seat,
    struct verdict *v)
{
	struct claim claim = {
		.address = &c->address,
		.path = &c->path,
		.who = &c->who,
		.seat = seat,
		.fd = c->needs_ours ? -1 : c->dup,
		.may_bind = c->may_bind,
		.is_guess = c->dup == -1,
	};
	struct listener *l = claim_socket(ls, &claim);

	if (l == NULL) {
		refuse_claim(ls, c, errno, v);
		return;
	}
	v->listener = l;
	v->fd = listener_queue(l, seat)->fd;
	v->kind = v->fd == c->dup ? VERDICT_DONE : VERDICT_PUT;
	if (v->kind == VERDICT_DONE) {
		c->dup = -1;
	} else if (carry_state(c, l, seat, v) == -1) {
		v->kind = VERDICT_ERRNO;
		v->error = errno;
		return;
	}
	/* A bind of datagrams is told as the worker's being ready instead. */
	if (claim.made && l->address.type == SOCK_STREAM && is_alone(l))
		snprintf(v->hint, sizeof(v->hint), "no second link can be made "
		    "beside it; not shared if workers remove it before they "
		    "bind");
}

/* A call restarted after a signal, or after we have put a socket there. */
static void
bind_again(struct caller *c, struct listener *l, struct verdict *v)
{
	c->address.type = l->address.type;
	c->address.v6only = l->address.v6only;
	if (!address_equal(&c->address, &l->address))
		return;
	v->kind = VERDICT_DONE;
	v->listener = l;
}

void
bind_decide(struct listeners *ls, struct caller *c, int seat,
    struct verdict *v)
{
	struct listener *l;

	memset(v, 0, sizeof(*v));
	v->kind = VERDICT_PASS;
	if (listeners_by_inode(ls, c->inode, &l) != NULL)
		bind_again(c, l, v);
	else if (c->is_shareable)
		share_address(ls, c, seat, v);
}
