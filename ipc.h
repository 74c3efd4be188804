/*
 * Messages of proto.h on a Unix stream socket. What master and clients share,
 * and what a program that speaks to crr links. Neither logs nor exits, has no
 * global and starts no thread; allocates only in struct crr's buffer.
 */
#ifndef CRR_IPC_H
#define CRR_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "proto.h"

#ifdef __cplusplus
extern "C" {
#endif

struct crr_frame {
	uint16_t version;
	uint16_t type;			/* enum crr_type */
	uint32_t len;			/* bytes of payload */
	uint32_t id;
	const unsigned char *payload;	/* inside the buffer parsed */
};

enum crr_result {
	CRR_FRAME,		/* a whole frame, checked against CRR_TYPES */
	CRR_MORE,		/* begins like a frame: read on */
	CRR_OTHER_VERSION,		/* a frame of another version, not yet whole
				   perhaps: only version, len and id are set */
	CRR_OTHER_TYPE,		/* its type is unknown: header fields are set */
	CRR_WRONG_LENGTH,		/* len is not one of its type */
	CRR_GARBAGE,		/* not ours */
};

/*
 * Look at the first frame in data. Garbage is told from the first byte that
 * differs, a wrong version, type or length as soon as the header is whole.
 * The frame takes CRR_HEADER + len bytes. Pure; never fails.
 */
enum crr_result crr_parse(const void *data, size_t size, struct crr_frame *f);

/* Write a header of our version into head[CRR_HEADER]. */
void	 crr_header(unsigned char *head, enum crr_type type, uint32_t len,
	    uint32_t id);

/* The name of a type ("RELOAD"), or "unknown". */
const char *crr_type_name(unsigned type);

/* Big-endian numbers at p. */
void	 crr_put16(unsigned char *p, uint16_t v);
void	 crr_put32(unsigned char *p, uint32_t v);
void	 crr_put64(unsigned char *p, uint64_t v);
uint16_t crr_get16(const unsigned char *p);
uint32_t crr_get32(const unsigned char *p);
uint64_t crr_get64(const unsigned char *p);

/*
 * Find the path of a master's control socket: the path if it is not NULL, else
 * the default one of the name, else $CRR_SOCKET, else that of "default":
 * /run/crr/NAME.sock for root, /tmp/crr-UID/NAME.sock for others.
 * Returns 0, or -1 with ENAMETOOLONG (longer than a socket address holds) or
 * EINVAL (a name that is empty, begins with '.' or has a '/').
 */
int	 crr_path(const char *path, const char *name, char *buf, size_t size);

/*
 * Connect to the master at path. Blocks while its queue of connections is full,
 * at most timeout_ms (-1: for ever), which goes for each later crr_send too.
 * Returns a close-on-exec descriptor, or -1 and errno: ENAMETOOLONG, ETIMEDOUT,
 * or connect(2)'s.
 */
int	 crr_connect(const char *path, int timeout_ms);

/* A connection with its read buffer. Zero but for fd at the beginning. */
struct crr {
	int	 fd;			/* to be polled for input, too */
	int	 nonblock;		/* the caller's: true: crr_send does not
					   wait to begin */
	unsigned char *buf;		/* ours: crr_close frees it */
	size_t	 size, begin, end;	/* bytes: what is in it, and where */
	size_t	 taken;			/* of them, given out by the last call */
	unsigned char *out;		/* the caller's: crr_gather; or NULL */
	size_t	 out_size, out_used;	/* bytes */
};

/* Take over fd. */
void	 crr_init(struct crr *crr, int fd);

/* Send what is gathered, close the descriptor and free the buffer. */
void	 crr_close(struct crr *crr);

/*
 * Gather what is sent in a buffer of the caller's, and send it when it is full,
 * by crr_flush, and whenever crr_next is called: many small messages cost a
 * tenth so. A frame that is larger goes out by itself, behind what is gathered.
 * NULL, when nothing is gathered: send each at once, as at the beginning.
 */
void	 crr_gather(struct crr *crr, void *buf, size_t size);

/* Send what is gathered. Returns as crr_send does; with nonblock and EAGAIN
 * what was not taken stays. */
int	 crr_flush(struct crr *crr);

/*
 * Send a whole frame; blocks until it is taken. Never raises SIGPIPE.
 * Returns 0, or -1 and errno: EMSGSIZE (len is not one of the type),
 * ETIMEDOUT, or sendmsg(2)'s. With nonblock EAGAIN: no byte of it was taken.
 * What has begun is finished.
 */
int	 crr_send(struct crr *crr, enum crr_type type, uint32_t id,
	    const void *payload, size_t len);

/*
 * Wait up to timeout_ms (-1: for ever) for the next frame. Returns 1 with *f
 * set, valid until the next call; 0 at the end of file; -1 with errno:
 * ETIMEDOUT, EPROTONOSUPPORT (another version: f->version says which), EPROTO
 * (not the protocol), ENOMEM, or recv(2)'s. An end in the middle of a frame
 * is EPROTO. Sends what is gathered first; that it can't be, the end will tell.
 */
int	 crr_next(struct crr *crr, struct crr_frame *f, int timeout_ms);

/*
 * The bus. A worker that subscribes gets what others send, in one order for
 * all, from crr_next: frames of type CRR_MESSAGE, CRR_SAVED and
 * CRR_DELETED, which crr_message reads; CRR_LAGGED where it did not read
 * and has missed some (empty the cache), CRR_SYNCED when the values that the
 * master has kept are through. Nothing comes from the own worker. After an end
 * of file, connect and subscribe anew.
 */
struct crr_message {
	uint64_t seq;			/* goes up by one; 0 in what is sent */
	int32_t	 pid;			/* of the sender, as the kernel says */
	int32_t	 worker;		/* id of the sender's; -1: none */
	unsigned flags;			/* enum crr_message_flags */
	const char *name, *id;		/* not ended by a NUL, may hold some */
	size_t	 name_len, id_len;	/* bytes, at most 65,535 each */
	const void *data;
	size_t	 data_len;		/* bytes, at most CRR_DATA_MAX */
};

/* Read a frame that is a message; *m is valid as long as the frame. Returns 0,
 * or -1 with EPROTO: it is none, or makes no sense. */
int	 crr_message(const struct crr_frame *f, struct crr_message *m);

/*
 * Send a message of a type CRR_BROADCAST, CRR_SAVE or CRR_DELETE; seq,
 * pid, worker and flags are the master's to write. With an id other than 0 a
 * CRR_QUEUED (u32 workers, u64 seq) answers it, from crr_next. Returns as
 * crr_send does, and EINVAL: no id in CRR_SAVE or CRR_DELETE.
 */
int	 crr_publish(struct crr *crr, enum crr_type type, uint32_t id,
	    const struct crr_message *m);

/* The same for what is text: save a value, delete one, tell all others; no
 * answer comes. name may be "". */
int	 crr_save(struct crr *crr, const char *name, const char *id,
	    const void *data, size_t len);
int	 crr_delete(struct crr *crr, const char *name, const char *id);
int	 crr_broadcast(struct crr *crr, const char *name, const void *data,
	    size_t len);

/*
 * Subscribe, with flags of enum crr_subscribe. CRR_SYNCED answers, from
 * crr_next, behind what was kept. Returns as crr_send does.
 */
int	 crr_subscribe(struct crr *crr, uint32_t flags);

/*
 * Connect to the master of $CRR_SOCKET (NULL) or path, say that this worker is
 * ready, or ask for a reload, without waiting for its end; wait for the answer
 * up to timeout_ms (-1: for ever), and hang up. Return 0, or -1 and errno:
 * EPERM (the master refuses), or crr_connect's and crr_next's.
 */
int	 crr_say_ready(const char *path, int timeout_ms);
int	 crr_ask_reload(const char *path, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
