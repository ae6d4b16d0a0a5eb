/* Workers of a runtime that does not run: their queues and their sleep are tried by hand. */
#ifndef TEST_SCHED_WORKERS_H
#define TEST_SCHED_WORKERS_H

#include "base/sys.h"
#include "kit/kit.h"
#include "sched/idle.h"
#include "sched/worker.h"

static inline struct thrum_runtime *make_workers(uint32_t count)
{
    struct thrum_runtime *runtime = th_sys_alloc_aligned(TH_NO_SHARING, sizeof *runtime);
    CHECK(runtime != NULL);
    *runtime = (struct thrum_runtime){.worker_count = count, .made = TH_ATOMIC_INIT(count)};
    runtime->workers = th_sys_alloc(count * sizeof *runtime->workers);
    CHECK(runtime->workers != NULL);
    for (uint32_t i = 0; i < count; i++) {
        runtime->workers[i] = th_sys_alloc_aligned(TH_NO_SHARING, sizeof(struct th_worker));
        CHECK(runtime->workers[i] != NULL);
        CHECK_EQ(th_worker_init(runtime->workers[i], runtime, i), 0);
    }
    return runtime;
}

static inline void free_workers(struct thrum_runtime *runtime)
{
    for (uint32_t i = 0; i < runtime->worker_count; i++) {
        th_worker_fini(runtime->workers[i]);
        th_sys_free(runtime->workers[i]);
    }
    th_sys_free(runtime->workers);
    th_sys_free(runtime);
}

#endif
