/*
 * What does a task cost: to yield, to start and wait for, to sleep, to come from outside?
 *
 * Each figure alone, by public functions, for profilers; bench/compare has the same beside other runtimes. The
 * argument is the number of workers. But for post, one call of run is a whole runtime, whose begin and end (50 us a
 * worker) stand in the figure, so the counts are large.
 *
 * spawn_N is a batch of N tasks and the wait for their group; spawn_yield_1000 the same where each task yields, and so
 * needs a stack of its own; start_join_N the same by handles, oldest first. sleep_crowd is a thousand tasks that sleep
 * a microsecond over and over; sleep_alone one task that does, so that its worker has nothing else and waits in the
 * kernel. post is a foreign thread that starts empty tasks, as fast as they are taken.
 */
#include "bench.h"

#include <thrum.h>

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

enum { CROWD = 1000, MANY = 1 << 20, FEW = 1 << 10 };

#define WORKERS \
    {           \
        1, 2    \
    }

static unsigned workers;

static void set_workers(int64_t arg)
{
    workers = (unsigned)arg;
}

static void must(int result)
{
    if (result < 0)
        bench_fail(thrum_strerror(result));
}

/* Runs a main task with the count of operations. */
static void run_with(thrum_fn main_task, int64_t count)
{
    thrum_options options = {.workers = workers};
    must(thrum_run_with(&options, main_task, &count));
}

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

/* ---- Yields ---- */

static int yielding(void *arg)
{
    for (int64_t left = *(int64_t *)arg; left > 0; left--)
        thrum_yield();
    return 0;
}

static int two_yielding(void *arg)
{
    int64_t each = *(int64_t *)arg / 2;
    thrum_group group = THRUM_GROUP_INIT;
    must(thrum_spawn(&group, yielding, &each));
    must(thrum_spawn(&group, yielding, &each));
    return thrum_group_wait(&group);
}

static void run_yield(int64_t count)
{
    run_with(two_yielding, count);
}

BENCH(yield, .setup = set_workers, .run = run_yield, .args = WORKERS, .count = MANY)

/* ---- Groups ---- */

static void spawn_batches(int64_t count, int64_t batch, thrum_fn body)
{
    for (int64_t done = 0; done < count; done += batch) {
        thrum_group group = THRUM_GROUP_INIT;
        for (int64_t i = 0; i < batch; i++)
            must(thrum_spawn(&group, body, NULL));
        must(thrum_group_wait(&group));
    }
}

static int yielding_once(void *arg)
{
    (void)arg;
    thrum_yield();
    return 0;
}

static int batches_of_1(void *arg)
{
    spawn_batches(*(int64_t *)arg, 1, nothing);
    return 0;
}

static int batches_of_10(void *arg)
{
    spawn_batches(*(int64_t *)arg, 10, nothing);
    return 0;
}

static int batches_of_1000(void *arg)
{
    spawn_batches(*(int64_t *)arg, 1000, nothing);
    return 0;
}

static int yielding_batches_of_1000(void *arg)
{
    spawn_batches(*(int64_t *)arg, 1000, yielding_once);
    return 0;
}

static void run_spawn_1(int64_t count)
{
    run_with(batches_of_1, count);
}

static void run_spawn_10(int64_t count)
{
    run_with(batches_of_10, count);
}

static void run_spawn_1000(int64_t count)
{
    run_with(batches_of_1000, count);
}

static void run_spawn_yield_1000(int64_t count)
{
    run_with(yielding_batches_of_1000, count);
}

BENCH(spawn_1, .setup = set_workers, .run = run_spawn_1, .args = WORKERS, .count = MANY)
BENCH(spawn_10, .setup = set_workers, .run = run_spawn_10, .args = WORKERS, .count = MANY)
BENCH(spawn_1000, .setup = set_workers, .run = run_spawn_1000, .args = WORKERS, .count = MANY)
BENCH(spawn_yield_1000, .setup = set_workers, .run = run_spawn_yield_1000, .args = WORKERS, .count = MANY)

/* ---- Handles ---- */

static void start_batches(int64_t count, int64_t batch)
{
    thrum_task *tasks[CROWD];
    for (int64_t done = 0; done < count; done += batch) {
        for (int64_t i = 0; i < batch; i++)
            must(thrum_task_start(&tasks[i], NULL, NULL, nothing, NULL));
        for (int64_t i = 0; i < batch; i++)
            must(thrum_join(tasks[i], NULL));
    }
}

static int handles_of_1(void *arg)
{
    start_batches(*(int64_t *)arg, 1);
    return 0;
}

static int handles_of_1000(void *arg)
{
    start_batches(*(int64_t *)arg, CROWD);
    return 0;
}

static void run_start_join_1(int64_t count)
{
    run_with(handles_of_1, count);
}

static void run_start_join_1000(int64_t count)
{
    run_with(handles_of_1000, count);
}

BENCH(start_join_1, .setup = set_workers, .run = run_start_join_1, .args = WORKERS, .count = MANY)
BENCH(start_join_1000, .setup = set_workers, .run = run_start_join_1000, .args = WORKERS, .count = MANY)

/* ---- Sleep ---- */

static int sleeping(void *arg)
{
    for (int64_t left = *(int64_t *)arg; left > 0; left--)
        must(thrum_sleep(THRUM_US(1)));
    return 0;
}

static int crowd_sleeping(void *arg)
{
    int64_t each = *(int64_t *)arg / CROWD;
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < CROWD; i++)
        must(thrum_spawn(&group, sleeping, &each));
    return thrum_group_wait(&group);
}

static void run_sleep_crowd(int64_t count)
{
    run_with(crowd_sleeping, count);
}

static void run_sleep_alone(int64_t count)
{
    run_with(sleeping, count);
}

BENCH(sleep_crowd, .setup = set_workers, .run = run_sleep_crowd, .args = WORKERS, .count = MANY)
BENCH(sleep_alone, .setup = set_workers, .run = run_sleep_alone, .args = WORKERS, .count = FEW)

/* ---- From outside ---- */

static pthread_t server;
static _Atomic(thrum_runtime *) open_runtime;
static atomic_bool is_over;
static atomic_int_least64_t posts_run;

static int serve_until_over(void *arg)
{
    (void)arg;
    open_runtime = thrum_runtime_current();
    while (!is_over)
        must(thrum_sleep(THRUM_MS(1)));
    return 0;
}

static void *serve(void *arg)
{
    run_with(serve_until_over, 0);
    return arg;
}

static void open_server(int64_t arg)
{
    set_workers(arg);
    open_runtime = NULL;
    is_over = false;
    if (pthread_create(&server, NULL, serve, NULL) != 0)
        bench_fail("no thread");
    while (open_runtime == NULL)
        continue;
}

static void close_server(void)
{
    is_over = true;
    pthread_join(server, NULL);
}

static int count_post(void *arg)
{
    (void)arg;
    posts_run++;
    return 0;
}

static void run_post(int64_t count)
{
    posts_run = 0;
    for (int64_t posted = 0; posted < count;) {
        if (thrum_post(open_runtime, count_post, NULL) == 0)
            posted++;
        else
            sched_yield(); /* 256 wait already */
    }
    while (posts_run < count)
        sched_yield();
}

BENCH(post, .setup = open_server, .run = run_post, .teardown = close_server, .args = WORKERS)
