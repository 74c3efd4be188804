/*
 * What happened, as the line or the JSON object that people and scripts read.
 * The master writes events on its stdout and sends them to clients, which
 * write them on theirs: the same text from the same code. Knows the wire form
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
	unsigned generation;
	unsigned count;
	int64_t	 time_ms;		/* since 1970 */
	char	 text[CRR_TEXT_MAX + 1];	/* the reason, or "" */
};

enum {
	EVENT_WIRE_MAX = 28 + CRR_TEXT_MAX,	/* bytes */
	EVENT_LINE_MAX = CRR_TEXT_MAX + 128,	/* bytes, NUL included */
	EVENT_JSON_MAX = 6 * CRR_TEXT_MAX + 256,
};

/* Fill *ev with a kind and the current time, everything else none. */
void	 event_init(struct event *ev, enum crr_event kind);

/* The name of a kind ("worker-up"). */
const char *event_name(enum crr_event kind);

/*
 * Write the event as a line for people, without a newline, into line (at least
 * EVENT_LINE_MAX bytes). The seed's signs are appended if signs is true.
 * Control bytes in text become '?'.
 */
void	 event_line(const struct event *ev, bool signs, char *line, size_t size);

/* Write the event as one JSON object, without a newline. */
void	 event_json(const struct event *ev, char *json, size_t size);

/* Tell whether the locale that the environment names is UTF-8. */
bool	 event_signs(void);

/* Encode as EVENT's payload into buf[EVENT_WIRE_MAX]; returns its length. */
size_t	 event_encode(const struct event *ev, unsigned char *buf);

/* Decode EVENT's payload; -1 with EPROTO if a field is out of range. */
int	 event_decode(struct event *ev, const unsigned char *buf, size_t len);

#endif
