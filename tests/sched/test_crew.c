/* The lanes of sched/crew.c, without threads: what is put into one, and who takes it back. */
#include "kit/kit.h"

#include "base/sys.h"
#include "sched/runtime.h"

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
