/*
 * How many processors the machine really grants this process: those it may run on, cut by the quotas of its cgroups.
 *
 * In a container the two differ: a process may run on all 64 processors, for 150 ms of every 100 ms. Workers beyond
 * the quota would only use it up sooner and then all stand still to the period's end.
 *
 * A quota holds for a cgroup and all below it, so the smallest of this process's cgroup and its ancestors counts.
 * What cannot be read limits nothing. Both versions of cgroups are asked; the second also where it is mounted beside
 * the first.
 */
#ifndef TH_BASE_CORES_H
#define TH_BASE_CORES_H

/* At least 1. */
int th_cores_granted(void);

/* What the cgroups alone grant, rounded up; INT_MAX: no limit. Files are looked for under `root`, "" but in tests. */
int th_cores_quota(const char *root);

#endif
