/*
 * For the tests of tasks: a run that must succeed, foreign threads, and what must hold when a test has ended.
 *
 * Nothing here sleeps to let something happen: a task that waits for a flag yields, a thread that does gives its core
 * away, and ctest's timeout ends what never comes.
 */
#ifndef TEST_TASK_HARNESS_H
#define TEST_TASK_HARNESS_H

#include <thrum.h>

#include "base/atomic.h"
#include "base/fault.h"
#include "base/random.h"
#include "fiber/stack.h"
#include "kit/kit.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What most tests are swept over: 16 workers on few cores are taken off them in every critical window. */
static const unsigned worker_counts[] = {1, 4, 2, 16};

/* valgrind runs one thread at a time: the first two counts tell as much there as all do. */
TH_UNUSED static unsigned count_worker_counts(void)
{
    return kit_is_valgrind() ? 2 : TH_COUNT_OF(worker_counts);
}

#define FOR_EACH_WORKER_COUNT(name)         \
    for (unsigned name##_at_ = 0, name = 0; \
         name##_at_ < count_worker_counts() && (name = worker_counts[name##_at_], true); name##_at_++)

/* Fewer where each step costs ten times as much. */
TH_UNUSED static int fewer(int count, int when_slow)
{
    return kit_is_slow() || kit_is_emulated() ? when_slow : count;
}

TH_UNUSED static void run_on(unsigned workers, thrum_fn main_task, void *arg)
{
    thrum_options options = {.workers = workers};
    CHECK_EQ(thrum_run_with(&options, main_task, arg), 0);
}

TH_UNUSED static void run_on_each_count(thrum_fn main_task)
{
    FOR_EACH_WORKER_COUNT(workers)
    run_on(workers, main_task, NULL);
}

TH_UNUSED static pthread_t start_thread(void *(*body)(void *), void *arg)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, body, arg), 0);
    return thread;
}

/* ---- Flags and counts that tasks and threads share ---- */

TH_UNUSED static void flag_set(th_atomic32 *flag)
{
    th_atomic32_store_release(flag, 1);
}

TH_UNUSED static bool flag_is_set(const th_atomic32 *flag)
{
    return th_atomic32_load_acquire(flag) != 0;
}

/* In a task: lets others run until the flag is set. In a thread: gives its core away. */
TH_UNUSED static void flag_wait(const th_atomic32 *flag)
{
    while (!flag_is_set(flag)) {
        thrum_yield();
        sched_yield();
    }
}

TH_UNUSED static void count_up(th_atomic32 *count)
{
    (void)th_atomic32_add_acqrel(count, 1);
}

TH_UNUSED static uint32_t count_of(const th_atomic32 *count)
{
    return th_atomic32_load_acquire(count);
}

TH_UNUSED static void count_wait(const th_atomic32 *count, uint32_t least)
{
    while (count_of(count) < least) {
        thrum_yield();
        sched_yield();
    }
}

/* ---- Small tasks ---- */

TH_UNUSED static int return_zero(void *arg)
{
    (void)arg;
    return 0;
}

TH_UNUSED static int return_value(void *arg)
{
    return (int)(intptr_t)arg;
}

TH_UNUSED static int count_me(void *arg)
{
    count_up(arg);
    return 0;
}

TH_UNUSED static int yield_and_count_me(void *arg)
{
    thrum_yield();
    count_up(arg);
    return 0;
}

TH_UNUSED static int set_my_flag(void *arg)
{
    flag_set(arg);
    return 0;
}

TH_UNUSED static int wait_for_my_flag(void *arg)
{
    flag_wait(arg);
    return 0;
}

TH_UNUSED static int wait_for_cancel(void *arg)
{
    (void)arg;
    while (!thrum_cancelled())
        thrum_yield();
    return -ECANCELED;
}

/* ---- What is left over ---- */

TH_UNUSED static int count_open_files(void)
{
    int count = 0;
    DIR *here = opendir("/proc/self/fd");
    CHECK(here != NULL);
    while (readdir(here) != NULL)
        count++;
    CHECK_EQ(closedir(here), 0);
    return count;
}

/* ---- Reports ---- */

TH_UNUSED static int lines_of(const char *text)
{
    int lines = 0;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines;
}

#endif
