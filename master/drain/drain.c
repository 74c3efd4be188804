#include <sys/stat.h>
#include <sys/syscall.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/proc.h"
#include "base/timers.h"
#include "master/drain/connection.h"
#include "master/drain/drain.h"
#include "master/drain/kept.h"
#include "master/socket/diag.h"

enum {
	SLICE = 256,			/* descriptors between two polls */
	PASS_MS = 5,			/* between two passes */
	SCAN_MS = 50,			/* between two searches for processes */
	STRAYS_MS = 1000,		/* … for orphans outside the group */
	MISSED = 2,			/* passes, after which it is closed */
	CLEAN = 2,			/* passes: one may miss a connection on
					   its way from queue to descriptor */
};

struct drain {
	const struct process *process;
	struct family *family;
	int	 seat;
	struct drain_rules rules;
	int64_t	 began_ms, next_ms;
	int64_t	 pass_ms;		/* when the next pass begins */
	int64_t	 stopped_ms;		/* when the stop signal went; 0 */
	int64_t	 scan_ms, strays_ms;	/* next look for its processes */
	int64_t	 queued_ms;		/* when its queues were last not empty,
					   as far as is known */
	unsigned pass;
	bool	 last;			/* no new worker comes */
	bool	 forbidden;		/* pidfd_getfd(2) is not allowed */
	struct halfopen halfopen;

	struct family_pids group;	/* the leader's, as of the last scan */
	struct family_pids strays;	/* orphans' that have left the group */
	size_t	 pid_index;		/* of the next process in both lists */
	DIR	*dir;			/* descriptors of the process before */
	int	 pidfd;

	struct kept **kept;		/* a hash by inode, for all passes */
	size_t	 nkept, size;		/* size is a power of 2 */
	struct kept *held;		/* the ones that are held */
	int	 unseen;		/* errno of what could not be looked at
					   in this pass; 0 */
	bool	 told_unseen;

	struct drain_counts counts;	/* by the last whole pass */
	unsigned queued;		/* as of this pass */
	unsigned emptied_pass;		/* the first at whose beginning no
					   connection waited to be accepted; 0 */
	unsigned clean;			/* passes in a row with nothing to be
					   waited for */
	bool	 sure;			/* handshakes were looked for twice */
	bool	 half;			/* handshakes were half done when this
					   pass began */
};

struct drain *
drain_begin(const struct process *p, struct family *family,
    const struct listeners *ls, int seat, struct handshakes *handshakes,
    const struct drain_rules *rules, int64_t now_ms)
{
	struct drain *d;

	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->process = p;
	d->family = family;
	d->seat = seat;
	d->rules = *rules;
	d->began_ms = now_ms;
	d->next_ms = now_ms;
	d->queued_ms = now_ms;
	d->pidfd = -1;
	halfopen_begin(&d->halfopen, handshakes, ls, rules->limit_ms, now_ms);
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

static void
free_kept(struct drain *d)
{
	struct kept *k;
	size_t i;

	for (i = 0; i < d->size; i++) {
		while ((k = d->kept[i]) != NULL) {
			d->kept[i] = k->next;
			kept_release(k);
			free(k);
		}
	}
	free(d->kept);
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
	free_kept(d);
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

static struct kept **
find_list(const struct drain *d, uint64_t inode)
{
	return &d->kept[(size_t)inode & (d->size - 1)];
}

static int
grow_table(struct drain *d)
{
	struct kept **old = d->kept, **kept, *k;
	size_t i, nold = d->size, size = nold == 0 ? 64 : nold * 2;

	kept = calloc(size, sizeof(*kept));
	if (kept == NULL)
		return -1;
	d->kept = kept;
	d->size = size;
	for (i = 0; i < nold; i++) {
		while ((k = old[i]) != NULL) {
			old[i] = k->next;
			k->next = *find_list(d, k->inode);
			*find_list(d, k->inode) = k;
		}
	}
	free(old);
	return 0;
}

static struct kept *
find_kept(const struct drain *d, uint64_t inode)
{
	struct kept *k;

	if (d->size == 0)
		return NULL;
	for (k = *find_list(d, inode); k != NULL; k = k->next) {
		if (k->inode == inode)
			break;
	}
	return k;
}

/* What is known of a connection; of a new one, nothing. NULL with ENOMEM. */
static struct kept *
get_kept(struct drain *d, uint64_t inode)
{
	struct kept *k = find_kept(d, inode);

	if (k != NULL)
		return k;
	if (d->nkept >= d->size && grow_table(d) == -1)
		return NULL;
	k = calloc(1, sizeof(*k));
	if (k == NULL)
		return NULL;
	k->inode = inode;
	k->fd = -1;
	k->first_pass = d->pass;
	k->next = *find_list(d, inode);
	*find_list(d, inode) = k;
	d->nkept++;
	return k;
}

static struct kept_rules
find_rules(const struct drain *d, int64_t now_ms)
{
	return (struct kept_rules){
		.drain = {
			.drained_ms = now_ms - d->began_ms + 1,
			.limit_ms = d->rules.limit_ms,
			.idle_ms = d->rules.idle_ms,
		},
		.handoff = d->rules.handoff,
		.any = d->rules.any,
		.last = d->last,
		.ends = d->stopped_ms != 0,
		.ends_ms = d->stopped_ms == 0 ? 0 : now_ms - d->stopped_ms,
		.now_ms = now_ms,
	};
}

/* What can't be looked at is in hand. */
static void
note_unseen(struct drain *d, int error)
{
	d->unseen = error;
}

static void
look_at_connection(struct drain *d, int fd, const struct listeners *ls,
    int64_t now_ms)
{
	struct kept_rules rules = find_rules(d, now_ms);
	struct kept *k = NULL;
	uint64_t inode;
	int is_one;

	is_one = connection_find(fd, ls, &inode);
	if (is_one == 1)
		k = get_kept(d, inode);
	if (is_one == -1 || (is_one == 1 && k == NULL))
		note_unseen(d, errno);
	if (k == NULL) {
		close(fd);
		return;
	}
	k->pass = d->pass;
	k->is_connection = true;
	if (k->fd != -1) {
		close(fd);
		return;
	}
	kept_look(k, fd, &rules);
	if (k->fd != -1) {
		k->next_held = d->held;
		d->held = k;
	}
}

/* Without a duplicate, look_by_diag finds the socket by its inode. */
static void
note_socket(struct drain *d, int number)
{
	struct kept *k;
	struct stat st;
	char name[16];

	snprintf(name, sizeof(name), "%d", number);
	if (fstatat(dirfd(d->dir), name, &st, 0) == -1 ||
	    !S_ISSOCK(st.st_mode))
		return;
	k = get_kept(d, st.st_ino);
	if (k != NULL)
		k->pass = d->pass;
	else
		note_unseen(d, ENOMEM);
}

static void
look_at_number(struct drain *d, const struct listeners *ls, int number,
    int64_t now_ms)
{
	int fd;

	if (!d->forbidden) {
		fd = (int)syscall(SYS_pidfd_getfd, d->pidfd, number, 0);
		if (fd != -1) {
			look_at_connection(d, fd, ls, now_ms);
			return;
		}
		d->forbidden = errno == EPERM || errno == ENOSYS;
		/* It has been closed since, or its process has gone. */
		if (!d->forbidden && errno != EBADF && errno != ESRCH)
			note_unseen(d, errno);
	}
	if (d->forbidden)
		note_socket(d, number);
}

struct diag_look {
	struct drain *drain;
	const struct listeners *listeners;
	int64_t	 now_ms;
};

/* These connections can be neither held nor ended: each is waited for. */
static void
look_by_diag(void *arg, const struct diag_socket *socket)
{
	struct diag_look *l = arg;
	struct drain *d = l->drain;
	struct kept_rules rules = find_rules(d, l->now_ms);
	struct inhand_seen seen;
	struct kept *k;

	if (socket->inode == 0 ||
	    !listeners_have_port(l->listeners, socket->local_port))
		return;
	k = find_kept(d, socket->inode);
	if (k == NULL || k->pass != d->pass)
		return;
	connection_convert(socket, &seen);
	k->state = inhand_look(&k->hand, &seen);
	k->waits = inhand_waits(&k->hand, &seen, k->state, &rules.drain,
	    k->hand.paused_ms > 0 ? INHAND_UNTIL_IDLE : INHAND_UNTIL_ACKED);
	k->is_connection = true;
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

/* A zombie has gone; one that /proc hides has not. */
static bool
has_gone(pid_t pid)
{
	char stat[PROC_MAX];
	const char *state;

	if (kill(pid, 0) == -1 && errno == ESRCH)
		return true;
	if (proc_read_of(pid, "stat", stat, sizeof(stat)) <= 0)
		return false;
	state = strrchr(stat, ')');
	return state != NULL && (state[2] == 'Z' || state[2] == 'X');
}

static void
note_process(struct drain *d, pid_t pid, int error)
{
	if (!has_gone(pid))
		note_unseen(d, error);
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
		if (d->pidfd == -1 && errno != ENOSYS) {
			note_process(d, pid, errno);
			continue;
		}
		snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
		d->dir = opendir(path);
		if (d->dir == NULL) {
			note_process(d, pid, errno);
			close_dir(d);
		}
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
	d->unseen = 0;
	/* In the order in which a connection moves on, so none slips by. */
	d->half = !d->rules.leaves_queue &&
	    halfopen_left(&d->halfopen, ls, now_ms);
	d->queued = d->rules.leaves_queue ? 0 : listeners_depth(ls, d->seat);
	/* A pass is clean only if no process is unknown. */
	if (now_ms >= d->scan_ms || d->clean > 0) {
		if (find_processes(d, now_ms) == -1)
			note_unseen(d, errno);
		else
			d->scan_ms = now_ms + SCAN_MS;
	}
}

/* What has come since it was steered away is not of its beginning. */
static bool
is_old(const struct drain *d, const struct kept *k)
{
	return d->emptied_pass == 0 || k->first_pass <= d->emptied_pass;
}

static void
count_kept(struct drain *d, const struct kept *k, struct drain_counts *found)
{
	bool held = k->fd != -1 && k->hold.phase != HOLD_TAKEN;

	found->connections++;
	found->in_hand += k->waits && k->state != INHAND_SILENT;
	found->held += held;
	found->waiting += k->waits;
	found->waiting_old += k->waits && is_old(d, k);
	found->unheld += k->hold.timid && !k->hold.was_raised;
	found->remote += k->hold.http && !k->may;
}

/*
 * A connection that passes don't see any more has been closed by its worker:
 * it is not waited for, and what is held of it ends now. One pass may miss it
 * on its way from one process to another.
 */
static void
settle_missed(struct drain *d, struct kept *k, int64_t now_ms)
{
	struct kept_rules rules = find_rules(d, now_ms);

	k->waits = false;
	if (d->pass - k->pass >= MISSED)
		kept_end(k, &rules);
}

static void
count_all(struct drain *d, int64_t now_ms)
{
	struct drain_counts found = { .queued = d->queued };
	struct kept *k;
	size_t i;

	for (i = 0; i < d->size; i++) {
		for (k = d->kept[i]; k != NULL; k = k->next) {
			found.raised += k->hold.was_raised;
			if (k->pass != d->pass)
				settle_missed(d, k, now_ms);
			else if (k->is_connection)
				count_kept(d, k, &found);
		}
	}
	d->counts = found;
}

static void
tell_unseen(struct drain *d)
{
	if (d->unseen == 0 || d->told_unseen)
		return;
	d->told_unseen = true;
	log_warnx("worker %d: can't see all that it has in hand (%s), so "
	    "--drain is waited for", d->process->mark.id, strerror(d->unseen));
}

static bool
is_clean(struct drain *d, const struct listeners *ls, int64_t now_ms)
{
	if (d->queued > 0)
		d->queued_ms = now_ms;
	if (d->emptied_pass == 0 && d->queued == 0 && !d->half)
		d->emptied_pass = d->pass;
	if (d->unseen != 0 || d->counts.waiting > 0 || d->queued > 0 || d->half)
		return false;
	return !listeners_have_datagrams(ls) ||
	    now_ms - d->queued_ms >= d->rules.idle_ms;
}

static void
end_pass(struct drain *d, const struct listeners *ls, int64_t now_ms)
{
	struct diag_look l = { d, ls, now_ms };

	if (d->forbidden && diag_visit(((1U << DIAG_NSTATES) - 1) &
	    ~(1U << DIAG_LISTEN), look_by_diag, &l) == -1)
		note_unseen(d, errno);
	count_all(d, now_ms);
	tell_unseen(d);
	d->pid_index = 0;
	d->pass_ms = now_ms + PASS_MS;
	if (!is_clean(d, ls, now_ms)) {
		d->clean = 0;
		return;
	}
	d->clean++;
	/* While segments come in, not at once: a processor may be held up
	 * between two steps of a handshake. */
	if (d->sure || !halfopen_again(&d->halfopen, ls, now_ms))
		d->pass_ms = now_ms;
	d->sure = true;
}

/* Held connections are looked at more often than passes can be. */
static void
look_at_held(struct drain *d, int64_t now_ms)
{
	struct kept_rules rules = find_rules(d, now_ms);
	struct kept *k, **at = &d->held;

	while ((k = *at) != NULL) {
		kept_look_again(k, &rules);
		if (k->fd != -1) {
			timers_sooner(&d->next_ms, kept_next(k, now_ms));
			at = &k->next_held;
		} else
			*at = k->next_held;
	}
}

bool
drain_look(struct drain *d, const struct listeners *ls, int64_t now_ms)
{
	if (now_ms < d->next_ms)
		return false;
	d->next_ms = now_ms + PASS_MS;
	look_at_held(d, now_ms);
	if (now_ms >= d->pass_ms) {
		if (d->dir == NULL && d->pid_index == 0)
			begin_pass(d, ls, now_ms);
		if (look_at_slice(d, ls, now_ms))
			end_pass(d, ls, now_ms);
	}
	timers_sooner(&d->next_ms, d->pass_ms);
	return d->clean >= CLEAN;
}

bool
drain_only_new(const struct drain *d)
{
	return d->emptied_pass != 0 && d->pass > d->emptied_pass &&
	    d->unseen == 0 && d->counts.waiting_old == 0;
}

void
drain_again(struct drain *d)
{
	d->clean = 0;
	d->sure = false;
}

void
drain_last(struct drain *d)
{
	d->last = true;
}

bool
drain_stopping(struct drain *d, int64_t now_ms)
{
	if (d->stopped_ms != 0)
		return false;
	d->stopped_ms = now_ms;
	return true;
}

bool
drain_reply(struct drain *d, uint64_t inode, bool taken, int64_t now_ms)
{
	struct kept *k = find_kept(d, inode);

	if (k == NULL)
		return false;
	kept_replied(k, taken, now_ms);
	return true;
}

void
drain_end(struct drain *d, int64_t now_ms)
{
	struct kept_rules rules = find_rules(d, now_ms);
	struct kept *k;

	for (k = d->held; k != NULL; k = k->next_held)
		kept_end(k, &rules);
	d->held = NULL;
}
