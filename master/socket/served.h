/*
 * Which workers listen on what, and what a whole generation serves: the next
 * one is not ready without it. Knows listeners, and workers by seat, generation
 * and leader's pid alone.
 */
#ifndef MASTER_SOCKET_SERVED_H
#define MASTER_SOCKET_SERVED_H

#include <sys/types.h>

#include <stdbool.h>
#include <stddef.h>

#include "master/socket/listener.h"

/* Note that a worker, known by its leader's pid, listens in a seat. */
void	 served_hear(struct listeners *ls, struct listener *l, int seat,
	    pid_t leader);

/* Tell whether a worker listens on all that a whole generation served, -l's
 * apart. True before any generation was whole. */
bool	 served_is_heard(const struct listeners *ls, int seat, pid_t leader);

/*
 * Count the addresses that served_is_heard misses. If there are any, write to
 * text what the worker does and what it does not: "listens on 127.0.0.1:80 but
 * not on 127.0.0.1:81". Returns the number.
 */
int	 served_tell_missing(const struct listeners *ls, int seat,
	    pid_t leader, char *text, size_t size);

/*
 * Note that all workers are of a generation now: close the listeners, -l's
 * apart, that it did not ask for, and expect the next one to listen on those
 * that the largest number of its workers asked for. What has a worker's id or
 * pid in its name is thus not expected, nor is what is only bound.
 */
void	 served_complete(struct listeners *ls, unsigned generation);

#endif
