/*
 * A runtime at rest: all its workers sleep, and nothing in it will wake one.
 *
 * Asked by a worker that has just told that it sleeps (sched/idle.h), and so is counted itself. At rest is
 *
 *   workers asleep = workers,  no timer armed,  no task in a queue,  the injection stack empty,  tasks alive,
 *   nobody ever waited for a file descriptor
 *
 * If that holds at one moment it holds until somebody outside of the runtime acts: who sleeps pushes nothing, a worker
 * that is being woken is counted as awake before its waker leaves the list, and what comes from outside is in the
 * injection stack before its bringer looks at the counts [S1].
 *
 * Who may act from outside is not known here: task/deadlock.h asks that, and then asks here once more.
 */
#ifndef TH_SCHED_REST_H
#define TH_SCHED_REST_H

#include <stdbool.h>

struct thrum_runtime;

bool th_rest_is_reached(struct thrum_runtime *runtime);

#endif
