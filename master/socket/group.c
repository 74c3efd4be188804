#include <sys/socket.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/poller.h"
#include "master/socket/group.h"
#include "master/socket/steer.h"

void
group_init(struct queue_group *g, bool is_stream)
{
	*g = (struct queue_group){ .is_stream = is_stream };
}

void
group_free(struct queue_group *g)
{
	group_shrink(g, 0);
	free(g->queue);
	free(g->at);
	poller_free(g->downs);
}

int
group_grow(struct queue_group *g, int n)
{
	struct queue *queue;
	int *at;

	queue = realloc(g->queue, (size_t)n * sizeof(*queue));
	if (queue == NULL)
		return -1;
	g->queue = queue;
	at = realloc(g->at, (size_t)n * sizeof(*at));
	if (at == NULL)
		return -1;
	g->at = at;
	for (int i = g->nqueues; i < n; i++)
		queue[i] = (struct queue){ .fd = -1, .place = -1 };
	g->nqueues = n;
	return 0;
}

struct queue *
group_queue(const struct queue_group *g, int seat)
{
	return &g->queue[seat < g->nqueues ? seat : 0];
}

/* A socket that listens never has room to write to; one that was shut down
 * has. */
static void
watch_queue(struct queue_group *g, const struct queue *q)
{
	if (g->downs == NULL)
		g->downs = poller_new();
	if (g->downs == NULL || poller_watch(g->downs, q->fd, POLLOUT,
	    (unsigned)(q - g->queue), g->downs) == -1)
		g->unwatched = true;
}

void
group_join(struct queue_group *g, struct queue *q)
{
	q->place = g->nplaces++;
	g->at[q->place] = (int)(q - g->queue);
	if (g->is_stream)
		watch_queue(g, q);
}

/* The kernel fills the place of a socket that leaves with the last. */
static void
leave_places(struct queue_group *g, struct queue *q)
{
	int last = g->at[--g->nplaces];

	if (g->downs != NULL)
		poller_forget(g->downs, q->fd, g->downs);
	g->at[q->place] = last;
	g->queue[last].place = q->place;
	q->place = -1;
}

void
group_close(struct queue_group *g, struct queue *q)
{
	if (q->fd == -1)
		return;
	if (q->place != -1)
		leave_places(g, q);
	close(q->fd);
	q->fd = -1;
	q->inode = 0;
	g->nopen--;
}

/* From the end: a queue in the last place leaves all others in theirs. */
void
group_shrink(struct queue_group *g, int n)
{
	while (g->nqueues > n) {
		group_close(g, &g->queue[g->nqueues - 1]);
		g->nqueues--;
	}
}

void
group_open(struct queue_group *g, int seat, int fd, uint64_t inode)
{
	struct queue *q = group_queue(g, seat);

	q->fd = fd;
	q->seat = seat;
	q->inode = inode;
	g->nopen++;
}

/*
 * The program is attached through a socket that listens: one that does not
 * would be given a group of its own, and could not join the others any more.
 */
static int
steer_places(const struct queue_group *g, const bool *steered)
{
	int *place, n = 0, error;

	if (g->nplaces < 2)
		return 0;
	if ((place = calloc((size_t)g->nplaces, sizeof(*place))) == NULL)
		return -1;
	for (int i = 0; i < g->nplaces; i++)
		if (steered[g->at[i]])
			place[n++] = i;
	error = n == 0 ? 0 : steer_attach(g->queue[g->at[0]].fd, place, n);
	free(place);
	return error;
}

/*
 * The second socket of a group would get connections by the kernel's own choice
 * as soon as it joins. So a program that chooses the first is attached before.
 */
static int
hold_first(const struct queue_group *g)
{
	static const int first = 0;

	if (g->nplaces != 1 || g->nqueues < 2)
		return 0;
	return steer_attach(g->queue[g->at[0]].fd, &first, 1);
}

static bool
is_listening(const struct queue *q)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(q->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
	    &len) == -1 || listening;
}

/* A queue that was shut down has lost its place. */
static bool
note_shut_down(struct queue_group *g, struct queue *q)
{
	if (q->place == -1 || is_listening(q))
		return false;
	leave_places(g, q);
	q->is_down = true;
	return true;
}

/*
 * Count the queues that were shut down since the last look. The kernel tells of
 * them in the order in which they were. Where it can't, they are assumed to
 * have left in the order of their seats.
 */
static int
find_shut_down(struct queue_group *g)
{
	const struct poller_event *ev;
	int n = 0, before;
	size_t i;

	for (before = -1; !g->unwatched && n > before;) {
		before = n;
		if (poller_wait(g->downs, 0) == -1)
			g->unwatched = true;
		i = 0;
		while ((ev = poller_next(g->downs, &i)) != NULL)
			n += note_shut_down(g, &g->queue[ev->kind]);
	}
	for (int k = 0; g->unwatched && k < g->nqueues; k++)
		n += note_shut_down(g, &g->queue[k]);
	return n;
}

/* Make queues listen again that were shut down. Returns 1 if there were any,
 * 0, or -1 and errno. */
static int
mend_places(struct queue_group *g)
{
	int error = 0;

	if (!g->is_stream || g->nplaces == 0 || find_shut_down(g) == 0)
		return 0;
	for (int i = 0; i < g->nqueues; i++) {
		if (!g->queue[i].is_down)
			continue;
		g->queue[i].is_down = false;
		if (listen(g->queue[i].fd, GROUP_BACKLOG_MIN) == -1)
			error = errno;
		else
			group_join(g, &g->queue[i]);
	}
	errno = error;
	return error == 0 ? 1 : -1;
}

int
group_steer(struct queue_group *g, const bool *steered)
{
	return mend_places(g) == -1 ? -1 : steer_places(g, steered);
}

int
group_mend(struct queue_group *g, int seat, const bool *steered)
{
	const struct queue *q = group_queue(g, seat);

	if (!g->is_stream || q->place == -1 || is_listening(q))
		return 0;
	return group_steer(g, steered);
}

int
group_listen(struct queue_group *g, int seat, int backlog, const bool *steered)
{
	struct queue *q = group_queue(g, seat);

	if (backlog < GROUP_BACKLOG_MIN)
		backlog = GROUP_BACKLOG_MIN;
	if (q->place != -1 && is_listening(q))
		return listen(q->fd, backlog);
	if (mend_places(g) == 1 && q->place != -1)
		return steer_places(g, steered);
	if (hold_first(g) == -1 || listen(q->fd, backlog) == -1)
		return -1;
	group_join(g, q);
	return steer_places(g, steered);
}

unsigned
queue_depth(const struct queue *q)
{
	return q->fd == -1 || q->place == -1 ? 0 : steer_depth(q->fd);
}
