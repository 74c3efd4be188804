#include <errno.h>
#include <string.h>

#include "master/drain/handoff.h"

void
handoff_init(struct handoff *h, const struct launch *launch)
{
	memset(h, 0, sizeof(*h));
	h->launch = launch;
	h->fd = -1;
}

void
handoff_end(struct handoff *h)
{
	(void)h;
}

int
handoff_send(struct handoff *h, int fd, const struct porting_order *order)
{
	(void)h;
	(void)fd;
	(void)order;
	errno = ENOSYS;
	return -1;
}

bool
handoff_hear(struct handoff *h, struct porting_reply *reply)
{
	(void)h;
	(void)reply;
	return false;
}

int64_t
handoff_turn(struct handoff *h, int64_t now_ms)
{
	(void)h;
	(void)now_ms;
	return 0;
}

bool
handoff_is_local(int fd)
{
	(void)fd;
	return false;
}

bool
handoff_may(int fd, bool any)
{
	(void)fd;
	(void)any;
	return false;
}
