#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <linux/filter.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/drain/drain.h"
#include "master/drain/inhand.h"
#include "master/socket/diag.h"

enum {
	SLICE = 256,			/* descriptors between two polls */
	PASS_MS = 5,			/* between two looks at everything */
	SCAN_MS = 50,			/* between two looks for processes */
	STRAYS_MS = 1000,		/* … for orphans outside the group */
	DATAGRAM_MS = 100,		/* for the answer to the last one, which
					   nobody can see */
	CLEAN = 2,			/* passes: one may miss what is between
					   the queue and a descriptor */
};

/* A connection, from look to look. */
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
	bool	 forbidden;		/* no duplicates to be had here */
	struct halfopen halfopen;

	struct family_pids group;	/* the leader's, as of the last scan */
	struct family_pids strays;	/* orphans' that have left the group */
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
look(int fd, struct inhand_seen *s)
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

/* Let nothing in but bare acknowledgements and ends. What a filter drops is
 * sent again, as if it had been lost on its way. */
static int
close_gate(int fd)
{
	enum { HEADER_LENGTH = 12 };	/* TCP's, in words, upper 4 bits */
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, HEADER_LENGTH),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xf0),
		BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 2),
		BPF_STMT(BPF_MISC | BPF_TAX, 0),
		BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog prog = {
		.len = sizeof(code) / sizeof(code[0]),
		.filter = code,
	};
	socklen_t len = 0;

	/* The server's own, if it has one, stays. */
	if (getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &len) == -1 ||
	    len != 0)
		return -1;
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
	    sizeof(prog));
}

static int
open_gate(int fd)
{
	int unused = 0;

	return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &unused,
	    sizeof(unused));
}

static int
act(int fd, enum inhand_deed deed)
{
	switch (deed) {
	case INHAND_WAIT:
		break;
	case INHAND_GATE:
		return close_gate(fd);
	case INHAND_OPEN:
		return open_gate(fd);
	case INHAND_END:
		return shutdown(fd, SHUT_RD);
	}
	return 0;
}

/* Judge a connection, and count it. */
static enum inhand_state
count(struct drain *d, struct record *r, const struct inhand_seen *s)
{
	enum inhand_state state = inhand_look(&r->hand, s);

	d->found.connections++;
	d->found.in_hand += state == INHAND_BUSY;
	r->pass = d->pass;
	return state;
}

/* Milliseconds since the drain began, from 1. */
static int64_t
drained(const struct drain *d, int64_t now_ms)
{
	return now_ms - d->began_ms + 1;
}

/* Judge one connection, and end it if it is idle. */
static void
look_at(struct drain *d, int fd, uint64_t inode, int64_t now_ms)
{
	int64_t drained_ms = drained(d, now_ms);
	enum inhand_state state;
	enum inhand_deed deed;
	struct inhand_seen s;
	struct record *r;

	if (look(fd, &s) == -1 || s.tcp.state == DIAG_CLOSE ||
	    s.tcp.state == DIAG_LISTEN)
		return;
	r = find(d, inode);
	if (r == NULL) {
		d->waiting++;
		return;
	}
	state = count(d, r, &s);
	deed = inhand_decide(&r->hand, &s, state, drained_ms, d->limit_ms);
	if (act(fd, deed) == 0)
		inhand_done(&r->hand, deed, drained_ms);
	d->waiting += inhand_waits(&r->hand, state, drained_ms);
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
	enum inhand_state state;
	struct inhand_seen s;
	struct record *r;

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
	state = count(d, r, &s);
	if (!inhand_is_idle(&r->hand, &s, state) && inhand_decide(&r->hand, &s,
	    state, drained(d, l->now_ms), d->limit_ms) != INHAND_END)
		d->waiting++;
}

/* Those that have left the group by themselves are looked for less often: each
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
	d->half = halfopen_left(&d->halfopen, ls, now_ms);
	d->found.queued = listeners_depth(ls, d->seat);
	/* What seems to be clean is so only if no process is unknown. */
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
