/* What a task can do and ask about itself. */
#include "sched/park.h"
#include "task/life.h"

void thrum_yield(void)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return;
    if (TH_UNLIKELY(th_seeded_is_on())) {
        th_seeded_yield(self);
        return;
    }
    struct th_worker *worker = th_worker_of(self);
    th_worker_enter(worker);
    struct th_task *next = th_worker_pick(worker);
    /* Without a permit others are to go on, on this thread too, if it is not the task's own. */
    if (next == NULL && (th_worker_has_permit(worker) || (self->task->flags & TH_TASK_BOUND) != 0)) {
        th_worker_leave(worker);
        return;
    }
    th_queue_push_newest(&worker->ready, self->task);
    th_worker_switch(self, next);
}

uint64_t thrum_self_id(void)
{
    const struct th_task *self = th_task_self();
    return self != NULL ? self->id : 0;
}

const char *thrum_self_name(void)
{
    const struct th_task *self = th_task_self();
    return self != NULL && self->name != NULL ? self->name : "";
}

thrum_runtime *thrum_runtime_current(void)
{
    const struct th_task *self = th_task_self();
    if (self == NULL)
        return NULL;
    if (th_atomic32_load_relaxed(&self->runtime->is_known_outside) == 0)
        th_atomic32_store_relaxed(&self->runtime->is_known_outside, 1);
    return self->runtime;
}

unsigned thrum_workers(void)
{
    const struct th_task *self = th_task_self();
    return self != NULL ? self->runtime->worker_count : 0;
}
