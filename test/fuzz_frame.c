/*
 * libFuzzer: what a peer may send, read by the master's side, which parses
 * what is there, and by a client's, which reads it in pieces.
 */
#include <sys/socket.h>

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/event.h"
#include "ipc.h"
#include "master/bus/bus.h"

enum { SENT_MAX = 65536 };		/* bytes that a socket takes at once */

int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is called a message lies within its frame. */
static void
check_message(const struct crr_frame *f)
{
	struct crr_message m;
	const unsigned char *end = f->payload + f->len;

	if (crr_message(f, &m) == -1)
		return;
	if ((const unsigned char *)m.data + m.data_len != end ||
	    (const unsigned char *)m.name < f->payload ||
	    m.name + m.name_len != m.id ||
	    m.id + m.id_len != (const char *)m.data)
		abort();
	bus_check(f->type, f->payload, f->len);
}

static void
check(const struct crr_frame *f)
{
	struct event ev;

	if (crr_type_name(f->type)[0] == '\0')
		abort();
	check_message(f);
	if (f->type == CRR_EVENT)
		event_decode(&ev, f->payload, f->len);
}

static size_t
parse_all(const uint8_t *data, size_t size)
{
	struct crr_frame f;
	size_t n = 0;

	while (crr_parse(data, size, &f) == CRR_FRAME) {
		check(&f);
		data += CRR_HEADER + f.len;
		size -= CRR_HEADER + f.len;
		n++;
	}
	return n;
}

static size_t
read_all(const uint8_t *data, size_t size)
{
	struct crr_frame f;
	struct crr crr;
	size_t n = 0;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		abort();
	crr_init(&crr, pair[0]);
	if (size > 0 && write(pair[1], data, size) != (ssize_t)size)
		abort();
	close(pair[1]);
	while (crr_next(&crr, &f, 0) == 1) {
		check(&f);
		n++;
	}
	crr_close(&crr);
	return n;
}

/* Both find the same frames. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > SENT_MAX)
		return 0;
	if (parse_all(data, size) != read_all(data, size))
		abort();
	return 0;
}
