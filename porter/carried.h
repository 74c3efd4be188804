/*
 * One connection that the porter has: watched until its request comes, then
 * carried: the request to who serves the address now, the answer back. One
 * request, then it ends.
 */
#ifndef PORTER_CARRIED_H
#define PORTER_CARRIED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/poller.h"
#include "base/porting.h"

struct carried;

/* Tells the master. */
typedef void carried_teller(uint64_t id, enum porting_news news);

/* Begin with an order and its descriptor, which is ours from here on. Returns
 * NULL if it ended at once, its news told. */
struct carried *carried_begin(const struct porting_order *order, int fd,
	    struct poller *poller, carried_teller *tell, int64_t now_ms);

/* Do what can be done without waiting, after an event of it or when it is due.
 * Returns false when it has ended, and is freed. */
bool	 carried_step(struct carried *c, int64_t now_ms);

/* When it is due though nothing happens; or 0. */
int64_t	 carried_due(const struct carried *c);

/* The list that its owner keeps. */
struct carried **carried_next(struct carried *c);

#endif
