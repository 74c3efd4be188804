/*
 * A process.c for unit tests: no process, a clock that stands still, and a
 * record of what was asked for. A pid is the number of a start, from 1.
 */
#ifndef TEST_FAKE_PROCESS_H
#define TEST_FAKE_PROCESS_H

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "master/worker/process.h"

enum { FAKE_LIVES = 4096 };

/* What happened to one process. */
struct fake_life {
	int	 id, seat;
	unsigned generation;
	bool	 ended;
	bool	 leaves_rest;		/* when its leader ends */
	int	 signals, sig;		/* how many, the last one */
	int	 kills;
	int64_t	 started_ms, signal_ms, kill_ms;	/* the first of each */
};

static struct fake {
	int64_t	 now_ms;
	int64_t	 random;		/* -1: always the most */
	int	 fail_starts;		/* this many, from now on, fail */
	int	 starts;		/* that did not */
	int	 misuses;		/* calls for one that isn't there */
	struct fake_life life[FAKE_LIVES];	/* by pid */
} fake;

static inline void
fake_reset(void)
{
	memset(&fake, 0, sizeof(fake));
	fake.now_ms = 1000000;
}

/* What waitpid(2) says of an exit; of a signal it is the number itself. */
static inline int
fake_exit(int code)
{
	return code << 8;
}

int64_t
clock_now(void)
{
	return fake.now_ms;
}

int64_t
clock_random(int64_t n)
{
	if (fake.random == -1)
		return n - 1;
	return n == 0 ? 0 : fake.random % n;
}

void
process_init(struct process *p)
{
	memset(p, 0, sizeof(*p));
	p->channel_fd = -1;
	p->birth_fd = -1;
	p->trap_fd = -1;
}

int
process_start(struct process *p, const struct worker_rules *rules, int id,
    int seat)
{
	struct fake_life *life;

	if (p->pid != 0 || p->rest)
		fake.misuses++;
	if (fake.fail_starts > 0 || fake.starts + 1 == FAKE_LIVES) {
		fake.fail_starts--;
		errno = EAGAIN;
		return -1;
	}
	p->pid = p->group = ++fake.starts;
	life = &fake.life[p->pid];
	memset(life, 0, sizeof(*life));
	life->id = id;
	life->seat = seat;
	life->generation = rules->generation;
	life->started_ms = fake.now_ms;
	return 0;
}

enum process_news
process_birth(struct process *p, char *why, size_t size, int *code)
{
	(void)p;
	(void)why;
	(void)size;
	(void)code;
	return PROCESS_NONE;
}

/* The process of p; [0] where there is none. */
static inline struct fake_life *
fake_of(const struct process *p)
{
	if (p->pid == 0 || fake.life[p->pid].ended)
		fake.misuses++;
	return &fake.life[p->pid];
}

void
process_signal(const struct process *p, int sig)
{
	struct fake_life *life = fake_of(p);

	if (life->signals++ == 0)
		life->signal_ms = fake.now_ms;
	life->sig = sig;
}

void
process_kill(const struct process *p)
{
	struct fake_life *life = fake_of(p);

	if (life->kills++ == 0)
		life->kill_ms = fake.now_ms;
}

/* Processes above FAKE_CHILDREN are children of one whose pid is theirs less
 * that; strays are children of the master, and so is each leader. */
enum { FAKE_US = 1000000, FAKE_CHILDREN = 100000, FAKE_STRAYS = 200000 };

pid_t
process_group(pid_t pid)
{
	return pid < FAKE_CHILDREN ? pid : pid == FAKE_US ? FAKE_US : -1;
}

pid_t
process_parent(pid_t pid)
{
	if (pid >= FAKE_CHILDREN && pid < FAKE_STRAYS)
		return pid - FAKE_CHILDREN;
	return pid == FAKE_US ? 1 : FAKE_US;
}

bool
process_is_us(pid_t pid)
{
	return pid == FAKE_US;
}

bool
process_is_stray(const struct process *p, pid_t pid)
{
	return pid >= FAKE_STRAYS && p->pid == pid - FAKE_STRAYS;
}

void
process_ended(struct process *p)
{
	struct fake_life *life = fake_of(p);

	life->ended = true;
	p->rest = life->leaves_rest;
	p->pid = 0;
}

void
process_gone(struct process *p)
{
	p->rest = false;
	p->group = p->pid;
}

#endif
