/*
 * Messages of proto.h on a Unix stream socket. Master and clients share this
 * file, and a program that speaks to a master links it. It neither logs nor
 * exits, keeps no state of its own and starts no thread; it allocates nothing
 * but the read buffer of a struct crr. One connection may be used by one thread
 * at a time.
 */
#ifndef CRR_IPC_H
#define CRR_IPC_H

#include <stddef.h>
#include <stdint.h>

#include "proto.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Frames in memory. */

struct crr_frame {
	uint16_t version;
	uint16_t type;			/* enum crr_type */
	uint32_t len;			/* bytes of payload */
	uint32_t id;			/* of the request; 0: answers none */
	const unsigned char *payload;	/* points into the data parsed */
};

enum crr_result {
	CRR_FRAME,			/* whole, its type and len are right */
	CRR_MORE,			/* the beginning of a frame: read on */
	CRR_OTHER_VERSION,		/* the header is one of another version;
					   version, len and id are set */
	CRR_OTHER_TYPE,			/* its type is unknown; all fields but
					   payload are set */
	CRR_WRONG_LENGTH,		/* its type can't have this len; the
					   same are set */
	CRR_GARBAGE			/* no frame begins like this */
};

/*
 * Look at the first frame in data, which takes CRR_HEADER + len bytes. Reports
 * garbage at the first byte that differs, and a wrong version, type or length
 * as soon as the header is whole; sets the fields of a whole header with
 * CRR_MORE, too, and all others to 0. Never fails, allocates or blocks.
 */
enum crr_result crr_parse(const void *data, size_t size,
	    struct crr_frame *frame);

/* Write a header of version CRR_OUR_VERSION into head[CRR_HEADER]. */
void	 crr_header(unsigned char *head, enum crr_type type, uint32_t len,
	    uint32_t id);

/* Return the name of a type ("RELOAD"), or "unknown". */
const char *crr_type_name(unsigned type);

/* Write or read a big-endian number at p, which needs no alignment. */
void	 crr_put16(unsigned char *p, uint16_t number);
void	 crr_put32(unsigned char *p, uint32_t number);
void	 crr_put64(unsigned char *p, uint64_t number);
uint16_t crr_get16(const unsigned char *p);
uint32_t crr_get32(const unsigned char *p);
uint64_t crr_get64(const unsigned char *p);

/* Connections. */

/*
 * Find a master's control socket and write its path into path_out, size bytes
 * with the NUL. It is path if that is not NULL, else the default path of name
 * if that is not NULL, else $CRR_SOCKET if it is set and not empty, else the
 * default path of "default". The default path of a name is /run/crr/NAME.sock
 * for root and /tmp/crr-UID/NAME.sock for others.
 * Returns 0, or -1 and errno: ENAMETOOLONG (longer than size or than a socket
 * address takes) or EINVAL (path is empty; name is empty, begins with '.' or
 * has a '/').
 */
int	 crr_path(const char *path, const char *name, char *path_out,
	    size_t size);

/*
 * Connect to the master at path. Blocks while the master's queue of connections
 * is full, at most timeout_ms (-1: without limit). The limit also holds for
 * each wait of a later crr_send or crr_flush on this descriptor. Returns a
 * close-on-exec descriptor, which the caller closes or gives to crr_init; or -1
 * and errno: ENAMETOOLONG, ETIMEDOUT, or that of socket(2) or connect(2).
 */
int	 crr_connect(const char *path, int timeout_ms);

/* A connection with its buffers; crr_init fills it. */
struct crr {
	int	 fd;			/* to poll for input; -1: closed */
	int	 nonblock;		/* not 0: crr_send and crr_flush fail
					   with EAGAIN where they would wait
					   before the first byte; the caller
					   sets it */
	unsigned char *buf;		/* what was read; crr_close frees it */
	size_t	 size, begin, end;	/* bytes: its size, and where what was
					   read begins and ends */
	size_t	 taken;			/* bytes of the frame that the last
					   crr_next returned */
	unsigned char *out;		/* the caller's, by crr_gather; NULL:
					   each frame is sent at once */
	size_t	 out_size, out_used;	/* bytes */
};

/* Make a connection of fd, which crr_close closes. -1 makes a closed one. */
void	 crr_init(struct crr *crr, int fd);

/* Send what is gathered, as crr_flush does, though without telling whether it
 * could be sent; close the descriptor and free the read buffer. */
void	 crr_close(struct crr *crr);

/*
 * Gather what is sent in buf, size bytes, which stays the caller's and must
 * last until crr_close or the next crr_gather. It is sent when the next frame
 * does not fit, by crr_flush and by crr_next: many small messages cost a tenth
 * of what they cost one by one. A frame larger than buf is sent at once, after
 * what is gathered. NULL ends the gathering. Call crr_flush before a second
 * crr_gather, which forgets what is gathered.
 */
void	 crr_gather(struct crr *crr, void *buf, size_t size);

/* Send what is gathered. Returns and blocks as crr_send does; after a failure
 * what was not sent stays gathered. */
int	 crr_flush(struct crr *crr);

/*
 * Send a frame, or gather it. Blocks until the kernel has taken all of it.
 * Never raises SIGPIPE.
 * Returns 0, or -1 and errno: EMSGSIZE (the type can't have this len),
 * ETIMEDOUT, or that of sendmsg(2). With crr->nonblock EAGAIN means that no
 * byte of the frame was taken; when its first bytes were, it blocks for the
 * rest. After any other error of the socket a part of the frame may have been
 * sent: close the connection.
 */
int	 crr_send(struct crr *crr, enum crr_type type, uint32_t id,
	    const void *payload, size_t len);

/*
 * Send what is gathered, then wait for the next frame up to timeout_ms (-1:
 * without limit; 0: take what has come). To send may block on top of that, as
 * crr_flush does; where it fails, the next read tells.
 * Returns 1 and sets *frame, whose payload is valid until the next crr_next or
 * crr_close; 0 at the end of the stream; or -1 and errno: ETIMEDOUT,
 * EPROTONOSUPPORT (frame->version is another version), EPROTO (what came is not
 * the protocol, or ended in the middle of a frame), ENOMEM, or that of recv(2).
 */
int	 crr_next(struct crr *crr, struct crr_frame *frame, int timeout_ms);

/*
 * The bus. After crr_subscribe, crr_next returns what others send, in one order
 * for all subscribers: CRR_MESSAGE, CRR_SAVED and CRR_DELETED, which
 * crr_message reads; CRR_LAGGED where this program did not read and has missed
 * messages (it should empty its cache); CRR_SYNCED when all values that the
 * master has kept have come. Nothing comes from the program's own worker. After
 * the end of the stream the caller connects and subscribes again.
 */

struct crr_message {
	uint64_t seq;			/* greater than in any message before;
					   a worker's own take numbers, too */
	int32_t	 pid;			/* of the sender, as the kernel says */
	int32_t	 worker;		/* the sender's id; -1: no worker */
	unsigned flags;			/* enum crr_message_flags */
	const char *name, *id;		/* not ended by a NUL, and may have
					   some inside */
	size_t	 name_len, id_len;	/* bytes, at most CRR_NAME_MAX each */
	const void *data;
	size_t	 data_len;		/* bytes, at most CRR_DATA_MAX */
};

/* Read a message from a frame that crr_next or crr_parse returned. *message
 * points into the frame's payload. Returns 0, or -1 with EPROTO: the frame is
 * of another type, or its lengths contradict each other. */
int	 crr_message(const struct crr_frame *frame,
	    struct crr_message *message);

/*
 * Send a message of type CRR_BROADCAST, CRR_SAVE or CRR_DELETE. Its seq, pid,
 * worker and flags are ignored: the master writes them. If id is not 0,
 * crr_next returns a CRR_QUEUED (u32 workers, u64 seq) or CRR_ERROR with this
 * id; if it is 0, nothing but a CRR_ERROR if the master refuses the message.
 * Returns and blocks as crr_send does; fails with EINVAL, too: CRR_SAVE or
 * CRR_DELETE without an id in message.
 */
int	 crr_publish(struct crr *crr, enum crr_type type, uint32_t id,
	    const struct crr_message *message);

/* Save a value, delete one, or tell something to all others: crr_publish with
 * an id of 0, for names and ids that are strings. name may be "". */
int	 crr_save(struct crr *crr, const char *name, const char *id,
	    const void *data, size_t len);
int	 crr_delete(struct crr *crr, const char *name, const char *id);
int	 crr_broadcast(struct crr *crr, const char *name, const void *data,
	    size_t len);

/*
 * Subscribe, with flags of enum crr_subscribe. crr_next returns the values that
 * are kept, if they were asked for, then CRR_SYNCED. Returns and blocks as
 * crr_send does.
 */
int	 crr_subscribe(struct crr *crr, uint32_t flags);

/* Single requests. */

/*
 * Say that this worker is ready, or ask for a reload without waiting for its
 * end: connect to the master at path (NULL: as crr_path finds it), send the
 * request, wait for the answer and close. Each wait is limited to timeout_ms
 * (-1: not limited).
 * Return 0, or -1 and errno: EPERM (the master refuses), ECONNRESET (it closed
 * without an answer), or that of crr_path, crr_connect, crr_send or crr_next.
 */
int	 crr_say_ready(const char *path, int timeout_ms);
int	 crr_ask_reload(const char *path, int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
