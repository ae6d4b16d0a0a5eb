/* What tests/observe/debugger_walks looks at: tasks that wait in several ways, and then an abort. */
#include <stdio.h>
#include <stdlib.h>
#include <thrum.h>

enum { TASKS = 300, DEPTH = 3 };

static thrum_semaphore semaphore = THRUM_SEMAPHORE_INIT(0);

/* Registers of many a caller live over the wait. */
static int wait_below(int depth)
{
    volatile int more = depth;
    int code = depth == 0 ? thrum_semaphore_acquire(&semaphore) : wait_below(depth - 1);
    return code + more - depth;
}

static int wait_for_ever(void *arg)
{
    (void)arg;
    return wait_below(DEPTH);
}

static int app(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < TASKS; i++) {
        if (thrum_spawn(&group, wait_for_ever, arg) < 0)
            return 1;
    }
    thrum_stats stats;
    do {
        thrum_yield();
        thrum_stats_read(&stats);
    } while (stats.parks < TASKS);
    abort();
}

int main(void)
{
    thrum_options options = {.workers = 1};
    return thrum_run_with(&options, app, NULL);
}
