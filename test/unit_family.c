/* Which processes are a worker's: forks, orphans, those that leave its group. */
#include <sys/prctl.h>
#include <sys/wait.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "master/worker/family.h"
#include "test/tap.h"

#define SOCKET "/run/unit/family.sock"

enum { LIFE_S = 60, NROUNDS = 200 };

static struct family family;
static struct family_pids pids;
static int report[2];			/* pids of the processes to look for */
static int hold[2];			/* ends with this program */
static unsigned random_state = 1;

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static int
draw(int below)
{
	random_state = random_state * 1103515245u + 12345u;
	return (int)(random_state >> 16) % below;
}

static void
stay(void)
{
	alarm(LIFE_S);
	for (;;)
		pause();
}

/* In a worker: say who we are, and stay. */
static void
say_and_stay(void)
{
	pid_t self = getpid();

	(void)!write(report[1], &self, sizeof(self));
	stay();
}

static void
fork_and_stay(void)
{
	if (fork() == 0)
		say_and_stay();
	stay();
}

/* The process between has been waited for when the orphan says who it is. */
static void
leave_orphan(void)
{
	pid_t parent;

	if (fork() == 0) {
		parent = getpid();
		if (fork() == 0) {
			while (kill(parent, 0) == 0)
				usleep(500);
			say_and_stay();
		}
		_exit(0);
	}
	wait(NULL);
	stay();
}

static void
leave_daemon(void)
{
	char *const argv[] = { "sh", "-c", "echo >&3; read line", NULL };
	char *const envp[] = { "CRR_SOCKET=" SOCKET, "CRR_WORKER_ID=3",
	    "CRR_GENERATION=7", "PATH=/bin:/usr/bin", NULL };
	pid_t self;

	if (fork() == 0) {
		setsid();
		if (fork() == 0) {
			self = getpid();
			(void)!write(report[1], &self, sizeof(self));
			dup2(hold[0], STDIN_FILENO);
			dup2(report[1], 3);
			close(hold[1]);
			execve("/bin/sh", argv, envp);
			_exit(1);
		}
		_exit(0);
	}
	wait(NULL);
	stay();
}

static void
leave_group(void)
{
	if (fork() == 0) {
		setsid();
		fork_and_stay();
	}
	stay();
}

/* Start a worker; what it says is read later. */
static pid_t
start(void (*life)(void))
{
	pid_t pid;

	pid = fork();
	if (pid == -1)
		fail("fork");
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		life();
	}
	setpgid(pid, pid);
	family_started(&family, pid);
	return pid;
}

static pid_t
read_pid(void)
{
	pid_t pid;

	if (read(report[0], &pid, sizeof(pid)) != sizeof(pid))
		fail("read");
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	if (waitpid(pid, NULL, 0) != pid)
		fail("waitpid");
	family_reaped(&family, pid);
}

static bool
has(pid_t pid)
{
	size_t i, n = 0;

	for (i = 0; i < pids.n; i++)
		n += pids.pid[i] == pid;
	return n == 1;
}

static bool
lists(pid_t leader, pid_t pid)
{
	return family_list(&family, leader, &pids) == 0 && has(leader) &&
	    has(pid);
}

static void
check_children(void)
{
	pid_t leader = start(fork_and_stay), child = read_pid();
	pid_t other = start(stay);

	ok(lists(leader, child) && pids.n == 2, "a child is its leader's");
	ok(family_list(&family, other, &pids) == 0 && pids.n == 1 &&
	    has(other), "and no other's");
	end(leader);
	ok(family_list(&family, other, &pids) == 0 && pids.n == 1,
	    "also when its leader has gone");
	end(child);
	end(other);
	leader = start(leave_group);
	child = read_pid();
	ok(lists(leader, child) && pids.n == 3,
	    "a child that leaves the group stays, and so do its own");
	end(leader);
	family.whole = false;
	ok(family_list(&family, leader, &pids) == 0 && !has(child),
	    "until it is an orphan");
	kill(child, SIGKILL);
	end(getpgid(child));
	end(child);
}

static void
check_orphans(void)
{
	const struct family_mark mark = { SOCKET, 3, 7 };
	const struct family_mark another = { SOCKET, 3, 8 };
	pid_t leader = start(leave_orphan), orphan = read_pid(), daemon;
	int i;

	ok(lists(leader, orphan) && pids.n == 2, "an orphan in the group");
	end(orphan);
	ok(family_list(&family, leader, &pids) == 0 && pids.n == 1,
	    "is none when it has gone");
	end(leader);
	leader = start(leave_daemon);
	daemon = read_pid();
	(void)!read(report[0], &(char){ 0 }, 1);
	/* The process between the two may not have been waited for yet. */
	for (i = 0; i < 500; i++) {
		if (family_list(&family, leader, &pids) == 0 && pids.n == 1)
			break;
		usleep(10000);
	}
	ok(i < 500, "a daemon is not in the group");
	ok(family_list_strays(&family, leader, &mark, &pids) == 0 &&
	    pids.n == 1 && has(daemon), "its environment tells whose it is");
	ok(family_list_strays(&family, leader, &another, &pids) == 0 &&
	    pids.n == 0, "and whose it is not");
	ok(family_kill_strays(&family, &another) == 0 &&
	    family_kill_strays(&family, &mark) == 1, "it is killed by that");
	end(daemon);
	end(leader);
}

/* Leaders that come and go in any order hide no orphan. */
static void
check_order(void)
{
	pid_t plain[8] = { 0 }, leader, orphan;
	int i, k, missed = 0;

	for (i = 0; i < NROUNDS; i++) {
		for (k = draw(4); k > 0; k--) {
			pid_t *p = &plain[draw(8)];

			if (*p != 0)
				end(*p);
			*p = *p == 0 ? start(stay) : 0;
		}
		if (draw(2) == 0)
			family_list(&family, getpid(), &pids);
		leader = start(leave_orphan);
		orphan = read_pid();
		for (k = 0; k < 8; k++) {
			if (draw(8) == 0 && plain[k] != 0) {
				end(plain[k]);
				plain[k] = 0;
			}
		}
		missed += !lists(leader, orphan) || pids.n != 2;
		if (draw(2) == 0) {
			end(orphan);
			missed += family_list(&family, leader, &pids) != 0 ||
			    pids.n != 1;
			end(leader);
		} else {
			end(leader);
			end(orphan);
		}
	}
	for (k = 0; k < 8; k++) {
		if (plain[k] != 0)
			end(plain[k]);
	}
	ok(missed == 0, "no order of starts and ends hides an orphan");
}

static void
check_all(void)
{
	check_children();
	check_orphans();
	check_order();
}

int
main(void)
{
	if (pipe(report) == -1 || pipe(hold) == -1)
		fail("pipe");
	family_begin(&family);
	if (family.children_fd == -1) {
		printf("1..0 # SKIP no lists of children here\n");
		return 0;
	}
	check_all();
	family_free_pids(&pids);
	family_end(&family);
	return done();
}
