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
check_message(const struct ipc_frame *f)
{
	struct ipc_message m;
	const unsigned char *end = f->payload + f->len;

	if (ipc_message(f, &m) == -1)
		return;
	if ((const unsigned char *)m.data + m.data_len != end ||
	    (const unsigned char *)m.name < f->payload ||
	    m.name + m.name_len != m.id ||
	    m.id + m.id_len != (const char *)m.data)
		abort();
	bus_check(f->type, f->payload, f->len);
}

static void
check(const struct ipc_frame *f)
{
	struct event ev;

	if (ipc_type_name(f->type)[0] == '\0')
		abort();
	check_message(f);
	if (f->type == PROTO_EVENT)
		event_decode(&ev, f->payload, f->len);
}

static size_t
parse_all(const uint8_t *data, size_t size)
{
	struct ipc_frame f;
	size_t n = 0;

	while (ipc_parse(data, size, &f) == IPC_FRAME) {
		check(&f);
		data += PROTO_HEADER + f.len;
		size -= PROTO_HEADER + f.len;
		n++;
	}
	return n;
}

static size_t
read_all(const uint8_t *data, size_t size)
{
	struct ipc_frame f;
	struct ipc ipc;
	size_t n = 0;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1)
		abort();
	ipc_init(&ipc, pair[0]);
	if (size > 0 && write(pair[1], data, size) != (ssize_t)size)
		abort();
	close(pair[1]);
	while (ipc_next(&ipc, &f, 0) == 1) {
		check(&f);
		n++;
	}
	ipc_close(&ipc);
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
