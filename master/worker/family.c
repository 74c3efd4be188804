#include <sys/prctl.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "master/worker/family.h"

enum {
	ENVIRONMENT_MAX = 1 << 17,	/* bytes read of one process's */
};

int
family_die_with_parent(int sig, pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0) == -1)
		return -1;
	return getppid() == parent ? 0 : -1;
}

/* State and parent of a process. Returns 0, or -1 if there is none. */
static int
read_stat(pid_t pid, char *state, pid_t *parent)
{
	char buf[PROC_MAX];
	const char *p;

	if (proc_read_of(pid, "stat", buf, sizeof(buf)) <= 0)
		return -1;
	/* The name in brackets may hold anything; the last ) ends it. */
	p = strrchr(buf, ')');
	if (p == NULL || strlen(p) < 5)
		return -1;
	*state = p[2];
	*parent = (pid_t)strtol(p + 4, NULL, 10);
	return 0;
}

pid_t
family_parent(pid_t pid)
{
	char state;
	pid_t parent;

	return read_stat(pid, &state, &parent) == -1 ? -1 : parent;
}

/* An entry that ends with '=' is a name, with any value. */
static bool
env_has(const char *env, size_t len, const char *entry)
{
	size_t want = strlen(entry);
	const char *p, *end = env + len;

	for (p = env; p < end; p += strlen(p) + 1) {
		if (entry[want - 1] == '=' ? strncmp(p, entry, want) == 0 :
		    strcmp(p, entry) == 0)
			return true;
	}
	return false;
}

static bool
env_names(pid_t pid, const char *const *entries)
{
	char path[64], *env;
	bool all = false;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	f = fopen(path, "re");
	if (f == NULL)
		return false;
	env = malloc(ENVIRONMENT_MAX + 1);
	if (env != NULL) {
		len = fread(env, 1, ENVIRONMENT_MAX, f);
		env[len] = '\0';
		all = true;
		for (; *entries != NULL; entries++)
			all = all && env_has(env, len, *entries);
	}
	free(env);
	fclose(f);
	return all;
}

static bool
has_mark(pid_t pid, const struct family_mark *mark)
{
	char of[PATH_MAX + 16], worker[32], born[32];
	const char *const entries[] = { of, worker, born, NULL };

	snprintf(of, sizeof(of), "CRR_SOCKET=%s", mark->socket);
	snprintf(worker, sizeof(worker), "CRR_WORKER_ID=%d", mark->id);
	snprintf(born, sizeof(born), "CRR_GENERATION=%u", mark->generation);
	return env_names(pid, entries);
}

bool
family_is_stray(pid_t pid, const struct family_mark *mark)
{
	return family_parent(pid) == getpid() && has_mark(pid, mark);
}

static int
add_pid(struct family_pids *list, pid_t pid)
{
	pid_t *pids;
	size_t size;

	if (list->n == list->size) {
		size = list->size == 0 ? 16 : list->size * 2;
		pids = realloc(list->pid, size * sizeof(*pids));
		if (pids == NULL)
			return -1;
		list->pid = pids;
		list->size = size;
	}
	list->pid[list->n++] = pid;
	return 0;
}

/* Where pid is in a sorted list, or belongs. */
static size_t
find_place(const struct family_pids *list, pid_t pid)
{
	size_t low = 0, high = list->n, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (list->pid[middle] < pid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
is_leader(const struct family *f, pid_t pid)
{
	size_t i = find_place(&f->leaders, pid);

	return i < f->leaders.n && f->leaders.pid[i] == pid;
}

static bool
has_pid(const struct family_pids *list, pid_t pid)
{
	size_t i;

	for (i = 0; i < list->n; i++) {
		if (list->pid[i] == pid)
			return true;
	}
	return false;
}

void
family_free_pids(struct family_pids *pids)
{
	free(pids->pid);
	memset(pids, 0, sizeof(*pids));
}

/* The kernel keeps a list for each thread; the master has only one. */
void
family_begin(struct family *f)
{
	char path[64];

	memset(f, 0, sizeof(*f));
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children",
	    (int)getpid());
	f->children_fd = open(path, O_RDONLY | O_CLOEXEC);
}

void
family_end(struct family *f)
{
	if (f->children_fd != -1)
		close(f->children_fd);
	f->children_fd = -1;
	family_free_pids(&f->leaders);
	family_free_pids(&f->adopted);
	family_free_pids(&f->fresh);
}

/* Where memory is short, the leader counts as an orphan. It is in no other
 * worker's group and has no other worker's mark, so nobody is misled. */
void
family_started(struct family *f, pid_t leader)
{
	size_t i = find_place(&f->leaders, leader);

	if (add_pid(&f->leaders, leader) == -1)
		return;
	memmove(f->leaders.pid + i + 1, f->leaders.pid + i,
	    (f->leaders.n - 1 - i) * sizeof(pid_t));
	f->leaders.pid[i] = leader;
}

void
family_reaped(struct family *f, pid_t pid)
{
	size_t i;

	if (is_leader(f, pid)) {
		i = find_place(&f->leaders, pid);
		f->leaders.n--;
		memmove(f->leaders.pid + i, f->leaders.pid + i + 1,
		    (f->leaders.n - i) * sizeof(pid_t));
		return;
	}
	for (i = 0; i < f->adopted.n; i++) {
		if (f->adopted.pid[i] == pid)
			f->adopted.pid[i] = f->adopted.pid[--f->adopted.n];
	}
}

/* A number may be cut in two where one read(2) ends. */
static int
read_pids(int fd, struct family_pids *pids)
{
	char buf[PROC_MAX];
	pid_t pid = 0;
	ssize_t n, i;

	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (i = 0; i < n; i++) {
			if (buf[i] >= '0' && buf[i] <= '9')
				pid = pid * 10 + (buf[i] - '0');
			else if (pid != 0) {
				if (add_pid(pids, pid) == -1)
					return -1;
				pid = 0;
			}
		}
	}
	return n == -1 ? -1 : 0;
}

static int
visit_all(int (*visit)(void *, pid_t), void *arg)
{
	const struct dirent *de;
	int result = 0;
	pid_t pid;
	DIR *dir;

	dir = opendir("/proc");
	if (dir == NULL)
		return -1;
	while (result == 0 && (de = readdir(dir)) != NULL) {
		pid = (pid_t)strtol(de->d_name, NULL, 10);
		if (pid > 1)
			result = visit(arg, pid);
	}
	closedir(dir);
	return result;
}

static int
add_own(void *arg, pid_t pid)
{
	return family_parent(pid) == getpid() ? add_pid(arg, pid) : 0;
}

/* New children are the last ones in the kernel's list. */
static int
read_more(struct family *f)
{
	size_t i;

	f->fresh.n = 0;
	if ((f->children_fd == -1 ? visit_all(add_own, &f->fresh) :
	    read_pids(f->children_fd, &f->fresh)) == -1)
		return -1;
	f->nread += f->fresh.n;
	for (i = 0; i < f->fresh.n; i++) {
		if (!is_leader(f, f->fresh.pid[i]) &&
		    add_pid(&f->adopted, f->fresh.pid[i]) == -1)
			return -1;
	}
	return 0;
}

/*
 * Find all orphans that we have. The kernel counts on from the last child that
 * was read (get_children_pid of its fs/proc/array.c), so there are at most
 * nread children: where as many are known, none is unknown. A child that has
 * been reaped lets others move up to places that were read before: until new
 * leaders have filled those, everything is read again.
 */
static int
find_adopted(struct family *f)
{
	if (f->whole && read_more(f) == 0 &&
	    f->leaders.n + f->adopted.n == f->nread)
		return 0;
	f->whole = false;
	f->nread = 0;
	f->adopted.n = 0;
	if (f->children_fd != -1 && lseek(f->children_fd, 0, SEEK_SET) == -1)
		return -1;
	if (read_more(f) == -1)
		return -1;
	f->whole = f->children_fd != -1;
	return 0;
}

static bool
is_out_of_reach(int error)
{
	return error == ENOENT || error == ESRCH || error == EACCES ||
	    error == EPERM;
}

/* proc_pid_task_tid_children(5): each thread has a list of its own. */
static int
add_children_of_thread(struct family_pids *pids, int task_fd, const char *tid)
{
	int fd, error, result;
	char name[32];

	snprintf(name, sizeof(name), "%.16s/children", tid);
	fd = openat(task_fd, name, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return is_out_of_reach(errno) ? 0 : -1;
	result = read_pids(fd, pids);
	error = errno;
	close(fd);
	errno = error;
	return result == -1 && is_out_of_reach(error) ? 0 : result;
}

static int
add_children(struct family_pids *pids, pid_t pid)
{
	const struct dirent *de;
	int result = 0, error;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	dir = opendir(path);
	if (dir == NULL)
		return is_out_of_reach(errno) ? 0 : -1;
	while (result == 0 && (de = readdir(dir)) != NULL) {
		if (de->d_name[0] != '.')
			result = add_children_of_thread(pids, dirfd(dir),
			    de->d_name);
	}
	error = errno;
	closedir(dir);
	errno = error;
	return result;
}

/* With a mark, processes that have left the group are wanted, else its
 * members. */
static bool
is_root(pid_t pid, pid_t leader, const struct family_mark *mark)
{
	bool member = getpgid(pid) == leader;

	return mark == NULL ? member : !member && has_mark(pid, mark);
}

/*
 * Walk down from each process in the list, then from orphans. The orphans are
 * read last: a parent that ended before its children were read has left them
 * to us by then.
 */
static int
add_family(struct family *f, pid_t leader, const struct family_mark *mark,
    struct family_pids *pids)
{
	size_t i, done = 0;
	pid_t pid;

	do {
		for (; done < pids->n; done++) {
			if (add_children(pids, pids->pid[done]) == -1)
				return -1;
		}
		if (find_adopted(f) == -1)
			return -1;
		for (i = 0; i < f->adopted.n; i++) {
			pid = f->adopted.pid[i];
			if (is_root(pid, leader, mark) && !has_pid(pids, pid) &&
			    add_pid(pids, pid) == -1)
				return -1;
		}
	} while (done < pids->n);
	return 0;
}

struct members {
	pid_t	 group;
	struct family_pids *pids;
};

static int
add_member(void *arg, pid_t pid)
{
	const struct members *m = arg;

	return getpgid(pid) == m->group ? add_pid(m->pids, pid) : 0;
}

int
family_list(struct family *f, pid_t leader, struct family_pids *pids)
{
	struct members m = { leader, pids };

	pids->n = 0;
	if (f->children_fd == -1)
		return visit_all(add_member, &m);
	if (add_pid(pids, leader) == -1)
		return -1;
	return add_family(f, leader, NULL, pids);
}

int
family_list_strays(struct family *f, pid_t leader,
    const struct family_mark *mark, struct family_pids *pids)
{
	pids->n = 0;
	return add_family(f, leader, mark, pids);
}

int
family_kill_strays(struct family *f, const struct family_mark *mark)
{
	size_t i;
	int n = 0;

	if (find_adopted(f) == -1)
		return 0;
	for (i = 0; i < f->adopted.n; i++) {
		if (has_mark(f->adopted.pid[i], mark) &&
		    kill(f->adopted.pid[i], SIGKILL) == 0)
			n++;
	}
	return n;
}

/* A process of any worker of the socket. */
static bool
is_leaderless(pid_t pid, const char *socket)
{
	char of[PATH_MAX + 16];
	const char *const entries[] = { of, "CRR_WORKER_ID=", NULL };
	pid_t group = getpgid(pid), parent;
	char state;

	if (group == pid || group <= 1 ||
	    (read_stat(group, &state, &parent) == 0 && state != 'Z'))
		return false;
	snprintf(of, sizeof(of), "CRR_SOCKET=%s", socket);
	return env_names(pid, entries);
}

struct stop {
	const char *socket;
	int	 sig, n;
};

static int
stop_leaderless(void *arg, pid_t pid)
{
	struct stop *s = arg;

	if (is_leaderless(pid, s->socket) && kill(pid, s->sig) == 0)
		s->n++;
	return 0;
}

int
family_stop_orphans(const char *socket, int sig)
{
	struct stop s = { socket, sig, 0 };

	visit_all(stop_leaderless, &s);
	return s.n;
}
