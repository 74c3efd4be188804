/*
 * One connection of a worker, by a duplicate of its descriptor: what the kernel
 * tells of it, and what is done to it. Decides nothing: inhand and hold do.
 * Linux.
 */
#ifndef MASTER_DRAIN_CONNECTION_H
#define MASTER_DRAIN_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "master/drain/hold.h"
#include "master/drain/inhand.h"
#include "master/socket/diag.h"
#include "master/socket/listener.h"

/*
 * Find a socket's inode. Returns 1 for an open TCP connection that came in by
 * one of the listeners, 0 for anything else, or -1 and errno where that can't
 * be told.
 */
int	 connection_find(int fd, const struct listeners *ls, uint64_t *inode);

/*
 * Read what inhand and hold judge. Returns 0, or -1 and errno; EAGAIN: bytes
 * come and go so fast that the figures don't fit together.
 */
int	 connection_look(int fd, struct inhand_seen *seen);

/* Make what inhand judges from the kernel's list, which does not tell whether
 * the last answer was prompt. */
void	 connection_convert(const struct diag_socket *socket,
	    struct inhand_seen *seen);

/* Read the mark below which the kernel wakes nobody (SO_RCVLOWAT). Returns 0 or
 * -1 and errno. */
int	 connection_mark(int fd, int *mark);

/*
 * The one to raise it to: half of the receive buffer as it is, so that it need
 * not grow, and HOLD_MARK at most. A buffer as Linux makes it has 64 KiB there,
 * and more where large bodies have come.
 */
int	 connection_best_mark(int fd);

int	 connection_set_mark(int fd, int mark);

/* Keep back what is less than a segment, or send it. tcp(7) sends it by itself
 * after 200 ms. */
void	 connection_cork(int fd, bool on);

/* Nobody who reads it sleeps in the call itself: it has O_NONBLOCK. */
bool	 connection_is_awake(int fd);

/* Judge the n bytes in its queue: HOLD_UNKNOWN where its worker has read some
 * of them since. *total and *unsafe are hold_judged's. */
enum hold_verdict connection_judge(int fd, size_t n, uint64_t *total,
	    bool *unsafe);

/* End the side that receives, for a server that waits for its client to. */
void	 connection_end(int fd);

#endif
