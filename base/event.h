/*
 * What happened, as the line that people read and the JSON object that scripts
 * read. The master writes events to its stdout and sends them to clients, which
 * write them to theirs: the same text from the same code. Knows the wire form
 * of an event; does no I/O.
 */
#ifndef BASE_EVENT_H
#define BASE_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto.h"

struct event {
	enum crr_event kind;
	int	 worker;		/* id, -1: none */
	int	 pid;			/* -1: none */
	unsigned generation;		/* 0: none */
	unsigned count;			/* CRR_EVENTS says of what */
	int64_t	 time_ms;		/* since 1970 */
	char	 text[CRR_TEXT_MAX + 1];	/* the reason, or "" */
};

enum {
	EVENT_WIRE_MAX = 28 + CRR_TEXT_MAX,	/* bytes */
	EVENT_LINE_MAX = CRR_TEXT_MAX + 128,	/* bytes, NUL included */
	EVENT_JSON_MAX = 6 * CRR_TEXT_MAX + 256,	/* the same */
};

/* Set *ev to a kind and the current time, with nothing else in it. */
void	 event_init(struct event *ev, enum crr_event kind);

/* Return the name of a kind ("worker-up"). */
const char *event_name(enum crr_event kind);

/*
 * Write the event as a line for people, without a newline. EVENT_LINE_MAX bytes
 * are always enough; with fewer it is cut. The line ends in the sign of its
 * kind, if it has one and signs is true. What is not printable in the text
 * becomes '?'.
 */
void	 event_line(const struct event *ev, bool signs, char *line,
	    size_t size);

/* Write the event as one JSON object, without a newline. size is at least
 * EVENT_JSON_MAX: an object that is cut is not JSON. */
void	 event_json(const struct event *ev, char *json, size_t size);

/* Tell whether the locale that the environment names is UTF-8. */
bool	 event_signs(void);

/* Encode the event as EVENT's payload into buf[EVENT_WIRE_MAX]. Returns its
 * length in bytes. */
size_t	 event_encode(const struct event *ev, unsigned char *buf);

/* Decode EVENT's payload. Returns 0, or -1 with EPROTO: its length or a field
 * is out of range, or its kind is one that only a later master knows. */
int	 event_decode(struct event *ev, const unsigned char *buf, size_t len);

#endif
