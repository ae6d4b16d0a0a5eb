/* The lanes of sched/crew.c, without threads: what is put into one, and who takes it back. */
#include "kit/kit.h"

#include "base/sys.h"
#include "sched/runtime.h"
#include "sched/worker.h"

#include <sys/resource.h>

/* A runtime in which nobody runs anything: its lane has no room. */
static struct thrum_runtime *open_lanes(void)
{
    struct thrum_runtime *runtime = th_sys_alloc_zeroed(sizeof *runtime);
    CHECK(runtime != NULL);
    th_crew_init(&runtime->crew, 1, 64);
    runtime->crew.lanes[TH_LANE_USER].most = 0;
    return runtime;
}

TEST(what_is_taken_back_is_the_callers_own)
{
    struct thrum_runtime *runtime = open_lanes();
    static struct th_task task;
    int mine, anothers;
    task.arg = &mine;
    CHECK(!th_crew_take_back(runtime, TH_LANE_USER, &task, &mine));
    th_crew_put_aside(runtime, TH_LANE_USER, &task);
    CHECK(!th_crew_take_back(runtime, TH_LANE_FILES, &task, &mine));
    CHECK(th_crew_take_back(runtime, TH_LANE_USER, &task, &mine));
    CHECK(!th_crew_take_back(runtime, TH_LANE_USER, &task, &mine));
    /* The call has been made meanwhile, and its record is that of another call, which waits in the same lane. */
    task.arg = &anothers;
    th_crew_put_aside(runtime, TH_LANE_USER, &task);
    CHECK(!th_crew_take_back(runtime, TH_LANE_USER, &task, &mine));
    CHECK_EQ(th_queue_count(&runtime->crew.lanes[TH_LANE_USER].queue), 1);
    CHECK(th_crew_take_back(runtime, TH_LANE_USER, &task, &anothers));
    th_sys_free(runtime);
}

/* A worker with a permit whose thread has not begun, or is through: the monitor, which judges it, does not take itself
 * for that thread. */
TEST(who_has_no_thread_yet_does_not_count_less)
{
    struct thrum_runtime *runtime = open_lanes();
    struct th_worker *worker = th_sys_alloc_zeroed(sizeof *worker), *spare = th_sys_alloc_zeroed(sizeof *spare);
    CHECK(worker != NULL && spare != NULL);
    struct th_worker *workers[] = {spare, worker};
    int before = getpriority(PRIO_PROCESS, 0);
    runtime->workers = workers;
    th_atomic32_store_relaxed(&runtime->made, 2);
    runtime->worker_count = 1;
    runtime->crew.spares = spare;
    runtime->crew.spare_count = 1;
    worker->runtime = spare->runtime = runtime;
    worker->index = 1;
    th_atomic32_store_relaxed(&worker->permit, TH_PERMIT_BUSY);
    CHECK(th_crew_retake(worker, TH_LANE_HOGS));
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), before);
    CHECK(!worker->is_spent);
    th_sys_free(spare);
    th_sys_free(worker);
    th_sys_free(runtime);
}
