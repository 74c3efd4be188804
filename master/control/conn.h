/*
 * Connections on the control socket: whole frames in, a bounded queue of
 * answers out, and between the answers what a subscriber gets of the bus.
 * Nothing here blocks. Knows the wire, and not what a request means; whose
 * turn it is to be read or written is decided by the owner.
 */
#ifndef MASTER_CONTROL_CONN_H
#define MASTER_CONTROL_CONN_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pile.h"
#include "base/poller.h"
#include "base/timers.h"
#include "ipc.h"
#include "master/bus/bus.h"

enum {
	CONN_MAX = 256,			/* connections at once, for the owner */
	CONN_IN_MAX = 4096,		/* bytes of a request with its header */
	CONN_IN_WIDE = 256 << 10,	/* bytes read at once from a sender of
					   messages, which may be longer */
	CONN_OUT_MAX = 1 << 20,		/* bytes of answers not yet taken */
	CONN_HALF_MS = 10000,		/* for the first request, and for the
					   rest of one that has begun */
	CONN_CLOSING_MS = 1000,		/* for the last answer to be taken */
};

enum conn_wait {			/* what a client is waiting for */
	CONN_WAIT_NOTHING,
	CONN_WAIT_RELOAD,
	CONN_WAIT_SCALE,
	CONN_WAIT_STOP,
};

/* All connections. The owner sets the poller at the start. */
struct conn_set {
	struct conn *first;		/* the newest */
	struct conn *changed;		/* see conn_take_changed */
	struct poller *poller;		/* the owner's; told of each close(2) */
};

struct conn {
	struct conn *next, **at;	/* in the set, and what points here */
	struct conn *next_changed;
	bool	 is_changed;		/* is on the list of changed ones */
	struct conn_set *set;
	struct timer timer;		/* the owner's: of deadline_ms */
	bool	 counted;		/* the owner's */
	int	 fd;			/* -1: closed, to be freed */
	uid_t	 uid;			/* of the peer */
	pid_t	 pid;			/* of the peer; 0: not known */
	unsigned char *in;		/* what has been read; NULL: nothing */
	size_t	 in_size, in_used;	/* bytes; in_size also without in */
	struct pile out;		/* answers not yet taken */
	int64_t	 deadline_ms;		/* the owner closes it then; 0: none */
	bool	 closing;		/* what is read is thrown away */
	bool	 ended;			/* the peer sends nothing more, but may
					   still wait for answers */
	enum conn_wait wait;
	uint32_t wait_id;		/* of the request that waits */
	unsigned wait_run;		/* of the reload that it waits for */
	bool	 events;		/* gets all EVENTs */
	bool	 sends;			/* messages, and may be held for it */
	struct bus *bus;		/* of its subscription; or NULL */
	struct bus_subscriber *subscriber;	/* or NULL */
	struct bus_identity who;	/* origin 0: not known yet */
};

/* What the owner knows of requests. */
struct conn_hooks {
	void	*arg;			/* the first argument of both */
	/* Answer a request; f is valid during the call. */
	void	(*handle)(void *arg, struct conn *c, const struct crr_frame *f);
	/* Tell whether one of the type may be longer than CONN_IN_MAX. */
	bool	(*admit)(void *arg, struct conn *c, unsigned type);
};

/*
 * Accept one connection from listen_fd, put it in front of the set, and give it
 * CONN_HALF_MS for its first request. Returns it, or NULL and errno. conn_close
 * closes it, conn_free frees it.
 */
struct conn *conn_accept(struct conn_set *set, int listen_fd, int64_t now_ms);

/*
 * Put a connection on the list of changed ones: what it waits to read or
 * write, its deadline or its end may have changed. conn_accept, conn_send,
 * conn_error, conn_finish and conn_close do so themselves; after any other
 * function the owner does.
 */
void	 conn_touch(struct conn *c);

/* Take a connection off the list of changed ones. Returns it, or NULL if the
 * list is empty. */
struct conn *conn_take_changed(struct conn_set *set);

/*
 * Read once, what has come; at the end of the peer's sending, set ended. Closes
 * the connection if it has failed or memory is short. To be called only while
 * conn_wants_input says so.
 */
void	 conn_read(struct conn *c);

/*
 * Hand each whole request that has been read to hooks, until an answer is not
 * taken at once. What is not a request is answered with ERROR, or VERSION for
 * another version, and ends the conversation; bytes that are not a frame at all
 * close the connection.
 */
void	 conn_serve(struct conn *c, const struct conn_hooks *hooks,
	    int64_t now_ms);

/* Tell whether the peer has ended in the middle of a request, which is lost. */
bool	 conn_is_cut(const struct conn *c);

/* Tell whether conn_read has room and reason to read. */
bool	 conn_wants_input(const struct conn *c);

/* Queue an answer, and write what the peer takes. Closes the connection if more
 * than CONN_OUT_MAX would wait, or memory is short. A closed one is ignored. */
void	 conn_send(struct conn *c, enum crr_type type, uint32_t id,
	    const void *payload, size_t len);

/* Send ERROR with a line of text, cut at CRR_TEXT_MAX - 1 bytes. */
void	 conn_error(struct conn *c, uint32_t id, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/*
 * Write what the peer takes: the rest of a frame of the bus that has been
 * written in part, then answers, then what else the bus has. Closes the
 * connection if it has failed.
 */
void	 conn_flush(struct conn *c);

/* Serve no more requests, and shut the connection down when what is queued has
 * been taken; the peer has CONN_CLOSING_MS for that and for its own end. */
void	 conn_finish(struct conn *c, int64_t now_ms);

/* Close at once and end its subscription. The owner frees it by conn_free. */
void	 conn_close(struct conn *c);

/* Tell whether the peer has ended and waits for nothing. */
bool	 conn_is_over(const struct conn *c);

/* Take a closed connection out of its set, and free it. It must not be on the
 * list of changed ones. */
void	 conn_free(struct conn *c);

/* Tell whether answers wait to be taken. */
bool	 conn_pending(const struct conn *c);

/* Tell whether answers wait to be taken, or anything of the bus. */
bool	 conn_wants_output(const struct conn *c);

/* Make a subscriber of bus write to this connection, which unsubscribes it when
 * it is closed. */
void	 conn_subscribe(struct conn *c, struct bus *bus,
	    struct bus_subscriber *s);

#endif
