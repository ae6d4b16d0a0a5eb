/*
 * Parking: how a task waits. The one way; everything that blocks is built on it.
 *
 *     uint32_t epoch = th_wait_begin(task);
 *     ... tell somebody (task, epoch) ...
 *     uint32_t reason = th_park(task);
 *
 * Whoever wins the wait (th_wait_win) and gets TH_WAIT_ITS_WAKE calls th_worker_wake.
 *
 * Explored by tests/model (model_park), on real fibers.
 */
#ifndef TH_SCHED_PARK_H
#define TH_SCHED_PARK_H

#include "sched/wait.h"
#include "sched/worker.h"

/* The task that runs here: NULL on a foreign thread. */
TH_INLINE struct th_task *th_task_self(void)
{
    struct th_fiber *self = th_fiber_self();
    return self != NULL ? self->task : NULL;
}

/* Waits until the wait that was begun is won; returns why. Runs on another worker afterwards, perhaps. */
uint32_t th_park(struct th_task *task);

/* Leaves the running task for others, guard held, and runs `after` once its context is saved; that leaves the guard. */
void th_park_with(struct th_task *task, th_fiber_after *after, void *arg);

/* Wakes a task whose wait `epoch` is still on. */
TH_INLINE bool th_unpark(struct th_task *task, uint32_t epoch, uint32_t reason)
{
    enum th_wait_outcome outcome = th_wait_win(task, epoch, reason);
    if (outcome == TH_WAIT_ITS_WAKE)
        th_worker_wake(task);
    return outcome != TH_WAIT_LOST;
}

/* Tasks whose wait was won, of one runtime, linked through next: nobody else has them, and nobody runs them yet. */
struct th_wakes {
    struct th_task *oldest, *newest;
    uint32_t count;
};

/* The same as th_unpark, but that the task may stay with the caller's other wakes until th_unpark_rest. */
bool th_unpark_among(struct th_wakes *wakes, struct th_task *task, uint32_t epoch, uint32_t reason);
void th_unpark_rest(struct th_wakes *wakes);

#endif
