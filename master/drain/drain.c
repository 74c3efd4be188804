#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/drain/connection.h"
#include "master/drain/drain.h"
#include "master/drain/inhand.h"
#include "master/socket/diag.h"

enum {
	SLICE = 256,			/* descriptors between two polls */
	PASS_MS = 5,			/* between two passes */
	SCAN_MS = 50,			/* between two searches for processes */
	STRAYS_MS = 1000,		/* … for orphans outside the group */
	DATAGRAM_MS = 100,		/* for the answer to the last datagram,
					   which nobody can see */
	CLEAN = 2,			/* passes: one may miss a connection on
					   its way from queue to descriptor */
};

/* A connection, from pass to pass. */
struct record {
	uint64_t inode;			/* 0: free */
	unsigned pass;			/* that saw it last */
	struct inhand hand;
};

struct drain {
	const struct process *process;
	struct family *family;
	int	 seat;
	int64_t	 began_ms, limit_ms, next_ms;
	int64_t	 scan_ms, strays_ms;	/* next look for its processes */
	int64_t	 queued_ms;		/* when its queues were last not empty,
					   as far as is known */
	unsigned pass;
	bool	 forbidden;		/* pidfd_getfd(2) is not allowed */
	struct halfopen halfopen;

	struct family_pids group;	/* the leader's, as of the last scan */
	struct family_pids strays;	/* orphans' that have left the group */
	size_t	 pid_index;		/* of the next process in both lists */
	DIR	*dir;			/* descriptors of the process before */
	int	 pidfd;

	struct record *records;		/* a hash by inode, for all passes */
	size_t	 nrecords, size;	/* size is a power of 2 */

	struct drain_counts found;	/* so far in this pass */
	struct drain_counts counts;	/* by the last whole pass */
	unsigned waiting;		/* connections worth waiting for */
	unsigned clean;			/* passes in a row with none of them */
	bool	 sure;			/* handshakes were looked for twice */
	bool	 half;			/* handshakes were half done when this
					   pass began */
};

struct drain *
drain_begin(const struct process *p, struct family *family,
    const struct listeners *ls, int seat, struct handshakes *handshakes,
    int64_t limit_ms, int64_t now_ms)
{
	struct drain *d;

	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->process = p;
	d->family = family;
	d->seat = seat;
	d->began_ms = now_ms;
	d->limit_ms = limit_ms;
	d->next_ms = now_ms;
	d->queued_ms = now_ms;
	d->pidfd = -1;
	halfopen_begin(&d->halfopen, handshakes, ls, limit_ms, now_ms);
	return d;
}

static void
close_dir(struct drain *d)
{
	if (d->dir != NULL)
		closedir(d->dir);
	d->dir = NULL;
	if (d->pidfd != -1)
		close(d->pidfd);
	d->pidfd = -1;
}

void
drain_free(struct drain *d)
{
	if (d == NULL)
		return;
	close_dir(d);
	halfopen_free(&d->halfopen);
	family_free_pids(&d->group);
	family_free_pids(&d->strays);
	free(d->records);
	free(d);
}

int64_t
drain_next(const struct drain *d)
{
	return d->next_ms;
}

struct drain_counts
drain_counts(const struct drain *d)
{
	return d->counts;
}

static void
place_record(struct record *records, size_t size, const struct record *r)
{
	size_t i = (size_t)r->inode & (size - 1);

	while (records[i].inode != 0)
		i = (i + 1) & (size - 1);
	records[i] = *r;
}

/* A connection that the last pass did not see has ended: its record goes. */
static int
grow_records(struct drain *d)
{
	struct record *records;
	size_t i, size, n;

	size = d->size == 0 ? 64 : d->size * 2;
	records = calloc(size, sizeof(*records));
	if (records == NULL)
		return -1;
	n = 0;
	for (i = 0; i < d->size; i++) {
		if (d->records[i].inode == 0 ||
		    d->records[i].pass + 1 < d->pass)
			continue;
		place_record(records, size, &d->records[i]);
		n++;
	}
	free(d->records);
	d->records = records;
	d->size = size;
	d->nrecords = n;
	return 0;
}

/* The record of a connection, or a new one; NULL with ENOMEM. */
static struct record *
find_record(struct drain *d, uint64_t inode)
{
	size_t i;

	if (2 * (d->nrecords + 1) > d->size && grow_records(d) == -1)
		return NULL;
	i = (size_t)inode & (d->size - 1);
	while (d->records[i].inode != 0 && d->records[i].inode != inode)
		i = (i + 1) & (d->size - 1);
	if (d->records[i].inode == 0) {
		d->records[i].inode = inode;
		d->nrecords++;
	}
	return &d->records[i];
}

/* Milliseconds since the drain began, from 1. */
static int64_t
drained_for(const struct drain *d, int64_t now_ms)
{
	return now_ms - d->began_ms + 1;
}

static enum inhand_state
count_connection(struct drain *d, struct record *r,
    const struct inhand_seen *seen)
{
	enum inhand_state state = inhand_look(&r->hand, seen);

	d->found.connections++;
	d->found.in_hand += state == INHAND_BUSY;
	r->pass = d->pass;
	return state;
}

static void
look_at_connection(struct drain *d, int fd, const struct listeners *ls,
    int64_t now_ms)
{
	int64_t drained_ms = drained_for(d, now_ms);
	enum inhand_state state;
	enum inhand_deed deed;
	struct inhand_seen seen;
	struct record *r;
	uint64_t inode;

	if (connection_look(fd, ls, &inode, &seen) == -1)
		return;
	r = find_record(d, inode);
	if (r == NULL) {
		d->waiting++;
		return;
	}
	state = count_connection(d, r, &seen);
	deed = inhand_decide(&r->hand, &seen, state, drained_ms, d->limit_ms);
	if (connection_do(fd, deed) == 0)
		inhand_done(&r->hand, deed, drained_ms);
	d->waiting += inhand_waits(&r->hand, state, drained_ms);
}

/* Without a duplicate, look_by_diag finds the socket by its inode. */
static void
note_socket(struct drain *d, int number)
{
	struct record *r;
	struct stat st;
	char name[16];

	snprintf(name, sizeof(name), "%d", number);
	if (fstatat(dirfd(d->dir), name, &st, 0) == -1 ||
	    !S_ISSOCK(st.st_mode))
		return;
	r = find_record(d, st.st_ino);
	if (r != NULL)
		r->pass = d->pass;
}

/* While the master has the duplicate, the worker's close sends no FIN. */
static void
look_at_number(struct drain *d, const struct listeners *ls, int number,
    int64_t now_ms)
{
	int fd;

	if (!d->forbidden) {
		fd = (int)syscall(SYS_pidfd_getfd, d->pidfd, number, 0);
		if (fd != -1) {
			look_at_connection(d, fd, ls, now_ms);
			close(fd);
			return;
		}
		d->forbidden = errno == EPERM || errno == ENOSYS;
	}
	if (d->forbidden)
		note_socket(d, number);
}

struct diag_look {
	struct drain *drain;
	const struct listeners *listeners;
	int64_t	 now_ms;
};

/* These connections can't be ended, so each is waited for until it is idle. */
static void
look_by_diag(void *arg, const struct diag_socket *socket)
{
	struct diag_look *l = arg;
	struct drain *d = l->drain;
	enum inhand_state state;
	struct inhand_seen seen;
	struct record *r;

	if (socket->inode == 0 ||
	    !listeners_have_port(l->listeners, socket->local_port))
		return;
	r = find_record(d, socket->inode);
	if (r == NULL || r->pass != d->pass)
		return;
	connection_convert(socket, &seen);
	state = count_connection(d, r, &seen);
	if (!inhand_is_idle(&r->hand, &seen, state) &&
	    inhand_decide(&r->hand, &seen, state, drained_for(d, l->now_ms),
	    d->limit_ms) != INHAND_END)
		d->waiting++;
}

/* Processes that have left the group are looked for less often: each
 * orphan's environment must be read. */
static int
find_processes(struct drain *d, int64_t now_ms)
{
	if (family_list(d->family, d->process->group, &d->group) == -1)
		return -1;
	if (now_ms < d->strays_ms)
		return 0;
	if (family_list_strays(d->family, d->process->group, &d->process->mark,
	    &d->strays) == -1)
		return -1;
	d->strays_ms = now_ms + STRAYS_MS;
	return 0;
}

static bool
open_next(struct drain *d)
{
	char path[64];
	size_t i;
	pid_t pid;

	while (d->dir == NULL && d->pid_index < d->group.n + d->strays.n) {
		i = d->pid_index++;
		pid = i < d->group.n ? d->group.pid[i] :
		    d->strays.pid[i - d->group.n];
		d->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
		if (d->pidfd == -1)
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
		d->dir = opendir(path);
		if (d->dir == NULL)
			close_dir(d);
	}
	return d->dir != NULL;
}

/* Returns true at the end of the pass. */
static bool
look_at_slice(struct drain *d, const struct listeners *ls, int64_t now_ms)
{
	const struct dirent *de;
	int n;

	for (n = 0; n < SLICE; n++) {
		if (!open_next(d))
			return true;
		de = readdir(d->dir);
		if (de == NULL)
			close_dir(d);
		else if (de->d_name[0] != '.')
			look_at_number(d, ls,
			    (int)strtol(de->d_name, NULL, 10), now_ms);
	}
	return false;
}

static void
begin_pass(struct drain *d, const struct listeners *ls, int64_t now_ms)
{
	d->pass++;
	d->pid_index = 0;
	d->waiting = 0;
	memset(&d->found, 0, sizeof(d->found));
	/* In the order in which a connection moves on, so none slips by. */
	d->half = halfopen_left(&d->halfopen, ls, now_ms);
	d->found.queued = listeners_depth(ls, d->seat);
	/* A pass is clean only if no process is unknown. */
	if (now_ms >= d->scan_ms || d->clean > 0) {
		if (find_processes(d, now_ms) == -1)
			d->waiting++;
		else
			d->scan_ms = now_ms + SCAN_MS;
	}
}

static void
end_pass(struct drain *d, const struct listeners *ls, int64_t now_ms)
{
	struct diag_look l = { d, ls, now_ms };

	if (d->forbidden && diag_visit(((1U << DIAG_NSTATES) - 1) &
	    ~(1U << DIAG_LISTEN), look_by_diag, &l) == -1)
		d->waiting++;
	d->counts = d->found;
	if (d->found.queued > 0)
		d->queued_ms = now_ms;
	else if (listeners_have_datagrams(ls) &&
	    now_ms - d->queued_ms < DATAGRAM_MS)
		d->waiting++;
	d->pid_index = 0;
	d->next_ms = now_ms + PASS_MS;
	if (d->waiting > 0 || d->found.queued > 0 || d->half) {
		d->clean = 0;
		return;
	}
	d->clean++;
	/* While segments come in, not at once: a processor may be held up
	 * between two steps of a handshake. */
	if (d->sure || !halfopen_again(&d->halfopen, ls, now_ms))
		d->next_ms = now_ms;
	d->sure = true;
}

bool
drain_look(struct drain *d, const struct listeners *ls, int64_t now_ms)
{
	if (now_ms < d->next_ms)
		return false;
	if (d->dir == NULL && d->pid_index == 0)
		begin_pass(d, ls, now_ms);
	if (look_at_slice(d, ls, now_ms))
		end_pass(d, ls, now_ms);
	else
		d->next_ms = now_ms;
	return d->clean >= CLEAN;
}
