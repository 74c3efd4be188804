#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/version.h"
#include "master/drain/drain.h"
#include "master/status.h"

enum {
	MASTER_FIXED = 32,		/* bytes before STATUS_MASTER's texts */
	TEXT_LEN_MAX = 65535,
};

static enum crr_state
find_state(const struct master *m)
{
	if (m->orders.stop.asked)
		return CRR_STATE_STOPPING;
	if (m->reload.active)
		return CRR_STATE_RELOADING;
	return m->life.settled ? CRR_STATE_SERVING : CRR_STATE_STARTING;
}

static unsigned char *
put_text(unsigned char *p, const char *text, size_t len)
{
	if (len > TEXT_LEN_MAX)
		len = TEXT_LEN_MAX;
	crr_put16(p, (uint16_t)len);
	memcpy(p + 2, text, len);
	return p + 2 + len;
}

/* The arguments, a NUL between two. */
static size_t
join_command(char *const *command, char *buf, size_t size)
{
	size_t len, used;

	used = 0;
	for (; *command != NULL; command++) {
		len = strlen(*command) + 1;
		if (len > size - used)
			break;
		memcpy(buf + used, *command, len);
		used += len;
	}
	return used == 0 ? 0 : used - 1;
}

static void
send_master(const struct master *m, struct conn *c, uint32_t id,
    int64_t now_ms)
{
	unsigned char buf[MASTER_FIXED + 4 * 2 + 64 + 3 * PATH_MAX + 2 + 8192];
	char command[8192] = "";
	unsigned char *p;

	crr_put32(buf, (uint32_t)getpid());
	crr_put32(buf + 4, find_state(m));
	crr_put32(buf + 8, (uint32_t)m->pool.wanted);
	crr_put32(buf + 12, m->pool.rules.generation);
	crr_put32(buf + 16, m->reload.completed);
	crr_put32(buf + 20, m->reload.failed);
	crr_put64(buf + 24, (uint64_t)(now_ms - m->life.started_ms));
	p = put_text(buf + MASTER_FIXED, CRR_RELEASE, strlen(CRR_RELEASE));
	p = put_text(p, m->plan.name, strlen(m->plan.name));
	p = put_text(p, m->plan.launch.socket, strlen(m->plan.launch.socket));
	p = put_text(p, m->plan.launch.directory,
	    strlen(m->plan.launch.directory));
	p = put_text(p, command, join_command(m->plan.launch.command, command,
	    sizeof(command)));
	conn_send(c, CRR_STATUS_MASTER, id, buf, (size_t)(p - buf));
}

static enum crr_listener
find_type(const struct address *a)
{
	if (a->u.sa.sa_family == AF_UNIX)
		return a->type == SOCK_STREAM ? CRR_LISTENER_UNIX :
		    CRR_LISTENER_UNIXGRAM;
	return a->type == SOCK_STREAM ? CRR_LISTENER_TCP :
	    CRR_LISTENER_UDP;
}

static void
send_queue(const struct master *m, struct conn *c, uint32_t id, int index,
    int seat)
{
	const struct listener *l = m->listeners.list[index];
	unsigned char buf[16];

	crr_put32(buf, (uint32_t)index);
	crr_put32(buf + 4, (uint32_t)seat);
	crr_put32(buf + 8, queue_depth(&l->group.queue[seat]));
	crr_put32(buf + 12, l->group.nqueues == 1 ||
	    m->listeners.steered[seat]);
	conn_send(c, CRR_STATUS_QUEUE, id, buf, sizeof(buf));
}

static void
send_listener(const struct master *m, struct conn *c, uint32_t id, int index)
{
	const struct listener *l = m->listeners.list[index];
	unsigned char buf[16 + ADDRESS_TEXT_MAX];
	char text[ADDRESS_TEXT_MAX];
	int i, n;

	n = 0;
	for (i = 0; i < l->group.nqueues; i++)
		n += l->group.queue[i].fd != -1;
	address_format(&l->address, text, sizeof(text));
	crr_put32(buf, (uint32_t)index);
	crr_put32(buf + 4, find_type(&l->address));
	crr_put32(buf + 8, l->handed);
	crr_put32(buf + 12, (uint32_t)n);
	memcpy(buf + 16, text, strlen(text));
	conn_send(c, CRR_STATUS_LISTENER, id, buf, 16 + strlen(text));
	for (i = 0; i < l->group.nqueues; i++) {
		if (l->group.queue[i].fd != -1)
			send_queue(m, c, id, index, i);
	}
}

static void
send_worker(struct conn *c, uint32_t id, const struct worker *w,
    int64_t now_ms)
{
	unsigned char buf[56 + WORKER_ENDED_MAX];
	struct drain_counts counts = { 0 };
	int64_t next_ms = 0;

	if (w->drain != NULL)
		counts = drain_counts(w->drain);
	if (w->state == WORKER_BACKOFF && w->deadline_ms > now_ms)
		next_ms = w->deadline_ms - now_ms;
	crr_put32(buf, (uint32_t)w->id);
	crr_put32(buf + 4, (uint32_t)w->process.pid);
	crr_put32(buf + 8, (uint32_t)w->seat);
	crr_put32(buf + 12, w->generation);
	crr_put32(buf + 16, w->state);
	crr_put32(buf + 20, w->restarts);
	crr_put64(buf + 24, (uint64_t)(now_ms - w->started_ms));
	crr_put64(buf + 32, (uint64_t)(now_ms - w->since_ms));
	crr_put64(buf + 40, (uint64_t)next_ms);
	crr_put32(buf + 48, counts.connections);
	crr_put32(buf + 52, counts.queued);
	memcpy(buf + 56, w->ended, strlen(w->ended));
	conn_send(c, CRR_STATUS_WORKER, id, buf, 56 + strlen(w->ended));
}

static int
by_id(const void *a, const void *b)
{
	const struct worker *const *x = a, *const *y = b;

	if ((*x)->id != (*y)->id)
		return (*x)->id < (*y)->id ? -1 : 1;
	return (*x)->generation < (*y)->generation ? -1 : 1;
}

static void
send_workers(const struct master *m, struct conn *c, uint32_t id,
    int64_t now_ms)
{
	const struct worker **list;
	int i, n;

	list = malloc((size_t)m->pool.nseats * sizeof(*list));
	if (list == NULL)
		return;
	n = 0;
	for (i = 0; i < m->pool.nseats; i++) {
		if (m->pool.seat[i]->state != WORKER_DOWN)
			list[n++] = m->pool.seat[i];
	}
	qsort(list, (size_t)n, sizeof(*list), by_id);
	for (i = 0; i < n; i++)
		send_worker(c, id, list[i], now_ms);
	free(list);
}

static void
send_handoff(const struct master *m, struct conn *c, uint32_t id)
{
	const struct handoff_counts *counts = &m->handoff.counts;
	struct drain_counts drain;
	unsigned char buf[40];
	uint64_t held = counts->held;
	unsigned now = 0;
	int i;

	for (i = 0; i < m->pool.nseats; i++) {
		if (m->pool.seat[i]->drain == NULL)
			continue;
		drain = drain_counts(m->pool.seat[i]->drain);
		now += drain.held;
		if (m->pool.seat[i]->state == WORKER_DRAINING)
			held += drain.raised;
	}
	crr_put64(buf, held);
	crr_put64(buf + 8, counts->handed_on);
	crr_put64(buf + 16, counts->broken);
	crr_put64(buf + 24, counts->quiet);
	crr_put32(buf + 32, now);
	crr_put32(buf + 36, (uint32_t)m->handoff.with_porter);
	conn_send(c, CRR_STATUS_HANDOFF, id, buf, sizeof(buf));
}

static void
send_subscribers(const struct master *m, struct conn *c, uint32_t id)
{
	struct bus_subscriber *s = NULL;
	struct bus_identity who;
	unsigned char buf[24];
	uint64_t queued, lost;

	while ((s = bus_next(&m->bus, s, &who, &queued, &lost)) != NULL) {
		crr_put32(buf, (uint32_t)who.worker);
		crr_put32(buf + 4, (uint32_t)who.pid);
		crr_put64(buf + 8, queued);
		crr_put64(buf + 16, lost);
		conn_send(c, CRR_STATUS_SUBSCRIBER, id, buf, sizeof(buf));
	}
}

static void
send_bus(const struct master *m, struct conn *c, uint32_t id)
{
	const struct bus_counts counts = bus_counts(&m->bus);
	unsigned char buf[40];

	crr_put64(buf, m->bus.seq);
	crr_put64(buf + 8, m->bus.lost);
	crr_put64(buf + 16, counts.retained);
	crr_put64(buf + 24, counts.retain_max);
	crr_put32(buf + 32, counts.nretained);
	crr_put32(buf + 36, counts.nsubscribers);
	conn_send(c, CRR_STATUS_BUS, id, buf, sizeof(buf));
	send_subscribers(m, c, id);
}

void
status_send(const struct master *m, struct conn *c, uint32_t id,
    int64_t now_ms)
{
	int i;

	send_master(m, c, id, now_ms);
	for (i = 0; i < m->listeners.n; i++)
		send_listener(m, c, id, i);
	send_workers(m, c, id, now_ms);
	send_handoff(m, c, id);
	send_bus(m, c, id);
	conn_send(c, CRR_DONE, id, NULL, 0);
}
