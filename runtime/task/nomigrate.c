/* Tasks that have a thread of their own: sched/crew.h says how. */
#include <thrum/blocking.h>

#include "sched/park.h"

#include <errno.h>

/* Its registers are saved: whoever serves the lane may have it. */
static void enter_lane(struct th_fiber *left, void *arg)
{
    struct th_task *task = arg;
    struct th_worker *worker = th_worker_of(left);
    th_crew_put_aside(worker->runtime, TH_LANE_OWN, task);
    th_worker_leave(worker);
}

static int move_to_own_thread(struct th_fiber *self)
{
    struct th_worker *worker = th_worker_of(self);
    if (th_worker_is_seeded(worker))
        return 0;
    /* It was this task's, or that of one which ran on the same stack and has ended, and nobody has it yet. */
    if (worker->lane == TH_LANE_OWN)
        return 0;
    if (!worker->runtime->monitor.is_running)
        return -EOPNOTSUPP;
    if (!th_crew_claim_thread(&worker->runtime->crew))
        return -EAGAIN;
    th_worker_enter(worker);
    th_park_with(self->task, enter_lane, self->task);
    return 0;
}

int thrum_nomigrate_begin(void)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return 0;
    struct th_task *task = self->task;
    int code = (task->flags & TH_TASK_BOUND) != 0 ? 0 : move_to_own_thread(self);
    if (code < 0)
        return code;
    THRUM_CHECK((task->flags & TH_TASK_BOUND) != TH_TASK_BOUND, "thrum_nomigrate_begin: nested more than 255 deep");
    task->flags += TH_TASK_BOUND_ONE;
    return 0;
}

void thrum_nomigrate_end(void)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return;
    THRUM_CHECK((self->task->flags & TH_TASK_BOUND) != 0, "thrum_nomigrate_end without thrum_nomigrate_begin");
    self->task->flags -= TH_TASK_BOUND_ONE;
}
