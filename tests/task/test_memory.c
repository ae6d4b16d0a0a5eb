/* What a runtime holds on to. */
#include "fiber/stack.h"
#include "task/harness.h"

#include <sys/mman.h>
static TH_NOINLINE int touch_deeply(int depth)
{
    volatile char frame[4096];
    frame[depth % 4096] = (char)depth;
    int below = depth == 0 ? 0 : touch_deeply(depth - 1);
    return below + frame[depth % 4096];
}

enum { BURST = 200 };

/* Each on a stack of its own: all have begun before any goes on. */
static int go_deep(void *arg)
{
    int *begun = arg;
    ++*begun;
    while (*begun < BURST)
        thrum_yield();
    return touch_deeply(40) == -1;
}

static size_t resident_of_stacks(void)
{
    size_t pages = 0;
    struct th_stack_counts counts;
    th_stack_count(&counts);
    unsigned char map[64];
    for (size_t slot = 0; slot < counts.slots_used; slot++) {
        if (mincore((void *)(th_stack_low((uint32_t)slot) - TH_GUARD_BYTES), sizeof map * 4096, map) != 0)
            continue;
        for (size_t i = 0; i < sizeof map; i++)
            pages += map[i] & 1;
    }
    return pages;
}

/* Deep stacks beyond those that the worker keeps at hand lose their pages once there is nothing to do. */
static int burst_then_idle(void *arg)
{
    (void)arg;
    thrum_group group = THRUM_GROUP_INIT;
    int begun = 0;
    for (int i = 0; i < BURST; i++)
        CHECK_EQ(thrum_spawn(&group, go_deep, &begun), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    size_t before = resident_of_stacks(), after = before;
    CHECK_GT(before, BURST * 40);
    for (int i = 0; i < 1000 && after > before / 2; i++) {
        CHECK_EQ(thrum_sleep(THRUM_MS(10)), 0);
        after = resident_of_stacks();
    }
    CHECK_LE(after, before / 2);
    return 0;
}

TEST(an_idle_runtime_gives_the_pages_of_deep_stacks_back)
{
    if (kit_is_slow())
        SKIP("sanitizers and Valgrind have pages of their own there");
    thrum_options one = {.workers = 1};
    CHECK_EQ(thrum_run_with(&one, burst_then_idle, NULL), 0);
}
