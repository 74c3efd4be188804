/*
 * Connections on the control socket: whole frames in, bounded queues out, and
 * between the answers what a subscriber gets of the bus. Nothing here blocks.
 * Knows the wire, not what a request means.
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
	CONN_MAX = 256,			/* connections at once */
	CONN_IN_MAX = 4096,		/* bytes of a request with its header */
	CONN_IN_WIDE = 256 << 10,	/* bytes read at once from who sends
					   messages, which may be longer */
	CONN_OUT_MAX = 1 << 20,		/* bytes of answers not yet taken */
	CONN_HALF_MS = 10000,		/* for half a message, or none at all */
	CONN_CLOSING_MS = 1000,		/* for an answer to be taken */
};

enum conn_wait {			/* what a client is waiting for */
	CONN_WAIT_NOTHING,
	CONN_WAIT_RELOAD,
	CONN_WAIT_SCALE,
	CONN_WAIT_STOP,
};

/* All connections. */
struct conn_set {
	struct conn *first;		/* the newest */
	struct conn *changed;		/* whose wishes may have changed */
	struct poller *poller;		/* told of each end; not ours */
};

struct conn {
	struct conn *next, **at;	/* of all, and what points to it */
	struct conn *next_changed;
	bool	 is_changed;		/* it is on that list */
	struct conn_set *set;
	struct timer timer;		/* the owner's: of deadline_ms */
	bool	 counted;		/* the owner's */
	int	 fd;			/* -1: to be freed */
	uid_t	 uid;			/* of the peer */
	pid_t	 pid;			/* of the peer; 0: not known */
	unsigned char *in;		/* NULL while it is empty */
	size_t	 in_size, in_used;
	struct pile out;		/* answers not yet taken */
	int64_t	 deadline_ms;		/* 0: none */
	bool	 closing;		/* nothing more is read as a request */
	bool	 ended;			/* the peer sends nothing more, and may
					   wait for answers yet */
	enum conn_wait wait;
	uint32_t wait_id;		/* of the request that waits */
	unsigned wait_run;		/* of the reload it waits for */
	bool	 events;		/* wants all EVENTs */
	bool	 sends;			/* messages, and may be held for it */
	struct bus *bus;		/* of its subscription; or NULL */
	struct bus_subscriber *subscriber;	/* or NULL */
	struct bus_identity who;	/* origin 0: not known yet */
};

/* What a request means is said by the caller. */
struct conn_hooks {
	void	*arg;
	/* Answer it; f is valid during the call. */
	void	(*handle)(void *arg, struct conn *c, const struct crr_frame *f);
	/* Tell whether one that is longer than CONN_IN_MAX may come. */
	bool	(*admit)(void *arg, struct conn *c, unsigned type);
};

/*
 * Accept one connection from listen_fd and put it in front of the set. Returns
 * it, or NULL and errno.
 */
struct conn *conn_accept(struct conn_set *set, int listen_fd, int64_t now_ms);

/* Note that what a connection waits for may have changed: what it wants to
 * read or write, its deadline, its end. Who sends on it or closes it need not
 * say so. */
void	 conn_touch(struct conn *c);

/* Take one off the list of those whose wishes may have changed, or NULL. */
struct conn *conn_take_changed(struct conn_set *set);

/* Read what has come. Closes it where there is no memory. */
void	 conn_read(struct conn *c);

/* Hand over each whole request that has been read, until an answer is not
 * taken at once. */
void	 conn_serve(struct conn *c, const struct conn_hooks *hooks,
	    int64_t now_ms);

/* Its end has come in the middle of a frame, which is lost. */
bool	 conn_is_cut(const struct conn *c);

/* It may be read from now. */
bool	 conn_wants_input(const struct conn *c);

/* Queue a frame, and write what the peer takes. One that takes nothing is
 * closed when CONN_OUT_MAX is reached. */
void	 conn_send(struct conn *c, enum crr_type type, uint32_t id,
	    const void *payload, size_t len);

/* Queue ERROR with a line, cut at CRR_TEXT_MAX. */
void	 conn_error(struct conn *c, uint32_t id, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));

/* Write what the peer takes. */
void	 conn_flush(struct conn *c);

/* Close when what is queued has been taken. */
void	 conn_finish(struct conn *c, int64_t now_ms);

/* Close at once. To be freed by conn_free. */
void	 conn_close(struct conn *c);

/* It has got all it asked for, and asks no more. */
bool	 conn_is_over(const struct conn *c);

/* Take a connection that was closed out of its set, and free it. It must not
 * be on the list of changed ones. */
void	 conn_free(struct conn *c);

/* There is an answer to write. */
bool	 conn_pending(const struct conn *c);

/* There is an answer to write, or something of the bus. */
bool	 conn_wants_output(const struct conn *c);

/* Make this the connection of a subscriber, which its end unsubscribes. */
void	 conn_subscribe(struct conn *c, struct bus *bus,
	    struct bus_subscriber *s);

#endif
