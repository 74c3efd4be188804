/*
 * The wire format between a master and its clients, and nothing else.
 *
 * A frame is a header of CRR_HEADER bytes, then len bytes of payload. All
 * numbers are big-endian. doc/protocol.md says the same in prose and shows the
 * bytes of each type.
 *
 *	offset size
 *	     0    4  magic: 'c' 'r' 'r' '\0'
 *	     4    2  version: CRR_OUR_VERSION
 *	     6    2  type: enum crr_type
 *	     8    4  len: bytes of payload, at most CRR_PAYLOAD_MAX
 *	    12    4  id: chosen by who asks, repeated in each answer
 *
 * The header never changes. When the payload of a type changes, the version
 * goes up.
 */
#ifndef CRR_PROTO_H
#define CRR_PROTO_H

enum {
	CRR_OUR_VERSION = 1,
	CRR_HEADER = 16,		/* bytes */
	CRR_TEXT_MAX = 1024,		/* bytes of text behind fixed fields */
	CRR_DATA_MAX = 16 << 20,	/* bytes of a bus message's data */
	CRR_BUS_FIXED = 24,		/* bytes before its name */
	CRR_NAME_MAX = 65535,		/* bytes of its name, and of its id */
	CRR_PAYLOAD_MAX = CRR_BUS_FIXED + 2 * CRR_NAME_MAX + CRR_DATA_MAX
};

enum crr_bus_field {			/* offsets in a bus message, bytes */
	CRR_BUS_SEQ = 0,
	CRR_BUS_PID = 8,
	CRR_BUS_WORKER = 12,
	CRR_BUS_FLAGS = 16,
	CRR_BUS_NAME_LEN = 18,
	CRR_BUS_ID_LEN = 20,
	CRR_BUS_ZERO = 22
};

#define CRR_MAGIC "crr"			/* four bytes with its NUL */

/*
 * Each type: name, number, least and greatest length of its payload in bytes.
 *
 * In the list below c→m is sent by a client and m→c by the master; uN and iN
 * are integers of N bits; text is the rest of the payload, UTF-8 without a NUL
 * at its end. The master refuses a flag or mode that is not listed, with ERROR.
 *
 * VERSION	m→c	answers a frame of another version; then the master
 *		closes. text: version of the master's program.
 * DONE		m→c	what the client asked for is done. No field.
 * ERROR	m→c	the request is refused, or has failed. text: one line
 *		for people.
 * EVENT	m→c	something happened. u16 kind: CRR_EVENTS, u16 zero, i32
 *		worker id or -1, i32 pid or -1, u32 generation or 0, u32 count
 *		(CRR_EVENTS says of what), u64 ms since 1970, text: the reason,
 *		which may be empty.
 * RELOAD	c→m	replace all workers. u32 flags: enum crr_reload.
 *		Answers: EVENTs, then DONE or ERROR.
 * STATUS	c→m	No field. Answers: STATUS_MASTER, then each
 *		STATUS_LISTENER followed by its STATUS_QUEUEs, then
 *		STATUS_WORKERs, STATUS_HANDOFF, STATUS_BUS, STATUS_SUBSCRIBERs,
 *		DONE.
 * SCALE	c→m	change the number of workers. u32 mode: enum crr_scale,
 *		i32 number. Answers: EVENTs, then DONE or ERROR.
 * STOP		c→m	u32 flags: enum crr_stop. Answers: EVENTs, then DONE when
 *		the last worker has ended; then the master closes and exits.
 * READY	c→m	the worker that sends this is ready. No field. Only a
 *		worker's process may send it; a second one is answered and
 *		changes nothing. Answer: DONE or ERROR.
 * STATUS_MASTER m→c	u32 pid, u32 state: enum crr_state, u32 workers
 *		wanted, u32 generation, u32 reloads completed, u32 reloads
 *		failed, u64 ms since the start, then five texts, each a u16
 *		length and its bytes: program version, name, socket path,
 *		directory, command (a NUL between two arguments).
 * STATUS_LISTENER m→c	u32 index, u32 type: enum crr_listener, u32 1 if -l
 *		or a service manager gave it, else 0, u32 queues, text: address.
 * STATUS_QUEUE	m→c	u32 index of its listener, u32 seat, u32 depth:
 *		connections that nobody has accepted yet, u32 1 if new
 *		connections are steered to it, else 0.
 * STATUS_WORKER m→c	u32 id, u32 pid or 0, u32 seat, u32 generation, u32
 *		state: CRR_WORKER_STATES, u32 restarts after a crash, u64 ms
 *		since its start, u64 ms in this state, u64 ms until its next
 *		start or 0, u32 connections in flight and u32 connections queued
 *		(both while it drains), text: how this process or the one before
 *		it ended; may be empty.
 * BROADCAST	c→m	a message to every subscriber but those of the sender's
 *		own worker, who get MESSAGE. The payload of this type and of
 *		those up to DELETED, but for SUBSCRIBE, is a bus message: u64
 *		seq, u32 pid of the sender, i32 its worker id or -1, u16 flags:
 *		enum crr_message_flags, u16 length of name, u16 length of id,
 *		u16 zero, then name, id and data (the rest). The master writes
 *		seq, pid and worker, and ignores what a sender puts there; it
 *		refuses flags. Answer: QUEUED or ERROR; with an id of 0 in the
 *		header nothing but ERROR.
 * SAVE		c→m	the same, arrives as SAVED: data is the new value of
 *		name and id. The id is not empty. A master with --retain keeps
 *		the value.
 * DELETE	c→m	the same, arrives as DELETED: name and id have no value
 *		any more. The id is not empty; data is passed on.
 * SUBSCRIBE	c→m	u32 flags: enum crr_subscribe. Answers: with
 *		CRR_SUBSCRIBE_RETAINED a SAVED for each value that is kept, then
 *		SYNCED. After that the master sends what the flags name, as it
 *		happens, with an id of 0.
 * MESSAGE	m→c	somebody's BROADCAST.
 * SAVED	m→c	somebody's SAVE.
 * DELETED	m→c	somebody's DELETE.
 * LAGGED	m→c	u64 number of messages that are lost before the next
 *		one, because the subscriber did not read.
 * SYNCED	m→c	u64 seq: each message from now on has a greater one.
 * QUEUED	m→c	u32 number of workers it was queued for, u64 its seq.
 * STATUS_BUS	m→c	after the workers: u64 seq of the last message, u64
 *		messages lost by subscribers, u64 bytes retained, u64 limit of
 *		that in bytes (--retain) or 0, u32 entries retained, u32
 *		subscribers.
 * STATUS_SUBSCRIBER m→c i32 worker id or -1, u32 pid, u64 bytes queued for
 *		it, u64 messages that it has lost.
 * STATUS_HANDOFF m→c	kept connections of workers that went: u64 that have
 *		been held, u64 requests handed on to a new worker, u64 of these
 *		whose answer broke off, u64 connections closed in their quiet
 *		after their worker (all since the start), u32 held now, u32
 *		handed on now.
 */
#define CRR_TYPES(X) \
	X(VERSION,		1,	0,	64) \
	X(DONE,			2,	0,	0) \
	X(ERROR,		3,	1,	CRR_TEXT_MAX) \
	X(EVENT,		4,	28,	28 + CRR_TEXT_MAX) \
	X(RELOAD,		5,	4,	4) \
	X(STATUS,		6,	0,	0) \
	X(SCALE,		7,	8,	8) \
	X(STOP,			8,	4,	4) \
	X(READY,		9,	0,	0) \
	X(STATUS_MASTER,	10,	42,	1 << 20) \
	X(STATUS_LISTENER,	11,	17,	16 + CRR_TEXT_MAX) \
	X(STATUS_QUEUE,		12,	16,	16) \
	X(STATUS_WORKER,	13,	56,	56 + CRR_TEXT_MAX) \
	X(BROADCAST,		14,	CRR_BUS_FIXED, CRR_PAYLOAD_MAX) \
	X(SAVE,			15,	CRR_BUS_FIXED, CRR_PAYLOAD_MAX) \
	X(DELETE,		16,	CRR_BUS_FIXED, CRR_PAYLOAD_MAX) \
	X(SUBSCRIBE,		17,	4,	4) \
	X(MESSAGE,		18,	CRR_BUS_FIXED, CRR_PAYLOAD_MAX) \
	X(SAVED,		19,	CRR_BUS_FIXED, CRR_PAYLOAD_MAX) \
	X(DELETED,		20,	CRR_BUS_FIXED, CRR_PAYLOAD_MAX) \
	X(LAGGED,		21,	8,	8) \
	X(SYNCED,		22,	8,	8) \
	X(QUEUED,		23,	12,	12) \
	X(STATUS_BUS,		24,	40,	40) \
	X(STATUS_SUBSCRIBER,	25,	24,	24) \
	X(STATUS_HANDOFF,	26,	40,	40)

enum crr_type {
#define X(name, number, least, greatest) CRR_##name = number,
	CRR_TYPES(X)
#undef X
};

enum crr_reload {			/* RELOAD's flags */
	CRR_RELOAD_RESET = 1,		/* end a reload in progress instead */
	CRR_RELOAD_NOWAIT = 2		/* DONE as soon as it is accepted */
};

enum crr_scale {			/* SCALE's modes */
	CRR_SCALE_TO = 0,		/* to this number of workers */
	CRR_SCALE_BY = 1		/* by this number; fewer if negative */
};

enum {
	CRR_WORKERS_MAX = 1024		/* workers that SCALE may ask for */
};

enum crr_message_flags {		/* a bus message's flags, m→c */
	CRR_MESSAGE_RETAINED = 1,	/* saved before the subscription */
	CRR_MESSAGE_JSON = 2		/* data is the object that a worker
					   wrote on Node's channel, with
					   saveCommand or deleteCommand as
					   its cmd */
};

enum crr_subscribe {			/* SUBSCRIBE's flags */
	CRR_SUBSCRIBE_MESSAGES = 1,	/* of the bus */
	CRR_SUBSCRIBE_RETAINED = 2,	/* values that are kept, first */
	CRR_SUBSCRIBE_EVENTS = 4	/* EVENTs as they happen */
};

enum crr_stop {				/* STOP's flags */
	CRR_STOP_NOW = 1		/* SIGKILL instead of the stop signal */
};

enum crr_state {			/* of the master */
	CRR_STATE_STARTING = 0,		/* its first workers aren't all ready */
	CRR_STATE_SERVING = 1,
	CRR_STATE_RELOADING = 2,
	CRR_STATE_STOPPING = 3
};

/* STATUS_WORKER's states: symbol, name, number. */
#define CRR_WORKER_STATES(X) \
	X(DOWN,		"down",		0)	/* no process; seat is free */ \
	X(STARTING,	"starting",	1)	/* not ready yet */ \
	X(READY,	"ready",	2) \
	X(DRAINING,	"draining",	3)	/* finishes work in flight */ \
	X(STOPPING,	"stopping",	4)	/* was sent the stop signal */ \
	X(KILLED,	"killed",	5)	/* was sent SIGKILL */ \
	X(BACKOFF,	"backoff",	6)	/* no process; waits to start */

enum crr_listener {			/* type of a listener */
	CRR_LISTENER_TCP = 0,
	CRR_LISTENER_UDP = 1,
	CRR_LISTENER_UNIX = 2,
	CRR_LISTENER_UNIXGRAM = 3
};

/* EVENT's kinds: symbol, name in JSON, number; a comment says what the event's
 * count counts. */
#define CRR_EVENTS(X) \
	X(MASTER_STARTING,  "master-starting",	1)	/* workers */ \
	X(WORKER_UP,	    "worker-up",	2) \
	X(WORKER_DOWN,	    "worker-down",	3) \
	X(RELOAD_REQUESTED, "reload-requested",	4)	/* workers */ \
	X(RELOAD_PENDING,   "reload-pending",	5) \
	X(RELOAD_COMPLETE,  "reload-complete",	6)	/* new workers */ \
	X(RELOAD_FAILED,    "reload-failed",	7)	/* new workers */ \
	X(RELOAD_RESET,	    "reload-reset",	8)	/* new workers */ \
	X(SCALED,	    "scaled",		9)	/* workers */ \
	X(MASTER_STOPPING,  "master-stopping",	10) \
	X(MASTER_STOPPED,   "master-stopped",	11) \
	X(WAITING,	    "waiting",		12)	/* in hand */ \
	X(DRAIN_OVER,	    "drain-over",	13)	/* in hand */

enum crr_event {
#define X(symbol, name, number) CRR_EVENT_##symbol = number,
	CRR_EVENTS(X)
#undef X
};

#endif
