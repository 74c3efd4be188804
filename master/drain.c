#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "drain.h"
#include "halfopen.h"

enum {
	SLICE = 256,			/* descriptors between two polls */
	PASS_MS = 5,			/* between two looks at everything */
	SCAN_MS = 50,			/* between two looks for processes */
	FAMILY_MS = 1000,		/* … for those that have left the group */
	QUIET_MS = 100,			/* idle for so long: ended at once */
	SURE_MS = 250,			/* the kernel's delayed ACK is over */
	BUSY_FROM_MS = 300,		/* after so long busy ones are ended */
	BUSY_QUIET_MS = 8,		/* just after an answer … */
	BUSY_LEAST_MS = 2,		/* … but not between two parts of it */
	ENDED_MS = 500,			/* for a server to notice the end */
	CLEAN = 2,			/* passes: one may miss what is between
					   the queue and a descriptor */
};

/* What is known of one connection, from look to look. */
struct record {
	uint64_t inode;			/* 0: free */
	uint64_t received, sent;	/* bytes */
	unsigned pass;			/* that saw it last */
	unsigned quiet_ms;		/* as of the last look */
	unsigned paused_ms;		/* longest pause seen within an answer */
	bool	 again;			/* a request came after an answer */
	bool	 seen;			/* the fields above are of a look */
	bool	 answered;		/* as of the last look */
	int64_t	 ended_ms;		/* when we ended it; 0 */
};

enum in_hand {
	IN_HAND,			/* a request or part of an answer */
	SILENT,				/* its client has not spoken yet */
	ANSWERED,
};

struct seen {
	struct diag_tcp tcp;
	int	 unread, unsent, unacked;	/* bytes */
	bool	 prompt;		/* the last answer came before the
					   delayed ACK */
};

struct pids {
	pid_t	*pid;
	size_t	 n, size;
};

struct drain {
	const struct process *process;
	int	 seat;
	int64_t	 began_ms, limit_ms, next_ms;
	int64_t	 scan_ms, family_ms;	/* next look for its processes */
	unsigned pass;
	bool	 forbidden;		/* no duplicates to be had here */
	struct halfopen halfopen;

	struct pids group;		/* as of the last scan */
	struct pids strays;		/* processes that have left the group */
	size_t	 pid_index;		/* next of both lists */
	DIR	*dir;			/* descriptors of the one before */
	int	 pidfd;

	struct record *records;		/* hashed by inode, for all passes */
	size_t	 nrecords, size;	/* size is a power of 2 */

	struct drain_counts found;	/* so far in this pass */
	struct drain_counts counts;	/* by the last whole pass */
	unsigned waiting;		/* connections worth waiting for */
	unsigned clean;			/* passes in a row without any */
	bool	 half;			/* handshakes, as of its beginning */
};

struct drain *
drain_begin(const struct process *p, const struct listeners *ls, int seat,
    int64_t limit_ms, int64_t now_ms)
{
	struct drain *d;

	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->process = p;
	d->seat = seat;
	d->began_ms = now_ms;
	d->limit_ms = limit_ms;
	d->next_ms = now_ms;
	d->pidfd = -1;
	halfopen_begin(&d->halfopen, ls, limit_ms, now_ms);
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
	free(d->group.pid);
	free(d->strays.pid);
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
place(struct record *records, size_t size, const struct record *r)
{
	size_t i = (size_t)r->inode & (size - 1);

	while (records[i].inode != 0)
		i = (i + 1) & (size - 1);
	records[i] = *r;
}

/* Those that the last pass did not see are left behind. */
static int
rehash(struct drain *d)
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
		place(records, size, &d->records[i]);
		n++;
	}
	free(d->records);
	d->records = records;
	d->size = size;
	d->nrecords = n;
	return 0;
}

/* The record of a connection, a new one if need be; NULL with ENOMEM. */
static struct record *
find(struct drain *d, uint64_t inode)
{
	size_t i;

	if (2 * (d->nrecords + 1) > d->size && rehash(d) == -1)
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

static int
look(int fd, struct seen *s)
{
	int quickack = 0;
	socklen_t len = sizeof(quickack);

	memset(s, 0, sizeof(*s));
	if (diag_read(fd, &s->tcp) == -1 ||
	    ioctl(fd, SIOCINQ, &s->unread) == -1 ||
	    ioctl(fd, SIOCOUTQNSD, &s->unsent) == -1 ||
	    ioctl(fd, SIOCOUTQ, &s->unacked) == -1)
		return -1;
	if (getsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &quickack, &len) == 0)
		s->prompt = quickack == 0;
	return 0;
}

/* Milliseconds since a byte came or went. */
static unsigned
quiet(const struct seen *s)
{
	return s->tcp.sent_ms < s->tcp.received_ms ? s->tcp.sent_ms :
	    s->tcp.received_ms;
}

/*
 * The last data came and went in one tick of the kernel's clock (4 ms where
 * HZ is 250), so the times don't tell which was first. A client acknowledges
 * an answer with its next request, or by itself soon after it: while it has
 * not, or when it did so later, there is no next request. And a request that
 * were in hand for longer than a delayed ACK takes would have ended what the
 * kernel calls pingpong mode, which TCP_QUICKACK shows.
 */
static bool
answered_in_one_tick(const struct seen *s)
{
	if (s->unacked > 0)
		return true;
	if (s->tcp.acked_ms < s->tcp.received_ms)
		return true;
	return s->prompt && quiet(s) >= SURE_MS;
}

static enum in_hand
judge(const struct seen *s)
{
	const struct diag_tcp *t = &s->tcp;

	if (s->unread > 0 || s->unsent > 0)
		return IN_HAND;
	if (t->received == 0)
		return SILENT;
	if (t->sent == 0)
		return IN_HAND;
	if (t->received_ms != t->sent_ms)
		return t->received_ms < t->sent_ms ? IN_HAND : ANSWERED;
	return answered_in_one_tick(s) ? ANSWERED : IN_HAND;
}

/* Note what has changed since the last look. */
static void
remember(struct record *r, const struct seen *s, enum in_hand hand)
{
	const struct diag_tcp *t = &s->tcp;
	bool asked = t->received != r->received;
	bool told = t->sent != r->sent;

	if (r->seen && asked && r->sent > 0 && (told || r->answered))
		r->again = true;
	/* It had looked like answered, and went on without being asked. */
	if (r->seen && !asked && told && r->answered)
		r->paused_ms = r->quiet_ms > r->paused_ms ? r->quiet_ms :
		    r->paused_ms;
	r->seen = true;
	r->received = t->received;
	r->sent = t->sent;
	r->answered = hand == ANSWERED;
	r->quiet_ms = quiet(s);
}

/*
 * How long an answered connection must have been quiet before it is idle: an
 * answer that took its time, or paused before, may go on.
 */
static unsigned
patience(const struct record *r, const struct seen *s)
{
	unsigned took = 0, least = QUIET_MS;

	if (s->tcp.received_ms > s->tcp.sent_ms)
		took = s->tcp.received_ms - s->tcp.sent_ms;
	if (2 * took > least)
		least = 2 * took;
	if (4 * r->paused_ms > least)
		least = 4 * r->paused_ms;
	return least;
}

/*
 * A busy client sends its next request some time after an answer, so that the
 * next one is furthest away just after one. That the answer was whole is known
 * where the client has gone on to another request before.
 */
static bool
is_time(const struct drain *d, const struct record *r, const struct seen *s,
    enum in_hand hand, int64_t now_ms)
{
	switch (hand) {
	case IN_HAND:
		return false;
	case SILENT:
		return now_ms - d->began_ms >= d->limit_ms / 2;
	case ANSWERED:
		break;
	}
	if (quiet(s) >= patience(r, s))
		return true;
	return now_ms - d->began_ms >= BUSY_FROM_MS && r->again &&
	    quiet(s) >= BUSY_LEAST_MS && quiet(s) > 2 * r->paused_ms &&
	    quiet(s) <= BUSY_QUIET_MS;
}

/* Count a connection, and remember it. */
static enum in_hand
count(struct drain *d, struct record *r, const struct seen *s)
{
	enum in_hand hand = judge(s);

	d->found.connections++;
	d->found.in_hand += hand == IN_HAND;
	remember(r, s, hand);
	r->pass = d->pass;
	return hand;
}

/* Judge one connection, and end it if it is idle. */
static void
look_at(struct drain *d, int fd, uint64_t inode, int64_t now_ms)
{
	enum in_hand hand;
	struct record *r;
	struct seen s;

	if (look(fd, &s) == -1 || s.tcp.state == DIAG_CLOSE ||
	    s.tcp.state == DIAG_LISTEN)
		return;
	r = find(d, inode);
	if (r == NULL) {
		d->waiting++;
		return;
	}
	hand = count(d, r, &s);
	if (r->ended_ms == 0 && is_time(d, r, &s, hand, now_ms) &&
	    shutdown(fd, SHUT_RD) == 0)
		r->ended_ms = now_ms;
	if (hand == IN_HAND || r->ended_ms == 0 ||
	    now_ms - r->ended_ms < ENDED_MS)
		d->waiting++;
}

static unsigned
port_of(const struct sockaddr_storage *ss)
{
	if (ss->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)ss)->sin_port);
	if (ss->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)ss)->sin6_port);
	return 0;
}

/* Tell whether fd is a connection that came in by one of the listeners. */
static bool
is_ours(int fd, const struct listeners *ls)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	memset(&ss, 0, sizeof(ss));
	return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	    listeners_have_port(ls, port_of(&ss));
}

/* No duplicate: note the socket, for look_by_diag to find it again. */
static void
note_number(struct drain *d, int number)
{
	struct record *r;
	struct stat st;
	char name[16];

	snprintf(name, sizeof(name), "%d", number);
	if (fstatat(dirfd(d->dir), name, &st, 0) == -1 ||
	    !S_ISSOCK(st.st_mode))
		return;
	r = find(d, st.st_ino);
	if (r != NULL)
		r->pass = d->pass;
}

/* While the master has the duplicate, the worker's close sends no FIN. */
static void
look_at_number(struct drain *d, const struct listeners *ls, int number,
    int64_t now_ms)
{
	struct stat st;
	int fd;

	if (!d->forbidden) {
		fd = (int)syscall(SYS_pidfd_getfd, d->pidfd, number, 0);
		if (fd != -1) {
			if (fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode) &&
			    is_ours(fd, ls))
				look_at(d, fd, st.st_ino, now_ms);
			close(fd);
			return;
		}
		d->forbidden = errno == EPERM || errno == ENOSYS;
	}
	if (d->forbidden)
		note_number(d, number);
}

struct diag_look {
	struct drain *drain;
	const struct listeners *listeners;
	int64_t	 now_ms;
};

/* Connections that can't be ended are waited for while they are not idle. */
static void
look_by_diag(void *arg, const struct diag_socket *socket)
{
	struct diag_look *l = arg;
	struct drain *d = l->drain;
	enum in_hand hand;
	struct record *r;
	struct seen s;

	if (socket->inode == 0 ||
	    !listeners_have_port(l->listeners, socket->local_port))
		return;
	r = find(d, socket->inode);
	if (r == NULL || r->pass != d->pass)
		return;
	memset(&s, 0, sizeof(s));
	s.tcp = socket->tcp;
	s.unread = (int)socket->unread;
	s.unsent = (int)socket->tcp.unsent;
	s.unacked = (int)socket->unacked;
	hand = count(d, r, &s);
	if (hand == IN_HAND || (!is_time(d, r, &s, hand, l->now_ms) &&
	    quiet(&s) < patience(r, &s)))
		d->waiting++;
}

static void
add(struct pids *list, pid_t pid)
{
	pid_t *pids;
	size_t size;

	if (list->n == list->size) {
		size = list->size == 0 ? 16 : list->size * 2;
		pids = realloc(list->pid, size * sizeof(*pids));
		if (pids == NULL)
			return;
		list->pid = pids;
		list->size = size;
	}
	list->pid[list->n++] = pid;
}

static void	find_children(struct drain *, pid_t);

/* A file of a thread's children: proc_pid_task_tid_children(5). */
static void
read_children(struct drain *d, const char *path)
{
	FILE *f;
	int pid;

	f = fopen(path, "re");
	if (f == NULL)
		return;
	while (fscanf(f, "%d", &pid) == 1) {
		if (getpgid(pid) != d->process->group) {
			add(&d->strays, pid);
			find_children(d, pid);
		}
	}
	fclose(f);
}

/* Those of a process that have left the worker's group, and theirs. */
static void
find_children(struct drain *d, pid_t pid)
{
	const struct dirent *de;
	char path[288];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return;
	while ((de = readdir(dir)) != NULL) {
		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%.16s/children",
		    (int)pid, de->d_name);
		read_children(d, path);
	}
	closedir(dir);
}

static void
find_strays(struct drain *d)
{
	size_t i;

	d->strays.n = 0;
	for (i = 0; i < d->group.n; i++)
		find_children(d, d->group.pid[i]);
}

/* The worker's processes: its group, and less often those that have left
 * it. */
static void
find_processes(struct drain *d, int64_t now_ms)
{
	const struct dirent *de;
	pid_t pid;
	DIR *dir;

	dir = opendir("/proc");
	if (dir == NULL)
		return;
	d->group.n = 0;
	while ((de = readdir(dir)) != NULL) {
		pid = (pid_t)strtol(de->d_name, NULL, 10);
		if (pid <= 1)
			continue;
		if (getpgid(pid) == d->process->group)
			add(&d->group, pid);
	}
	closedir(dir);
	if (now_ms >= d->family_ms) {
		find_strays(d);
		d->family_ms = now_ms + FAMILY_MS;
	}
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

/* Returns true when each descriptor of each process has been looked at. */
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
	/* In the order in which a connection goes on: none slips through. */
	d->half = halfopen_left(&d->halfopen, now_ms);
	d->found.queued = listeners_depth(ls, d->seat);
	/* What seems to be clean is so only if no process is unknown. */
	if (now_ms >= d->scan_ms || d->clean > 0) {
		find_processes(d, now_ms);
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
	d->pid_index = 0;
	d->next_ms = now_ms + PASS_MS;
	if (d->waiting == 0 && d->found.queued == 0 && !d->half) {
		d->clean++;
		d->next_ms = now_ms;
	} else
		d->clean = 0;
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
