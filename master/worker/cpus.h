/*
 * How many CPUs this process may use. Linux: cpus.c. A stand-in elsewhere:
 * cpus_none.c.
 */
#ifndef MASTER_WORKER_CPUS_H
#define MASTER_WORKER_CPUS_H

/*
 * Count the CPUs of this process's affinity, or as many as the quotas of its
 * cgroup and the cgroups above it amount to, rounded up, where these are
 * fewer. Where affinity and quotas can't be read, counts all CPUs. Returns at
 * least 1.
 */
int	 cpus_usable(void);

#endif
