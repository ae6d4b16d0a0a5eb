#include "kit/kit.h"

#include <thrum.h>

#include "base/compiler.h"

#include <signal.h>
#include <string.h>

static volatile int depth_most = INT32_MAX; /* so that the compiler cannot see that it is endless */

static TH_NOINLINE int recurse(int depth)
{
    volatile char frame[256];
    frame[depth % 256] = (char)depth;
    return depth == depth_most ? 0 : recurse(depth + 1) + frame[(depth + 1) % 256];
}

static int run_too_deep(void *arg)
{
    if (arg != NULL)
        thrum_yield(); /* on a stack of its own by then */
    return recurse(0);
}

/* Starts the deep task by name; it runs in place in the join, or, if the main task yields first, on its own stack. */
static int start_named(void *arg)
{
    thrum_task_options options = {.name = "deep"};
    thrum_task *task;
    int code = thrum_task_start(&task, NULL, &options, run_too_deep, arg);
    if (code < 0)
        return code;
    for (int i = 0; arg != NULL && i < 100; i++)
        thrum_yield();
    return thrum_join(task, NULL);
}

static void overflow_with_one_worker(void *arg)
{
    thrum_options one = {.workers = 1};
    (void)thrum_run_with(&one, start_named, arg);
}

TEST(an_overflow_names_the_task_wherever_it_runs)
{
    static struct kit_outcome outcome;
    static char own_stack;
    void *ways[] = {NULL, &own_stack};
    for (size_t i = 0; i < TH_COUNT_OF(ways); i++) {
        kit_in_child(overflow_with_one_worker, ways[i], &outcome);
        CHECK_STR_HAS(outcome.errors, "thrum: stack overflow: task 2 (deep) used all of its 256 KiB");
        CHECK_EQ(outcome.signo, SIGSEGV);
    }
}
