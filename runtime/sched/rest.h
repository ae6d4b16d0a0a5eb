/*
 * A runtime at rest: all its workers sleep, and nothing in it will wake one.
 *
 * Asked by a worker that has just told that it sleeps, as a holder of a permit (sched/idle.h) or as a spare
 * (sched/crew.h), and so is counted itself. At rest is
 *
 *   holders asleep = permits,  threads - spares = permits,  no timer armed,  no task in a queue, a lane, or the
 *   injection stack,  tasks alive,  nobody ever waited for a file descriptor, or nothing comes through one from outside
 *   (a simulated network: sched/seeded.h, is_apart)
 *
 * Of a holder and a spare that go to sleep at the same time one sees the other: each is counted, the one in
 * idle.counts, the other under the crew's lock, before it looks at both, and both pass through idle.counts by a
 * read-modify-write.
 *
 * If that holds at one moment it holds until somebody outside of the runtime acts: who sleeps pushes nothing, a worker
 * that is being woken is counted as awake before its waker leaves the list, and what comes from outside is in the
 * injection stack before its bringer looks at the counts [S1].
 *
 * A spare that goes for good is in between for a moment, neither asleep nor gone: it sees to it that somebody asks once
 * more (th_crew_gone).
 *
 * Who may act from outside is not known here: task/deadlock.h asks that, and then asks here once more.
 *
 * Explored by tests/model (model_rest).
 */
#ifndef TH_SCHED_REST_H
#define TH_SCHED_REST_H

#include "base/atomic.h"

struct thrum_runtime;

bool th_rest_is_reached(struct thrum_runtime *runtime);

/* Grows with whatever tasks begin, end or wait for: who sees the same number twice saw one rest. */
uint64_t th_rest_events(struct thrum_runtime *runtime);

/* The threads that the runtime has, and those of the library that look on and never wake a task. */
uint32_t th_rest_threads(struct thrum_runtime *runtime);
extern th_atomic32 th_rest_onlookers;

#endif
