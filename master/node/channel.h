/*
 * Node's channel of one worker: lines in, lines out, and the descriptors that
 * go out with them. What the bus has for the worker goes out as lines, too.
 * What a line says is told, not acted on. Nothing here blocks.
 */
#ifndef MASTER_NODE_CHANNEL_H
#define MASTER_NODE_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "master/bus/bus.h"
#include "master/node/words.h"

struct channel;

/*
 * Take over fd, a stream socket, and subscribe the worker to the bus, retained
 * values included. Returns NULL with ENOMEM. fd is closed by channel_close, or
 * on failure at once.
 */
struct channel *channel_open(struct bus *bus, const struct bus_identity *who,
	    int fd);

/* Unsubscribe, close and free all; what is queued is lost. Ignores NULL. */
void	 channel_close(struct bus *bus, struct channel *ch);

/*
 * Read once. Returns 0, also if nothing has come or memory is short, or -1 at
 * the end of the channel or when it has failed. Whole lines that came before
 * that are still there for channel_next.
 */
int	 channel_read(struct channel *ch);

/* Tell whether more bytes can be read at once. */
bool	 channel_is_readable(const struct channel *ch);

/* Tell whether a line has begun that has no end yet, once channel_next has
 * returned WORDS_NONE. */
bool	 channel_is_cut(const struct channel *ch);

/* Return the descriptor, to be polled. It stays the channel's. */
int	 channel_fd(const struct channel *ch);

/*
 * Say what the next line that has been read means, or WORDS_NONE. payload and
 * object are the channel's and valid until its next call with this function,
 * channel_read or channel_close.
 */
void	 channel_next(struct channel *ch, struct words *said);

/*
 * Queue a line for the worker, its newline included, and a copy of fd to go
 * with it (-1: none), which stays the caller's. Returns 0, or -1 and errno with
 * nothing queued.
 */
int	 channel_say(struct channel *ch, const char *line, size_t len, int fd);

/* Note that the worker has been told to leave, and tell whether it has been. */
void	 channel_dismiss(struct channel *ch);
bool	 channel_is_dismissed(const struct channel *ch);

/* Tell whether there is something to write, lines or messages of the bus. */
bool	 channel_pending(struct channel *ch);

/*
 * Write what the socket takes. Returns 0, or -1 and errno when it has failed:
 * usually nobody reads it any more.
 */
int	 channel_write(struct channel *ch);

#endif
