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
	ENVIRONMENT_MAX = 1 << 17,	/* bytes of a stranger's we look at */
};

void
family_adopt_orphans(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
}

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

/* Entries that end with '=' are names, of which any value will do. */
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

/* Tell whether a process was started with all of the entries. */
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

/* Send sig to each process that is one of those. */
static int
signal_each(bool (*is_one)(pid_t, const struct family_mark *),
    const struct family_mark *mark, int sig)
{
	const struct dirent *de;
	int n = 0;
	pid_t pid;
	DIR *dir;

	dir = opendir("/proc");
	if (dir == NULL)
		return 0;
	while ((de = readdir(dir)) != NULL) {
		pid = (pid_t)strtol(de->d_name, NULL, 10);
		if (pid > 1 && is_one(pid, mark) && kill(pid, sig) == 0)
			n++;
	}
	closedir(dir);
	return n;
}

bool
family_is_stray(pid_t pid, const struct family_mark *mark)
{
	char of[PATH_MAX + 16], worker[32], born[32];
	const char *const entries[] = { of, worker, born, NULL };

	if (family_parent(pid) != getpid())
		return false;
	snprintf(of, sizeof(of), "CRR_SOCKET=%s", mark->socket);
	snprintf(worker, sizeof(worker), "CRR_WORKER_ID=%d", mark->id);
	snprintf(born, sizeof(born), "CRR_GENERATION=%u", mark->generation);
	return env_names(pid, entries);
}

int
family_kill_strays(const struct family_mark *mark)
{
	return signal_each(family_is_stray, mark, SIGKILL);
}

/* Any worker's of the socket. */
static bool
is_leaderless(pid_t pid, const struct family_mark *mark)
{
	char of[PATH_MAX + 16];
	const char *const entries[] = { of, "CRR_WORKER_ID=", NULL };
	pid_t group = getpgid(pid), parent;
	char state;

	if (group == pid || group <= 1 ||
	    (read_stat(group, &state, &parent) == 0 && state != 'Z'))
		return false;
	snprintf(of, sizeof(of), "CRR_SOCKET=%s", mark->socket);
	return env_names(pid, entries);
}

int
family_stop_orphans(const char *socket, int sig)
{
	const struct family_mark any = { .socket = socket };

	return signal_each(is_leaderless, &any, sig);
}
