#include <sys/socket.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/passfd.h"
#include "master/worker/child.h"
#include "master/worker/process.h"

void
process_init(struct process *p)
{
	memset(p, 0, sizeof(*p));
	p->birth_fd = -1;
	p->trap_fd = -1;
	p->channel_fd = -1;
}

static void
close_pair(const int *pair)
{
	int error = errno;

	if (pair[0] != -1)
		close(pair[0]);
	if (pair[1] != -1)
		close(pair[1]);
	errno = error;
}

/* channel[] stays -1 where the worker is to have none. */
static int
open_pairs(int *birth, int *channel, bool node)
{
	channel[0] = channel[1] = -1;
	if (node && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
	    channel) == -1)
		return -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, birth) ==
	    -1) {
		close_pair(channel);
		return -1;
	}
	return 0;
}

/* A signal for the master must not run its handler in the child. */
static pid_t
fork_child(struct child *c)
{
	sigset_t all, before;
	pid_t pid;
	int error;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	pid = fork();
	error = errno;
	if (pid == 0)
		child_run(c);
	sigprocmask(SIG_SETMASK, &before, NULL);
	errno = error;
	return pid;
}

int
process_start(struct process *p, const struct worker_rules *rules, int id,
    int seat)
{
	int birth[2], channel[2];
	struct child child;
	pid_t pid;

	process_init(p);
	if (open_pairs(birth, channel, rules->launch->node) == -1)
		return -1;
	child_init(&child, rules, id, seat, birth[1], channel[1]);
	pid = fork_child(&child);
	if (pid == -1) {
		close_pair(birth);
		close_pair(channel);
		return -1;
	}
	close(birth[1]);
	if (channel[1] != -1)
		close(channel[1]);
	/* The child does the same: whoever is first, both find it done. */
	setpgid(pid, pid);
	family_started(rules->launch->family, pid);
	p->pid = pid;
	p->group = pid;
	p->birth_fd = birth[0];
	p->channel_fd = channel[0];
	p->mark.socket = rules->launch->socket;
	p->mark.id = id;
	p->mark.generation = rules->generation;
	return 0;
}

enum process_news
process_birth(struct process *p, char *why, size_t size, int *code)
{
	char buf[CHILD_SAYS_MAX];
	ssize_t n;
	int fd;

	n = passfd_receive(p->birth_fd, buf, sizeof(buf), &fd, MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return PROCESS_NONE;
	if (n > 0 && buf[0] == CHILD_SAYS_TRAP) {
		p->trap_fd = fd;
		return PROCESS_NONE;
	}
	close(p->birth_fd);
	p->birth_fd = -1;
	if (n < 2)
		return PROCESS_RUNS;
	*code = (unsigned char)buf[1];
	snprintf(why, size, "%.*s", (int)n - 2, buf + 2);
	return PROCESS_FAILED;
}

/* Below the leader; else *top is the last one below us, or some stranger. */
static bool
descends_from_leader(const struct process *p, pid_t pid, pid_t *top)
{
	int depth;

	for (depth = 0; depth < 64 && pid > 1 && pid != getpid(); depth++) {
		if (pid == p->pid)
			return true;
		*top = pid;
		pid = family_parent(pid);
	}
	return false;
}

pid_t
process_group(pid_t pid)
{
	return getpgid(pid);
}

pid_t
process_parent(pid_t pid)
{
	return family_parent(pid);
}

bool
process_is_us(pid_t pid)
{
	return pid == getpid();
}

bool
process_is_stray(const struct process *p, pid_t pid)
{
	return family_is_stray(pid, &p->mark);
}

void
process_signal(const struct process *p, int sig)
{
	pid_t pid = p->pid, top;

	/* Its number may have been given to a stranger. One that the leader
	 * can't wait for goes when the leader has. */
	if (p->listen_pid != 0 && (getpgid(p->listen_pid) == p->group ||
	    descends_from_leader(p, p->listen_pid, &top)))
		pid = p->listen_pid;
	if (pid != 0)
		kill(pid, sig);
}

void
process_kill(const struct process *p)
{
	if (p->group != 0)
		kill(-p->group, SIGKILL);
}

void
process_ended(struct process *p)
{
	if (p->birth_fd != -1)
		close(p->birth_fd);
	p->birth_fd = -1;
	if (p->channel_fd != -1)
		close(p->channel_fd);
	p->channel_fd = -1;
	p->pid = 0;
	p->listen_pid = 0;
	p->rest = p->trap_fd != -1;
	/* Without a trap nobody tells when the number is a stranger's. */
	if (!p->rest)
		p->group = 0;
}

void
process_gone(struct process *p)
{
	if (p->trap_fd != -1)
		close(p->trap_fd);
	p->trap_fd = -1;
	p->rest = false;
	p->group = p->pid;
}
