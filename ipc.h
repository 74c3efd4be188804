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
	int	 fd;			/* to be polled for input, too */
	int	 nonblock;		/* the caller's: true: ipc_send does not
					   wait to begin */
	unsigned char *buf;		/* ours: ipc_close frees it */
	size_t	 size, begin, end;	/* bytes: what is in it, and where */
	size_t	 taken;			/* of them, given out by the last call */
	unsigned char *out;		/* the caller's: ipc_gather; or NULL */
	size_t	 out_size, out_used;	/* bytes */
};

/* Take over fd. */
void	 ipc_init(struct ipc *ipc, int fd);

/* Send what is gathered, close the descriptor and free the buffer. */
void	 ipc_close(struct ipc *ipc);

/*
 * Gather what is sent in a buffer of the caller's, and send it when it is full,
 * by ipc_flush, and whenever ipc_next is called: many small messages cost a
 * tenth so. A frame that is larger goes out by itself, behind what is gathered.
 * NULL, when nothing is gathered: send each at once, as at the beginning.
 */
void	 ipc_gather(struct ipc *ipc, void *buf, size_t size);

/* Send what is gathered. Returns as ipc_send does; with nonblock and EAGAIN
 * what was not taken stays. */
int	 ipc_flush(struct ipc *ipc);

/*
 * Send a whole frame; blocks until it is taken. Never raises SIGPIPE.
 * Returns 0, or -1 and errno: EMSGSIZE (len is not one of the type),
 * ETIMEDOUT, or sendmsg(2)'s. With nonblock EAGAIN: no byte of it was taken.
 * What has begun is finished.
 */
int	 ipc_send(struct ipc *ipc, enum proto_type type, uint32_t id,
	    const void *payload, size_t len);

/*
 * Wait up to timeout_ms (-1: for ever) for the next frame. Returns 1 with *f
 * set, valid until the next call; 0 at the end of file; -1 with errno:
 * ETIMEDOUT, EPROTONOSUPPORT (another version: f->version says which), EPROTO
 * (not the protocol), ENOMEM, or recv(2)'s. An end in the middle of a frame
 * is EPROTO. Sends what is gathered first; that it can't be, the end will tell.
 */
int	 ipc_next(struct ipc *ipc, struct ipc_frame *f, int timeout_ms);

/*
 * The bus. A worker that subscribes gets what others send, in one order for
 * all, from ipc_next: frames of type PROTO_MESSAGE, PROTO_SAVED and
 * PROTO_DELETED, which ipc_message reads; PROTO_LAGGED where it did not read
 * and has missed some (empty the cache), PROTO_SYNCED when the values that the
 * master has kept are through. Nothing comes from the own worker. After an end
 * of file, connect and subscribe anew.
 */
struct ipc_message {
	uint64_t seq;			/* goes up by one; 0 in what is sent */
	int32_t	 pid;			/* of the sender, as the kernel says */
	int32_t	 worker;		/* id of the sender's; -1: none */
	unsigned flags;			/* enum proto_message */
	const char *name, *id;		/* not ended by a NUL, may hold some */
	size_t	 name_len, id_len;	/* bytes, at most 65,535 each */
	const void *data;
	size_t	 data_len;		/* bytes, at most PROTO_DATA_MAX */
};

/* Read a frame that is a message; *m is valid as long as the frame. Returns 0,
 * or -1 with EPROTO: it is none, or makes no sense. */
int	 ipc_message(const struct ipc_frame *f, struct ipc_message *m);

/*
 * Send a message of a type PROTO_BROADCAST, PROTO_SAVE or PROTO_DELETE; seq,
 * pid, worker and flags are the master's to write. With an id other than 0 a
 * PROTO_QUEUED (u32 workers, u64 seq) answers it, from ipc_next. Returns as
 * ipc_send does, and EINVAL: no id in PROTO_SAVE or PROTO_DELETE.
 */
int	 ipc_publish(struct ipc *ipc, enum proto_type type, uint32_t id,
	    const struct ipc_message *m);

/* The same for what is text: save a value, delete one, tell all others; no
 * answer comes. name may be "". */
int	 ipc_save(struct ipc *ipc, const char *name, const char *id,
	    const void *data, size_t len);
int	 ipc_delete(struct ipc *ipc, const char *name, const char *id);
int	 ipc_broadcast(struct ipc *ipc, const char *name, const void *data,
	    size_t len);

/*
 * Subscribe, with flags of enum proto_subscribe. PROTO_SYNCED answers, from
 * ipc_next, behind what was kept. Returns as ipc_send does.
 */
int	 ipc_subscribe(struct ipc *ipc, uint32_t flags);

/*
 * Connect to the master of $CRR_SOCKET (NULL) or path, say that this worker is
 * ready, or ask for a reload, without waiting for its end; wait for the answer
 * up to timeout_ms (-1: for ever), and hang up. Return 0, or -1 and errno:
 * EPERM (the master refuses), or ipc_connect's and ipc_next's.
 */
int	 ipc_say_ready(const char *path, int timeout_ms);
int	 ipc_ask_reload(const char *path, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
