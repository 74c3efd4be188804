/*
 * Every way in which a worker becomes ready, by --ready: it listens, says so,
 * or has been alive for long enough.
 */
#ifndef MASTER_READY_H
#define MASTER_READY_H

#include "master/state.h"

/* The worker is ready, if it was starting: tell everybody. */
void	 ready_up(struct master *m, struct worker *w, int64_t now_ms);

/* Its command has been executed: where being alive for a while makes it ready,
 * note when that is. */
void	 ready_born(struct master *m, struct worker *w, int64_t now_ms);

/* Its process pid listens on l: with the last listener that is expected of it,
 * the worker is ready. */
void	 ready_listens(struct master *m, struct worker *w,
	    struct listener *l, pid_t pid, int64_t now_ms);

/* The process pid said READY. Returns false where it is no worker's. */
bool	 ready_said(struct master *m, pid_t pid, int64_t now_ms);

/* Read what has come by sd_notify: READY=1 of a worker's process counts. */
void	 ready_notified(struct master *m, int64_t now_ms);

/* The worker's time to become ready is over: note in w->missing what it does
 * not listen on, if it listens at all. */
void	 ready_note_missing(struct master *m, struct worker *w);

#endif
