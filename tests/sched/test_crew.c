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
    runtime->crew.lanes.of[TH_LANE_USER].most = 0;
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
    CHECK_EQ(th_queue_count(&runtime->crew.lanes.of[TH_LANE_USER].queue), 1);
    CHECK(th_crew_take_back(runtime, TH_LANE_USER, &task, &anothers));
    th_sys_free(runtime);
}

TEST(a_lane_may_have_what_others_do_not_keep_for_themselves)
{
    struct th_lanes lanes = {.shared = 0};
    th_lanes_init(&lanes, 2, 510);
    uint32_t blocking = 0, sum = lanes.shared;
    for (uint32_t kind = 0; kind < TH_LANES; kind++)
        sum += lanes.of[kind].least;
    CHECK_EQ(sum, 510);
    /* One takes all there is for all, and the others have their own left. */
    for (; th_lanes_room(&lanes, TH_LANE_BLOCKING) > 0; blocking++)
        th_lanes_begin(&lanes, TH_LANE_BLOCKING);
    CHECK_GE(blocking, 256);
    CHECK_EQ(lanes.shared, 0);
    for (uint32_t kind = TH_LANE_HOGS; kind < TH_LANES; kind++)
        CHECK_EQ(th_lanes_room(&lanes, kind), lanes.of[kind].least);
    th_lanes_begin(&lanes, TH_LANE_USER);
    th_lanes_end(&lanes, TH_LANE_BLOCKING);
    CHECK_EQ(th_lanes_room(&lanes, TH_LANE_USER), lanes.of[TH_LANE_USER].least);
    th_lanes_end(&lanes, TH_LANE_USER);
    for (; blocking > 1; blocking--)
        th_lanes_end(&lanes, TH_LANE_BLOCKING);
    for (uint32_t kind = 0; kind < TH_LANES; kind++)
        CHECK_EQ(th_lanes_room(&lanes, kind), lanes.of[kind].most);
}

TEST(few_threads_are_shared_out_all_the_same)
{
    for (uint32_t spares = 0; spares < 64; spares++) {
        struct th_lanes lanes = {.shared = 0};
        th_lanes_init(&lanes, 4, spares);
        CHECK_LE(lanes.shared, spares);
        for (uint32_t kind = 0; kind < TH_LANES; kind++)
            CHECK(th_lanes_room(&lanes, kind) > 0 || (kind == TH_LANE_HOGS && spares == 0));
    }
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
