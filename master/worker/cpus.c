#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/proc.h"
#include "master/worker/cpus.h"

static int
count_affinity(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) == -1)
		return (int)sysconf(_SC_NPROCESSORS_ONLN);
	return CPU_COUNT(&set);
}

/* What one cgroup's directory allows; INT_MAX: no limit. */
static int
read_quota(const char *dir)
{
	char path[PATH_MAX + 32], buf[PROC_MAX];
	long quota, period;

	snprintf(path, sizeof(path), "%s/cpu.max", dir);
	if (proc_read(path, buf, sizeof(buf)) > 0) {
		if (sscanf(buf, "%ld %ld", &quota, &period) != 2)
			return INT_MAX;
	} else {
		snprintf(path, sizeof(path), "%s/cpu.cfs_quota_us", dir);
		if (proc_read(path, buf, sizeof(buf)) <= 0)
			return INT_MAX;
		quota = strtol(buf, NULL, 10);
		snprintf(path, sizeof(path), "%s/cpu.cfs_period_us", dir);
		if (proc_read(path, buf, sizeof(buf)) <= 0)
			return INT_MAX;
		period = strtol(buf, NULL, 10);
	}
	if (quota <= 0 || period <= 0)
		return INT_MAX;
	return (int)((quota + period - 1) / period);
}

/* A limit of any cgroup above binds those below it. */
static int
find_least_quota(const char *root, const char *cgroup)
{
	char dir[PATH_MAX];
	int least, n;
	char *slash;

	least = INT_MAX;
	n = snprintf(dir, sizeof(dir), "%s%s", root, cgroup);
	if (n < 0 || (size_t)n >= sizeof(dir))
		return least;
	while (strlen(dir) >= strlen(root)) {
		n = read_quota(dir);
		if (n < least)
			least = n;
		slash = strrchr(dir, '/');
		if (slash == NULL)
			break;
		*slash = '\0';
	}
	return least;
}

static bool
has_word(const char *list, const char *word, const char *end)
{
	size_t len = strlen(word);
	const char *p;

	for (p = list; p + len <= end; p++) {
		if (strncmp(p, word, len) == 0 &&
		    (p == list || p[-1] == ',') &&
		    (p + len == end || p[len] == ','))
			return true;
	}
	return false;
}

/* Each line of /proc/self/cgroup is number:controllers:path. */
static int
find_quota(void)
{
	char buf[PROC_MAX];
	char *line, *rest, *first, *path;
	int least, n;

	least = INT_MAX;
	if (proc_read("/proc/self/cgroup", buf, sizeof(buf)) <= 0)
		return least;
	rest = buf;
	while ((line = strsep(&rest, "\n")) != NULL) {
		first = strchr(line, ':');
		path = first == NULL ? NULL : strchr(first + 1, ':');
		if (path == NULL)
			continue;
		n = INT_MAX;
		if (path == first + 1) {
			n = find_least_quota("/sys/fs/cgroup", path + 1);
			if (n == INT_MAX)
				n = find_least_quota(
				    "/sys/fs/cgroup/unified", path + 1);
		} else if (has_word(first + 1, "cpu", path))
			n = find_least_quota("/sys/fs/cgroup/cpu", path + 1);
		if (n < least)
			least = n;
	}
	return least;
}

int
cpus_usable(void)
{
	int cpus, limit;

	cpus = count_affinity();
	limit = find_quota();
	if (limit < cpus)
		cpus = limit;
	return cpus < 1 ? 1 : cpus;
}
