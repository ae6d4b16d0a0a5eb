/* thrum_run: from nothing to a runtime and back, once, often, and several at once. */
#include "base/cores.h"
#include "task/harness.h"

#include <sys/resource.h>
#include <time.h>

TEST(the_result_of_a_run_is_the_main_tasks)
{
    CHECK_EQ(thrum_run(return_value, (void *)(intptr_t)7), 7);
    CHECK_EQ(thrum_run(return_value, (void *)(intptr_t)-5), -5);
    FOR_EACH_WORKER_COUNT(workers)
    {
        thrum_options options = {.workers = workers};
        CHECK_EQ(thrum_run_with(&options, return_value, (void *)(intptr_t)workers), (int)workers);
    }
}

static int run_inside(void *arg)
{
    (void)arg;
    uint64_t self = thrum_self_id();
    thrum_runtime *runtime = thrum_runtime_current();
    CHECK_EQ(thrum_run(return_value, (void *)(intptr_t)3), 3);
    thrum_options options = {.workers = 5};
    CHECK_EQ(thrum_run_with(&options, return_value, (void *)(intptr_t)-3), -3);
    CHECK_EQ(thrum_self_id(), self);
    CHECK_PTR_EQ(thrum_runtime_current(), runtime);
    CHECK_EQ(thrum_workers(), 2);
    return 0;
}

TEST(a_run_inside_a_task_runs_inline)
{
    run_on(2, run_inside, NULL);
}

TEST(outside_of_tasks_there_is_no_self)
{
    CHECK_EQ(thrum_self_id(), 0);
    CHECK_STR_EQ(thrum_self_name(), "");
    CHECK_EQ(thrum_workers(), 0);
    CHECK_PTR_EQ(thrum_runtime_current(), NULL);
    CHECK(!thrum_cancelled());
    CHECK_EQ(thrum_cancel_reason(), THRUM_NOT_CANCELLED);
    thrum_yield();
}

/* ---- Options ---- */

static int give_workers(void *arg)
{
    (void)arg;
    return (int)thrum_workers();
}

TEST(workers_come_from_the_option_or_the_variable_or_the_cores)
{
    thrum_options two = {.workers = 2};
    unsetenv("THRUM_WORKERS");
    CHECK_EQ(thrum_run(give_workers, NULL), th_cores_granted());
    setenv("THRUM_WORKERS", "", 1);
    CHECK_EQ(thrum_run(give_workers, NULL), th_cores_granted());
    setenv("THRUM_WORKERS", "3", 1);
    CHECK_EQ(thrum_run(give_workers, NULL), 3);
    CHECK_EQ(thrum_run_with(&two, give_workers, NULL), 2);
    CHECK_EQ(thrum_run_with(NULL, give_workers, NULL), 3);
}

static void run_with_variable(void *arg)
{
    const char *const *pair = arg;
    setenv(pair[0], pair[1], 1);
    CHECK_EQ(thrum_run(return_zero, NULL), -EINVAL);
}

TEST(a_bad_variable_is_refused_with_one_line_that_names_it_its_value_and_its_range)
{
    static const char *const bad[][3] = {
        {"THRUM_WORKERS", "0", "1 to 1024"},           {"THRUM_WORKERS", "-1", "1 to 1024"},
        {"THRUM_WORKERS", "many", "1 to 1024"},        {"THRUM_WORKERS", "1025", "1 to 1024"},
        {"THRUM_WORKERS", "2 ", "1 to 1024"},          {"THRUM_WORKERS", "99999999999999999999", "1 to 1024"},
        {"THRUM_STACK_SIZE", "1", "32768 to"},         {"THRUM_STACK_SIZE", "64KB", "32768 to"},
        {"THRUM_STACK_SIZE", "-64K", "to 1073741824"},
    };
    static struct kit_outcome outcome;
    for (size_t i = 0; i < TH_COUNT_OF(bad); i++) {
        kit_in_child(run_with_variable, (void *)(uintptr_t)bad[i], &outcome);
        CHECK_STR_HAS(outcome.errors, bad[i][0]);
        CHECK_STR_HAS(outcome.errors, bad[i][1]);
        CHECK_STR_HAS(outcome.errors, bad[i][2]);
        CHECK_EQ(lines_of(outcome.errors), 1);
        CHECK_EQ(outcome.exit_code, 0);
    }
}

static void run_with_options(void *arg)
{
    CHECK_EQ(thrum_run_with(arg, return_zero, NULL), -EINVAL);
}

TEST(a_bad_option_is_refused_with_one_line_that_names_it_its_value_and_its_range)
{
    static struct kit_outcome outcome;
    thrum_options crowd = {.workers = 1025}, tiny = {.stack_bytes = 100}, huge = {.stack_bytes = (size_t)1 << 40};
    kit_in_child(run_with_options, &crowd, &outcome);
    CHECK_STR_HAS(outcome.errors, "workers = 1025: want at most 1024");
    CHECK_EQ(lines_of(outcome.errors), 1);
    CHECK_EQ(outcome.exit_code, 0);
    kit_in_child(run_with_options, &tiny, &outcome);
    CHECK_STR_HAS(outcome.errors, "stack_bytes = 100: want");
    CHECK_EQ(lines_of(outcome.errors), 1);
    CHECK_EQ(outcome.exit_code, 0);
    kit_in_child(run_with_options, &huge, &outcome);
    CHECK_STR_HAS(outcome.errors, "stack_bytes = 1099511627776: want");
    CHECK_EQ(outcome.exit_code, 0);
}

/* ---- The end ---- */

static th_atomic32 ended;

static int wait_for_shutdown(void *arg)
{
    (void)arg;
    while (!thrum_cancelled())
        thrum_yield();
    CHECK_EQ(thrum_cancel_reason(), THRUM_CANCEL_SHUTDOWN);
    count_up(&ended);
    return -ECANCELED;
}

static int leave_ten(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_spawn(NULL, wait_for_shutdown, NULL), 0);
    thrum_yield();
    CHECK(!thrum_cancelled());
    return 0;
}

TEST(what_main_leaves_in_the_root_group_is_cancelled_and_waited_for)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        th_atomic32_store_relaxed(&ended, 0);
        run_on(workers, leave_ten, NULL);
        CHECK_EQ(count_of(&ended), 10);
    }
}

static int spawn_the_next(void *arg)
{
    intptr_t left = (intptr_t)arg;
    thrum_yield();
    count_up(&ended);
    return left > 0 ? thrum_spawn(NULL, spawn_the_next, (void *)(left - 1)) : 0;
}

TEST(the_end_waits_for_tasks_that_the_last_ones_start)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        th_atomic32_store_relaxed(&ended, 0);
        run_on(workers, spawn_the_next, (void *)(intptr_t)100);
        CHECK_EQ(count_of(&ended), 101);
    }
}

/* ---- Reports ---- */

static int fail_with_einval(void *arg)
{
    (void)arg;
    return -EINVAL;
}

static int fail_untaken(void *arg)
{
    thrum_task *task;
    thrum_task_options named = {.name = "left-alone"};
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, &named, fail_with_einval, NULL), 0);
    thrum_task_drop(task);
    CHECK_EQ(thrum_spawn(NULL, return_value, (void *)(intptr_t)-ECANCELED), 0);
    CHECK_EQ(thrum_spawn(NULL, return_value, (void *)(intptr_t)12), 0);
    return 0;
}

static int fail_taken(void *arg)
{
    thrum_task *task;
    thrum_group group = THRUM_GROUP_INIT;
    int result;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, fail_with_einval, NULL), 0);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, -EINVAL);
    CHECK_EQ(thrum_spawn(&group, fail_with_einval, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), -EINVAL);
    return 0;
}

static int fail_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 25; i++)
        CHECK_EQ(thrum_spawn(NULL, fail_with_einval, NULL), 0);
    return 0;
}

static int keep_handles(void *arg)
{
    thrum_task *task;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), 0);
    (void)thrum_task_hold(task);
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), 0);
    return 0;
}

static void run_in_child(void *arg)
{
    thrum_fn main_task = (thrum_fn)(uintptr_t)arg;
    run_on(2, main_task, NULL);
}

static struct kit_outcome *outcome_of(thrum_fn main_task)
{
    static struct kit_outcome outcome;
    kit_in_child(run_in_child, (void *)(uintptr_t)main_task, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    return &outcome;
}

TEST(a_failure_that_nobody_took_is_reported_with_the_tasks_name)
{
    struct kit_outcome *outcome = outcome_of(fail_untaken);
    CHECK_STR_HAS(outcome->errors, "(left-alone) failed and nobody took its result: -22");
    CHECK_EQ(lines_of(outcome->errors), 1);
}

TEST(a_failure_that_was_joined_or_counted_by_a_group_is_not_reported)
{
    CHECK_STR_EQ(outcome_of(fail_taken)->errors, "");
}

TEST(many_untaken_failures_are_summed_up_in_a_last_line)
{
    struct kit_outcome *outcome = outcome_of(fail_often);
    CHECK_STR_HAS(outcome->errors, "25 tasks failed whose result nobody took");
    CHECK_EQ(lines_of(outcome->errors), 11);
}

TEST(handles_that_were_neither_joined_nor_dropped_are_reported_at_the_end)
{
    struct kit_outcome *outcome = outcome_of(keep_handles);
    CHECK_STR_HAS(outcome->errors, "2 tasks have handles that were neither joined nor dropped");
    CHECK_EQ(lines_of(outcome->errors), 1);
}

/* ---- Often ---- */

static size_t mappings(void)
{
    FILE *file = fopen("/proc/self/maps", "r");
    size_t count = 0;
    CHECK(file != NULL);
    for (int c; (c = fgetc(file)) != EOF;)
        count += c == '\n';
    fclose(file);
    return count;
}

static size_t resident_pages(void)
{
    unsigned long total, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%lu %lu", &total, &resident), 2);
    fclose(file);
    return resident;
}

static int do_a_little(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *task;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(thrum_spawn(&group, yield_and_count_me, arg), 0);
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), 0);
    CHECK_EQ(thrum_join(task, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_spawn(NULL, count_me, arg), 0);
    CHECK_EQ(thrum_call_later(NULL, THRUM_SEC(100), return_zero, NULL), 0);
    return 0;
}

static void run_often(int times)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    for (int i = 0; i < times; i++)
        run_on(1u << i % 3, do_a_little, &count);
    CHECK_EQ(count_of(&count), times * 5);
}

TEST(ten_thousand_runs_leave_nothing_behind)
{
    run_often(fewer(200, 10));
    int fds = count_open_files();
    size_t maps = mappings(), pages = resident_pages();
    run_often(fewer(10000, 100));
    CHECK_EQ(count_open_files(), fds);
    if (kit_is_slow())
        return;
    CHECK_LE(mappings(), maps + 16);
    CHECK_LE(resident_pages(), pages + 1024);
}

/* ---- Several at once ---- */

static void *run_many(void *arg)
{
    run_often((int)(intptr_t)arg);
    return NULL;
}

TEST(runtimes_of_several_threads_live_side_by_side)
{
    pthread_t threads[4];
    for (size_t i = 0; i < TH_COUNT_OF(threads); i++)
        threads[i] = start_thread(run_many, (void *)(intptr_t)fewer(500, 20));
    for (size_t i = 0; i < TH_COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
}

/* Two runtimes; each starts a task that the other joins, spawns into the other's group, and posts to the other. */
struct side {
    struct side *other;
    thrum_runtime *runtime;
    thrum_task *task;
    thrum_group group;
    th_atomic32 is_set_up, has_spawned, go, posted, spawned;
};

static int be_joined(void *arg)
{
    struct side *side = arg;
    flag_wait(&side->go);
    return 42;
}

static int hold_the_group_open(void *arg)
{
    struct side *side = arg;
    flag_wait(&side->other->has_spawned);
    return 0;
}

static int live_beside_the_other(void *arg)
{
    struct side *side = arg, *other = side->other;
    int result;
    side->runtime = thrum_runtime_current();
    CHECK_EQ(thrum_task_start(&side->task, NULL, NULL, be_joined, side), 0);
    CHECK_EQ(thrum_spawn(&side->group, hold_the_group_open, side), 0);
    flag_set(&side->is_set_up);
    flag_wait(&other->is_set_up);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(thrum_spawn(&other->group, yield_and_count_me, &other->spawned), 0);
        CHECK_EQ(thrum_post(other->runtime, count_me, &other->posted), 0);
    }
    flag_set(&side->has_spawned);
    flag_set(&other->go);
    CHECK_EQ(thrum_join(other->task, &result), 0);
    CHECK_EQ(result, 42);
    CHECK_EQ(thrum_group_wait(&side->group), 0);
    CHECK_EQ(count_of(&side->spawned), 10);
    count_wait(&side->posted, 10);
    return 0;
}

static void *run_a_side(void *arg)
{
    run_on(2, live_beside_the_other, arg);
    return NULL;
}

TEST(tasks_of_one_runtime_join_spawn_and_post_across_to_another)
{
    for (int i = 0; i < fewer(300, 20); i++) {
        struct side sides[2] = {{.other = &sides[1]}, {.other = &sides[0]}};
        pthread_t threads[2] = {start_thread(run_a_side, &sides[0]), start_thread(run_a_side, &sides[1])};
        pthread_join(threads[0], NULL);
        pthread_join(threads[1], NULL);
    }
}

/* ---- Idle ---- */

static int sleep_for_long(void *arg)
{
    (void)arg;
    return thrum_sleep(THRUM_MS(300));
}

TEST(a_process_that_only_sleeps_uses_no_processor)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct rusage before, after;
        CHECK_EQ(getrusage(RUSAGE_SELF, &before), 0);
        run_on(workers, sleep_for_long, NULL);
        CHECK_EQ(getrusage(RUSAGE_SELF, &after), 0);
        long ms =
            (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000 +
            (after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec) /
                1000;
        if (!kit_is_slow())
            CHECK_LT(ms, 100);
        /* A napper that never went to sleep would make 300 at least. */
        CHECK_LT(after.ru_nvcsw - before.ru_nvcsw, 150 + 20 * (long)workers);
    }
}
