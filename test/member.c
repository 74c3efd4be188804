/*
 * A worker that takes part in the bus, by the library alone.
 *
 * It waits for a message named "go" whose data are three numbers: messages,
 * bytes of each, senders. The workers with the lowest ids are the senders: each
 * saves a number of values and broadcasts "end". Who has heard "end" of all others
 * writes a line to the file out.ID: messages, a hash over all of them in their
 * order, messages lost, and the monotonic time in us of the first (for a sender
 * its own) and of the last.
 *
 * With $STUCK that is its id a worker reads nothing after "go" until there is a
 * file "wake".
 */

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ipc.h"

enum {
	TIMEOUT_MS = 60000,		/* without any message: nobody is left */
	PAUSE_MS = 10,
	SIZE_MAX_BYTES = 1 << 20,
	GATHER = 65536,			/* bytes that go out together */
};

struct member {
	struct crr crr;
	int	 id;
	long	 messages, size, senders;
	int	 ends;			/* heard */
	uint64_t count, hash, lost;
	int64_t	 begin_us, end_us;
};

static _Noreturn void
fail(const char *what)
{
	fprintf(stderr, "member: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int
named(const struct crr_message *m, const char *name)
{
	return m->name_len == strlen(name) &&
	    memcmp(m->name, name, m->name_len) == 0;
}

/* Of the sender and the first bytes, which hold a counter; and of the length,
 * so that what is cut is seen. */
static void
add(struct member *me, const struct crr_message *m)
{
	const unsigned char *p = m->data;
	size_t i, n = m->data_len < 16 ? m->data_len : 16;
	uint64_t hash = me->hash;

	for (i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 0x100000001b3U;
	hash = (hash ^ (uint64_t)m->worker) * 0x100000001b3U;
	me->hash = (hash ^ m->data_len) * 0x100000001b3U;
	me->count++;
}

static void
send_all(struct member *me)
{
	char *data, id[32];
	long i;

	data = calloc(1, (size_t)me->size + 32);
	if (data == NULL)
		fail("memory");
	me->begin_us = now_us();
	for (i = 0; i < me->messages; i++) {
		snprintf(data, 32, "%016ld", i);
		snprintf(id, sizeof(id), "%ld", i % 1000);
		if (crr_save(&me->crr, "load", id, data,
		    (size_t)me->size) == -1)
			fail("save");
	}
	if (crr_broadcast(&me->crr, "end", "", 0) == -1 ||
	    crr_flush(&me->crr) == -1)
		fail("end");
	me->end_us = now_us();
	free(data);
}

static void
go(struct member *me, const struct crr_message *m)
{
	char text[64] = "";
	const char *stuck = getenv("STUCK");

	memcpy(text, m->data, m->data_len < 63 ? m->data_len : 63);
	if (sscanf(text, "%ld %ld %ld", &me->messages, &me->size,
	    &me->senders) != 3 || me->size < 17 || me->size > SIZE_MAX_BYTES)
		fail("go");
	if (me->id < me->senders)
		send_all(me);
	while (stuck != NULL && atoi(stuck) == me->id &&
	    access("wake", F_OK) == -1)
		poll(NULL, 0, PAUSE_MS);
}

static void
hear(struct member *me, const struct crr_frame *f)
{
	struct crr_message m;

	if (f->type == CRR_LAGGED)
		me->lost += crr_get64(f->payload);
	if (crr_message(f, &m) == -1)
		return;
	if (f->type == CRR_SAVED && named(&m, "load")) {
		if (me->begin_us == 0)
			me->begin_us = now_us();
		add(me, &m);
	} else if (named(&m, "go"))
		go(me, &m);
	else if (named(&m, "end"))
		me->ends++;
}

static void
report(const struct member *me)
{
	char name[32], part[40];
	FILE *out;

	snprintf(name, sizeof(name), "out.%d", me->id);
	snprintf(part, sizeof(part), "part.%d", me->id);
	out = fopen(part, "we");
	if (out == NULL)
		fail(part);
	fprintf(out, "%" PRIu64 " %016" PRIx64 " %" PRIu64 " %" PRId64
	    " %" PRId64 "\n", me->count, me->hash, me->lost, me->begin_us,
	    me->end_us);
	fclose(out);
	rename(part, name);
}

/* A worker that has fallen behind may have missed an end. */
static int
is_over(const struct member *me)
{
	long others = me->senders - (me->id < me->senders);

	return me->senders > 0 && (me->ends >= others || (me->lost > 0 &&
	    me->count + me->lost >= (uint64_t)(others * (me->messages + 1)) -
	    (uint64_t)me->ends));
}

int
main(void)
{
	const char *id = getenv("CRR_WORKER_ID");
	struct member me = { .id = id == NULL ? 0 : atoi(id) };
	static unsigned char gathered[GATHER];
	char path[108];
	struct crr_frame f;
	int fd, rc;

	if (crr_path(NULL, NULL, path, sizeof(path)) == -1 ||
	    (fd = crr_connect(path, TIMEOUT_MS)) == -1)
		fail("connect");
	crr_init(&me.crr, fd);
	crr_gather(&me.crr, gathered, sizeof(gathered));
	if (crr_subscribe(&me.crr, CRR_SUBSCRIBE_MESSAGES |
	    CRR_SUBSCRIBE_RETAINED) == -1)
		fail("subscribe");
	while ((rc = crr_next(&me.crr, &f, -1)) == 1) {
		if (f.type == CRR_SYNCED && crr_say_ready(NULL,
		    TIMEOUT_MS) == -1)
			fail("ready");
		hear(&me, &f);
		if (!is_over(&me))
			continue;
		if (me.end_us == 0)
			me.end_us = now_us();
		report(&me);
		me = (struct member){ .crr = me.crr, .id = me.id };
	}
	if (rc == -1)
		fail("next");
	crr_close(&me.crr);
	return 0;
}
