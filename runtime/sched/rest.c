#include "sched/rest.h"

#include "sched/idle.h"
#include "sched/worker.h"

/* A worker that has no stack for its fresh tasks sleeps with them in its queue. */
static bool has_something_to_do(const struct th_worker *worker)
{
    return th_timers_next(&worker->timers) != INT64_MAX ||
           th_queue_count(&worker->fresh) + th_queue_count(&worker->ready) > 0;
}

bool th_rest_is_reached(struct thrum_runtime *runtime)
{
    if (th_idle_sleeping(&runtime->idle) != runtime->worker_count || th_runtime_poll_source(runtime) != NULL)
        return false;
    for (uint32_t i = 0; i < runtime->worker_count; i++) {
        if (has_something_to_do(runtime->workers[i]))
            return false;
    }
    if (th_runtime_is_drained(runtime))
        return false;
    /* Whoever was awake when the queues were looked at is seen here. */
    uint32_t counts = th_atomic32_add_acqrel(&runtime->idle.counts, 0); /* [S1] */
    return counts >> 16 == runtime->worker_count && th_inject_is_empty(&runtime->inject);
}
