#include "sched/park.h"

#include "base/probe.h"

enum { WAKES_MOST = 256 }; /* kept back: few enough that others can begin with them while there are more to come */

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
    th_count(&worker->counters.parks);
    task->fiber->parked_at = worker->clock;
    TH_PROBE2(park, task->id, th_atomicptr_load_relaxed(&task->fiber->waits_as));
    th_worker_switch_then(task->fiber, th_worker_pick(worker), after, arg);
}

/* A wait that nobody ended who was told of it. */
static TH_NOINLINE void count_end(const struct th_task *task, uint32_t reason)
{
    struct th_counters *counters = &th_worker_of(task->fiber)->counters;
    if (reason == TH_WAKE_TIMER)
        th_count(&counters->ended_by_time);
    else if (reason == TH_WAKE_CANCEL || reason == TH_WAKE_DEADLINE)
        th_count(&counters->ended_by_scope);
}

uint32_t th_park(struct th_task *task)
{
    th_worker_enter(th_worker_of(task->fiber));
    if (TH_MUTANT(park_before_save))
        (void)th_wait_commit(task);
    th_park_with(task, commit, task);
    uint32_t reason = th_wait_reason(task);
    TH_PROBE2(resume, task->id, reason);
    if (TH_UNLIKELY(reason != TH_WAKE_PLAIN))
        count_end(task, reason);
    return reason;
}

void th_unpark_rest(struct th_wakes *wakes)
{
    if (wakes->count == 1)
        th_worker_wake(wakes->oldest);
    else if (wakes->count > 1)
        th_worker_wake_several(wakes->oldest, wakes->newest);
    *wakes = (struct th_wakes){0};
}

bool th_unpark_among(struct th_wakes *wakes, struct th_task *task, uint32_t epoch, uint32_t reason)
{
    enum th_wait_outcome outcome = th_wait_win(task, epoch, reason);
    if (outcome != TH_WAIT_ITS_WAKE)
        return outcome != TH_WAIT_LOST;
    if (wakes->count == WAKES_MOST || (wakes->count > 0 && wakes->newest->runtime != task->runtime))
        th_unpark_rest(wakes);
    task->next = NULL;
    if (wakes->count++ == 0)
        wakes->oldest = task;
    else
        wakes->newest->next = task;
    wakes->newest = task;
    return true;
}
