#include <stdlib.h>
#include <string.h>

#include "master/bus/bus.h"

int
bus_init(struct bus *bus, uint64_t max)
{
	memset(bus, 0, sizeof(*bus));
	if (max == 0)
		return 0;
	bus->retained = retain_new(max);
	return bus->retained == NULL ? -1 : 0;
}

void
bus_free(struct bus *bus)
{
	while (bus->subscribers != NULL)
		bus_unsubscribe(bus, bus->subscribers);
	stream_trim(&bus->stream);
	retain_free(bus->retained);
}

const char *
bus_check(unsigned type, const unsigned char *payload, size_t len)
{
	size_t name_len = crr_get16(payload + CRR_BUS_NAME_LEN);
	size_t id_len = crr_get16(payload + CRR_BUS_ID_LEN);
	size_t fixed = CRR_BUS_FIXED + name_len + id_len;

	if (fixed > len)
		return "name and id are longer than the message";
	if (len - fixed > CRR_DATA_MAX)
		return "data of a message has at most 16777216 bytes";
	if (crr_get16(payload + CRR_BUS_FLAGS) != 0 ||
	    crr_get16(payload + CRR_BUS_ZERO) != 0)
		return "a message's flags are not for its sender to set";
	if (type != CRR_BROADCAST && id_len == 0)
		return type == CRR_SAVE ? "a SAVE needs an id" :
		    "a DELETE needs an id";
	return NULL;
}

static void
keep_value(struct bus *bus, unsigned type, const unsigned char *frame,
    size_t len)
{
	if (bus->retained == NULL)
		return;
	if (type == CRR_SAVE)
		retain_save(bus->retained, frame, len);
	else if (type == CRR_DELETE)
		retain_delete(bus->retained, frame);
}

int
bus_publish(struct bus *bus, unsigned type, const struct bus_identity *who,
    const unsigned char *payload, size_t len, uint64_t *seq)
{
	struct bus_subscriber *s;
	struct bus_chunk *c;

	c = stream_write(&bus->stream, type, bus->seq + 1, who, payload, len);
	if (c == NULL)
		return -1;
	*seq = ++bus->seq;
	bus->busy = true;
	keep_value(bus, type, c->bytes + c->used, CRR_HEADER + len);
	if (bus->subscribers == NULL)
		return 0;		/* the next one is written over it */
	for (s = bus->subscribers; s != NULL; s = s->next) {
		if (s->chunk == NULL && s->messages)
			subscriber_arrive(s, c);
	}
	stream_add(&bus->stream, c, CRR_HEADER + len);
	return 0;
}

unsigned
bus_receivers(const struct bus *bus, const struct bus_identity *who)
{
	const struct bus_subscriber *s;
	unsigned n = 0;

	for (s = bus->subscribers; s != NULL; s = s->next)
		n += s->counts && s->who.origin != who->origin;
	return n;
}

static struct bus_subscriber *
find_worker(const struct bus *bus, uint64_t origin)
{
	struct bus_subscriber *s;

	for (s = bus->subscribers; s != NULL; s = s->next) {
		if (s->messages && s->who.worker != -1 &&
		    s->who.origin == origin)
			return s;
	}
	return NULL;
}

struct bus_subscriber *
bus_subscribe(struct bus *bus, const struct bus_identity *who, bool messages,
    bool retained, uint32_t id)
{
	struct retain_frame **replay = NULL;
	struct bus_subscriber *s;
	long n = 0;

	if (retained && bus->retained != NULL) {
		n = retain_all(bus->retained, &replay);
		if (n == -1)
			return NULL;
	}
	s = subscriber_new(&bus->stream, who, replay, n, bus->seq, id);
	if (s == NULL) {
		while (n > 0)
			retain_drop(replay[--n]);
		free(replay);
		return NULL;
	}
	s->messages = messages;
	s->counts = messages && who->worker != -1 &&
	    find_worker(bus, who->origin) == NULL;
	s->next = bus->subscribers;
	bus->subscribers = s;
	bus->stream.nsubscribers++;
	bus->busy = true;
	return s;
}

void
bus_unsubscribe(struct bus *bus, struct bus_subscriber *s)
{
	const uint64_t origin = s->who.origin;
	const bool counts = s->counts;
	struct bus_subscriber **at, *heir;

	for (at = &bus->subscribers; *at != s; at = &(*at)->next)
		continue;
	*at = s->next;
	subscriber_free(s);
	bus->stream.nsubscribers--;
	stream_trim(&bus->stream);
	if (counts && (heir = find_worker(bus, origin)) != NULL)
		heir->counts = true;
}

bool
bus_turn(struct bus *bus, int64_t now_ms, int64_t *due_ms)
{
	struct bus_subscriber *s;
	uint64_t queued;
	int64_t until;

	*due_ms = 0;
	if (!bus->busy)
		return false;
	bus->busy = false;
	for (s = bus->subscribers; s != NULL; s = s->next) {
		queued = subscriber_queued(s);
		until = subscriber_hold(s, queued, now_ms);
		if (until != 0 && (*due_ms == 0 || until < *due_ms))
			*due_ms = until;
		if (queued > (s->slow ? BUS_QUEUE_MAX : BUS_QUEUE_HARD))
			bus->lost += subscriber_drop(s);
		if (subscriber_pending(s))
			bus->busy = true;
	}
	stream_trim(&bus->stream);
	return *due_ms != 0;
}

struct bus_counts
bus_counts(const struct bus *bus)
{
	struct bus_counts c = { .nsubscribers = bus->stream.nsubscribers };

	if (bus->retained != NULL) {
		c.retained = retain_bytes(bus->retained);
		c.retain_max = retain_max(bus->retained);
		c.nretained = retain_count(bus->retained);
	}
	return c;
}

struct bus_subscriber *
bus_next(const struct bus *bus, struct bus_subscriber *s,
    struct bus_identity *who, uint64_t *queued, uint64_t *lost)
{
	s = s == NULL ? bus->subscribers : s->next;
	if (s == NULL)
		return NULL;
	*who = s->who;
	*queued = subscriber_queued(s);
	*lost = s->lost;
	return s;
}
