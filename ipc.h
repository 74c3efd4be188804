/*
 * Messages of proto.h on a Unix stream socket. What master and clients share,
 * and what a program that speaks to crr links. Neither logs nor exits, has no
 * global and starts no thread; allocates only in struct ipc's buffer.
 */
#ifndef IPC_H
#define IPC_H

#include <stddef.h>
#include <stdint.h>

#include "proto.h"

#ifdef __cplusplus
extern "C" {
#endif

struct ipc_frame {
	uint16_t version;
	uint16_t type;			/* enum proto_type */
	uint32_t len;			/* bytes of payload */
	uint32_t id;
	const unsigned char *payload;	/* inside the buffer parsed */
};

enum ipc_result {
	IPC_FRAME,		/* a whole frame, checked against PROTO_TYPES */
	IPC_MORE,		/* begins like a frame: read on */
	IPC_VERSION,		/* a frame of another version, not yet whole
				   perhaps: only version, len and id are set */
	IPC_TYPE,		/* its type is unknown: header fields are set */
	IPC_LENGTH,		/* len is not one of its type */
	IPC_GARBAGE,		/* not ours */
};

/*
 * Look at the first frame in data. Garbage is told from the first byte that
 * differs, a wrong version, type or length as soon as the header is whole.
 * The frame takes PROTO_HEADER + len bytes. Pure; never fails.
 */
enum ipc_result ipc_parse(const void *data, size_t size, struct ipc_frame *f);

/* Write a header of our version into head[PROTO_HEADER]. */
void	 ipc_header(unsigned char *head, enum proto_type type, uint32_t len,
	    uint32_t id);

/* The name of a type ("RELOAD"), or "unknown". */
const char *ipc_type_name(unsigned type);

/* Big-endian numbers at p. */
void	 ipc_put16(unsigned char *p, uint16_t v);
void	 ipc_put32(unsigned char *p, uint32_t v);
void	 ipc_put64(unsigned char *p, uint64_t v);
uint16_t ipc_get16(const unsigned char *p);
uint32_t ipc_get32(const unsigned char *p);
uint64_t ipc_get64(const unsigned char *p);

/*
 * Find the path of a master's control socket: the path if it is not NULL, else
 * the default one of the name, else $CRR_SOCKET, else that of "default":
 * /run/crr/NAME.sock for root, /tmp/crr-UID/NAME.sock for others.
 * Returns 0, or -1 with ENAMETOOLONG (longer than a socket address holds) or
 * EINVAL (a name that is empty, begins with '.' or has a '/').
 */
int	 ipc_path(const char *path, const char *name, char *buf, size_t size);

/*
 * Connect to the master at path. Blocks while its queue of connections is full,
 * at most timeout_ms (-1: for ever), which goes for each later ipc_send too.
 * Returns a close-on-exec descriptor, or -1 and errno: ENAMETOOLONG, ETIMEDOUT,
 * or connect(2)'s.
 */
int	 ipc_connect(const char *path, int timeout_ms);

/* A connection with its read buffer. Zero but for fd at the beginning. */
struct ipc {
	int	 fd;
	unsigned char *buf;		/* ours: ipc_close frees it */
	size_t	 size, used, taken;	/* bytes */
};

/* Take over fd. */
void	 ipc_init(struct ipc *ipc, int fd);

/* Close the descriptor and free the buffer. */
void	 ipc_close(struct ipc *ipc);

/*
 * Send a whole frame; blocks until it is taken. Never raises SIGPIPE.
 * Returns 0, or -1 and errno: EMSGSIZE (len is not one of the type),
 * ETIMEDOUT, or sendmsg(2)'s.
 */
int	 ipc_send(struct ipc *ipc, enum proto_type type, uint32_t id,
	    const void *payload, size_t len);

/*
 * Wait up to timeout_ms (-1: for ever) for the next frame. Returns 1 with *f
 * set, valid until the next call; 0 at the end of file; -1 with errno:
 * ETIMEDOUT, EPROTONOSUPPORT (another version: f->version says which), EPROTO
 * (not the protocol), ENOMEM, or recv(2)'s. An end in the middle of a frame
 * is EPROTO.
 */
int	 ipc_next(struct ipc *ipc, struct ipc_frame *f, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
