/*
 * Who is connected to the control socket: who is let in, who waits for what,
 * who is told of events. Knows connections and events, nothing of workers,
 * reloads or what a request means.
 */
#ifndef MASTER_CLIENTS_H
#define MASTER_CLIENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/event.h"
#include "master/control/conn.h"

struct clients {
	struct conn_set set;
	struct timers timers;		/* of connections */
	unsigned kind;			/* of their events, for the poller */
	int	 nconns;		/* subscribers not counted */
	bool	 held;			/* senders are not read from */
	unsigned run;			/* of the reload that events are of */
	int64_t	 accept_ms;		/* nothing is accepted before; 0 */
	bool	 quiet;			/* no lines on stdout */
	bool	 signs;			/* the locale is UTF-8 */
};

/* Write an event on stdout, and send it to each client that follows events or
 * waits for what the event belongs to. */
void	 clients_tell(struct clients *cs, const struct event *ev);

/*
 * Accept one connection from listen_fd. Where CONN_MAX are connected, the
 * oldest that waits for nothing is closed to make room, or the new one is told
 * so. Sets accept_ms where descriptors or memory ran out.
 */
void	 clients_accept(struct clients *cs, int listen_fd, int64_t now_ms);

/* Note that a client waits for the end of something it asked for by id. */
void	 clients_wait(struct conn *c, enum conn_wait wait, uint32_t id);

/* Answer what a client waits for: DONE if why is NULL, else ERROR with why. */
void	 clients_answer(struct conn *c, const char *why);

/* Answer the clients that wait for a reload up to the number run. */
void	 clients_reloaded(struct clients *cs, unsigned run, const char *why);

/* Answer the clients that wait for a number of workers. */
void	 clients_scaled(struct clients *cs, const char *why);

/* Answer all that wait: the last worker has gone. */
void	 clients_stopped(struct clients *cs);

/*
 * The end of a turn: close connections whose time is over, free closed ones,
 * and have the poller follow what the others wait for. Senders are not read
 * from while held; what the bus has for subscribers waits while gathering.
 */
void	 clients_settle(struct clients *cs, bool held, bool gathering,
	    int64_t now_ms);

/* When clients_settle is due though nothing happens, or 0. */
int64_t	 clients_next(const struct clients *cs);

/*
 * The end of the master: wait up to a second for clients to take what is
 * queued for them, then forget all. Their descriptors are closed by our exit.
 */
void	 clients_finish(struct clients *cs);

#endif
