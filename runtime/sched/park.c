#include "sched/park.h"

/* On the new stack, guard held: the parked task's registers are saved. Whoever has won by now found it awake, so it
 * is for us to make it ready. */
static void commit(struct th_fiber *left, void *arg)
{
    struct th_task *task = arg;
    struct th_worker *worker = th_worker_of(left);
    if (!th_wait_commit(task))
        th_worker_add_ready(worker, task);
    th_worker_leave(worker);
}

void th_park_with(struct th_task *task, th_fiber_after *after, void *arg)
{
    struct th_worker *worker = th_worker_of(task->fiber);
    th_worker_switch_then(task->fiber, th_worker_pick(worker), after, arg);
}

uint32_t th_park(struct th_task *task)
{
    th_worker_enter(th_worker_of(task->fiber));
    if (TH_MUTANT(park_before_save))
        (void)th_wait_commit(task);
    th_park_with(task, commit, task);
    return th_wait_reason(task);
}
