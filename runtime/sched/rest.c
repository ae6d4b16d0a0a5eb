#include "sched/rest.h"

#include "sched/idle.h"
#include "sched/worker.h"

th_atomic32 th_rest_onlookers = TH_ATOMIC_INIT(0);

/* A worker that has no stack for its fresh tasks sleeps with them in its queue. */
static bool has_something_to_do(const struct th_worker *worker)
{
    return th_timers_next(&worker->timers) != INT64_MAX ||
           th_queue_count(&worker->fresh) + th_queue_count(&worker->ready) > 0;
}

static bool all_holders_sleep(struct thrum_runtime *runtime)
{
    uint32_t counts = th_atomic32_add_acqrel(&runtime->idle.counts, 0); /* [S1] */
    return counts >> 16 == runtime->worker_count;
}

/* Nobody without a permit is in a task, or about to be. */
static bool all_others_are_spares(struct thrum_runtime *runtime)
{
    struct th_crew *crew = &runtime->crew;
    th_lock_take(&crew->lock);
    bool they_are = crew->threads - crew->spare_count - crew->resting == runtime->worker_count &&
                    th_atomic32_load_relaxed(&crew->waiting) == 0;
    th_lock_leave(&crew->lock);
    return they_are;
}

static bool may_hear_of_others(const struct thrum_runtime *runtime)
{
    return th_runtime_poll_source(runtime) != NULL && !runtime->seeded.is_apart;
}

bool th_rest_is_reached(struct thrum_runtime *runtime)
{
    if (!all_holders_sleep(runtime) || may_hear_of_others(runtime) || !all_others_are_spares(runtime))
        return false;
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++) {
        if (has_something_to_do(runtime->workers[i]))
            return false;
    }
    if (th_runtime_is_drained(runtime))
        return false;
    /* Whoever was awake when the queues were looked at is seen here. */
    if (TH_MUTANT(rest_at_one_look))
        return true;
    return all_holders_sleep(runtime) && all_others_are_spares(runtime) && th_inject_is_empty(&runtime->inject);
}

uint64_t th_rest_events(struct thrum_runtime *runtime)
{
    uint64_t events = th_atomic64_load_relaxed(&runtime->foreign_spawned);
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++) {
        const struct th_worker *worker = runtime->workers[i];
        events += th_atomic64_load_relaxed(&worker->spawned) + th_atomic64_load_relaxed(&worker->finished) +
                  th_atomic64_load_relaxed(&worker->counters.parks);
    }
    return events;
}

uint32_t th_rest_threads(struct thrum_runtime *runtime)
{
    th_lock_take(&runtime->crew.lock);
    uint32_t threads = runtime->crew.threads + runtime->monitor.is_running;
    th_lock_leave(&runtime->crew.lock);
    return threads + th_atomic32_load_relaxed(&th_rest_onlookers);
}
