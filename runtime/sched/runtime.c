#include "sched/runtime.h"

#include "base/sys.h"
#include "sched/idle.h"
#include "sched/worker.h"

bool th_runtime_is_drained(struct thrum_runtime *runtime)
{
    uint64_t finished = 0, spawned = 0;
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++)
        finished += th_atomic64_load_acquire(&runtime->workers[i]->finished); /* [Q1] */
    spawned = th_atomic64_load_acquire(&runtime->foreign_spawned);            /* [Q1] */
    /* Workers that were made meanwhile are counted too: what a new one finished, another may have spawned. */
    made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++)
        spawned += th_atomic64_load_acquire(&runtime->workers[i]->spawned); /* [Q1] */
    return finished == spawned;
}

static bool is_anybody_firing(const struct thrum_runtime *runtime)
{
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++) {
        if (th_atomic32_load_acquire(&runtime->workers[i]->is_firing) != 0) /* [Q4] */
            return true;
    }
    return false;
}

void th_runtime_stop_if_drained(struct thrum_runtime *runtime)
{
    if (th_atomic32_load_acquire(&runtime->phase) != TH_PHASE_CLOSING || !th_runtime_is_drained(runtime)) /* [Q2] */
        return;
    if (!th_inject_close(&runtime->inject))
        return;
    if (!TH_MUTANT(close_without_fence))
        th_fence_seqcst(); /* [Q3] */
    /* A task may have come in and been taken between the two looks, or be about to begin; then the end has to wait. */
    if (!TH_MUTANT(close_without_look) && (is_anybody_firing(runtime) || !th_runtime_is_drained(runtime))) {
        th_inject_reopen(&runtime->inject);
        /* Who found it closed by us and sleeps now, though the last task has ended meanwhile, looks again. */
        if (!TH_MUTANT(reopen_without_notice))
            th_idle_notify(runtime);
        return;
    }
    th_atomic32_store_release(&runtime->phase, TH_PHASE_STOPPED); /* [Q2] */
    th_idle_wake_all(runtime);
    th_crew_wake_all(&runtime->crew);
    th_monitor_notify(runtime);
}

void th_runtime_leave(struct thrum_runtime *runtime)
{
    /* The last touch, but for the futex's address. */
    if (th_atomic32_sub_release(&runtime->visitors, TH_VISITOR) == TH_VISITOR + 1) /* [V1] */
        (void)th_sys_futex_wake(&runtime->visitors, 1);
}

void th_runtime_await_visitors(struct thrum_runtime *runtime)
{
    uint32_t seen = th_atomic32_add_acquire(&runtime->visitors, 1) + 1; /* [V1] */
    while (seen != 1) {
        (void)th_sys_futex_wait(&runtime->visitors, seen, TH_SYS_FOREVER);
        seen = th_atomic32_load_acquire(&runtime->visitors); /* [V1] */
    }
}
