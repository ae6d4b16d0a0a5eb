/* thrum_stats: what is counted is what was done; read by anybody, at any time. */
#include "task/harness.h"

enum { CHILDREN = 100, WAITS = 50 };

static thrum_stats stats_now(void)
{
    thrum_stats stats;
    thrum_stats_read(&stats);
    return stats;
}

static int wait_often(void *arg)
{
    thrum_semaphore *semaphore = arg;
    int code = 0;
    for (int i = 0; i < WAITS && code == 0; i++)
        code = thrum_semaphore_acquire(semaphore);
    return code;
}

static int start_children(void *arg)
{
    (void)arg;
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < CHILDREN; i++)
        CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0);
    return thrum_group_wait(&group);
}

static int count_children(void *arg)
{
    (void)arg;
    thrum_stats before = stats_now();
    CHECK_EQ(before.runtimes, 1);
    CHECK_EQ(before.workers, thrum_workers());
    CHECK_GE(before.threads, before.workers);
    CHECK_EQ(start_children(NULL), 0);
    thrum_stats after = stats_now();
    CHECK_EQ(after.spawned - before.spawned, CHILDREN);
    CHECK_EQ(after.finished - before.finished, CHILDREN);
    CHECK_EQ(after.tasks, 1);
    return 0;
}

TEST(tasks_are_counted_when_they_start_and_end)
{
    run_on_each_count(count_children);
    CHECK_EQ(stats_now().runtimes, 0);
    CHECK_EQ(stats_now().spawned, 0);
}

static int count_waits(void *arg)
{
    (void)arg;
    thrum_semaphore semaphore = THRUM_SEMAPHORE_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, wait_often, &semaphore), 0);
    thrum_stats before = stats_now();
    for (int i = 0; i < WAITS; i++) {
        /* It begins when this one yields, and waits again each time. */
        thrum_yield();
        thrum_semaphore_release(&semaphore);
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_stats after = stats_now();
    CHECK_GE(after.parks - before.parks, WAITS);
    CHECK_GE(after.wakes - before.wakes, WAITS);
    CHECK_GT(after.dispatches, before.dispatches);
    return 0;
}

TEST(waits_and_wakes_are_counted)
{
    run_on(1, count_waits, NULL);
}

static int wait_in_vain(void *arg)
{
    (void)arg;
    thrum_semaphore semaphore = THRUM_SEMAPHORE_INIT(0);
    thrum_stats before = stats_now();
    /* Once more where the time was up before the wait began. */
    while (stats_now().parks_timed_out == before.parks_timed_out)
        CHECK_EQ(thrum_semaphore_acquire_until(&semaphore, thrum_now() + THRUM_MS(1)), -ETIMEDOUT);
    while (stats_now().parks_cancelled == before.parks_cancelled) {
        THRUM_TIMEOUT(THRUM_MS(1))
        CHECK_EQ(thrum_semaphore_acquire(&semaphore), -ETIMEDOUT);
    }
    thrum_stats after = stats_now();
    CHECK_EQ(after.parks_timed_out - before.parks_timed_out, 1);
    CHECK_EQ(after.parks_cancelled - before.parks_cancelled, 1);
    CHECK_GE(after.timers_fired - before.timers_fired, 2);
    return 0;
}

TEST(waits_that_time_or_a_scope_ends_are_counted_apart)
{
    run_on_each_count(wait_in_vain);
}

enum { HANDOVERS = 4000 };

static int answer_often(void *arg)
{
    thrum_semaphore *pair = arg;
    int code = 0;
    for (int i = 0; i < HANDOVERS && code == 0; i++) {
        code = thrum_semaphore_acquire(&pair[0]);
        thrum_semaphore_release(&pair[1]);
    }
    return code;
}

static char written[65536];

static unsigned long number_behind(const char *name)
{
    CHECK_STR_HAS(written, name);
    return strtoul(strstr(written, name) + strlen(name), NULL, 10);
}

/* Into `written`, through a pipe that has room for it. */
static void write_counters(int ends[2])
{
    CHECK_EQ(thrum_stats_write(ends[1]), 0);
    CHECK_EQ(close(ends[1]), 0);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], written + length, sizeof written - 1 - length)) > 0)
        length += (size_t)got;
}

static int hand_over_often(void *arg)
{
    thrum_semaphore pair[2] = {THRUM_SEMAPHORE_INIT(0), THRUM_SEMAPHORE_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, answer_often, pair), 0);
    for (int i = 0; i < HANDOVERS; i++) {
        thrum_semaphore_release(&pair[0]);
        CHECK_EQ(thrum_semaphore_acquire(&pair[1]), 0);
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    write_counters(arg);
    return 0;
}

TEST(how_long_woken_tasks_were_ready_is_counted_of_some)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    run_on(1, hand_over_often, ends);
    CHECK_EQ(close(ends[0]), 0);
    unsigned long count = number_behind("\nthrum_ready_seconds_count ");
    /* One in 488 dispatches at least. */
    CHECK_GE(count, HANDOVERS / 488);
    CHECK_LE(count, HANDOVERS);
    CHECK_EQ(number_behind("_bucket{le=\"+Inf\"} "), count);
    CHECK_LE(number_behind("_bucket{le=\"0.000001000\"} "), number_behind("_bucket{le=\"8.388608000\"} "));
}

/* ---- From outside, while runtimes come and go ---- */

static void *read_until_told(void *arg)
{
    while (!flag_is_set(arg)) {
        thrum_stats stats = stats_now();
        CHECK_LE(stats.runtimes, 1);
    }
    return NULL;
}

TEST(counters_are_read_while_runtimes_come_and_go)
{
    th_atomic32 is_over = TH_ATOMIC_INIT(0);
    pthread_t reader = start_thread(read_until_told, &is_over);
    for (int i = fewer(50, 10); i > 0; i--)
        run_on(2, start_children, NULL);
    flag_set(&is_over);
    CHECK_EQ(pthread_join(reader, NULL), 0);
}

static int write_text(void *arg)
{
    write_counters(arg);
    CHECK_STR_HAS(written, "# TYPE thrum_spawned_total counter\n");
    CHECK_STR_HAS(written, "thrum_dispatches_total{runtime=\"0\",worker=\"0\"} ");
    CHECK_STR_HAS(written, "\nthrum_tasks 1\n");
    CHECK_STR_HAS(written, "\nthrum_workers 1\n");
    CHECK_EQ(thrum_stats_write(-1), -EBADF);
    return 0;
}

TEST(counters_are_written_as_prometheus_reads_them)
{
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    run_on(1, write_text, ends);
    CHECK_EQ(close(ends[0]), 0);
}
