/* Starting tasks: with and without a copy, a handle, a name; from tasks and from foreign threads. */
#include "task/harness.h"

static int spawn_thousands(void *arg)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 5000; i++)
        CHECK_EQ(thrum_spawn(&group, i % 2 ? count_me : yield_and_count_me, &count), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&count), 5000);
    return 0;
}

TEST(every_spawned_task_runs_once)
{
    run_on_each_count(spawn_thousands);
}

struct fib {
    int n, result;
};

static int fib(void *arg)
{
    struct fib *mine = arg;
    if (mine->n < 2) {
        mine->result = mine->n;
        return 0;
    }
    struct fib one = {.n = mine->n - 1}, two = {.n = mine->n - 2};
    THRUM_GROUP(group)
    {
        CHECK_EQ(thrum_spawn(&group, fib, &one), 0);
        CHECK_EQ(thrum_spawn(&group, fib, &two), 0);
    }
    mine->result = one.result + two.result;
    return 0;
}

TEST(a_tree_of_tasks_adds_up)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct fib root = {.n = fewer(21, 14)};
        run_on(workers, fib, &root);
        CHECK_EQ(root.result, fewer(10946, 377));
    }
}

/* ---- Copies ---- */

struct numbers {
    int values[100];
    th_atomic64 *sum;
};

static int add_numbers(void *arg)
{
    struct numbers *numbers = arg;
    thrum_yield();
    for (size_t i = 0; i < TH_COUNT_OF(numbers->values); i++)
        (void)th_atomic64_add_relaxed(numbers->sum, (uint64_t)numbers->values[i]);
    return 0;
}

static int spawn_copies(void *arg)
{
    th_atomic64 sum = TH_ATOMIC_INIT(0);
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 1; i <= 100; i++) {
            struct numbers numbers = {.sum = &sum};
            for (size_t k = 0; k < TH_COUNT_OF(numbers.values); k++)
                numbers.values[k] = i;
            CHECK_EQ(thrum_spawn_copy(&group, add_numbers, &numbers, sizeof numbers), 0);
            memset(&numbers, 0xff, sizeof numbers);
        }
    }
    CHECK_EQ(th_atomic64_load_relaxed(&sum), 100 * 5050);
    return 0;
}

TEST(a_copy_is_the_tasks_own)
{
    run_on_each_count(spawn_copies);
}

static int want_some_argument(void *arg)
{
    CHECK(arg != NULL);
    return 0;
}

static int spawn_an_empty_copy(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn_copy(&group, want_some_argument, NULL, 0), 0);
    CHECK_EQ(thrum_spawn_copy(NULL, want_some_argument, "", 0), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(a_copy_of_nothing_is_fine)
{
    run_on(1, spawn_an_empty_copy, NULL);
}

static int spawn_into_cancelled(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *task;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0);
    thrum_cancel(&group);
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), -ECANCELED);
    CHECK_EQ(thrum_spawn_copy(&group, return_zero, "copy", 5), -ECANCELED);
    CHECK_EQ(thrum_task_start(&task, &group, NULL, return_zero, NULL), -ECANCELED);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0); /* as new */
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(a_cancelled_group_takes_no_task)
{
    run_on_each_count(spawn_into_cancelled);
}

/* ---- Numbers and names ---- */

enum { IDS = 3000 };
static uint64_t ids[2 * IDS];

static int note_id(void *arg)
{
    *(uint64_t *)arg = thrum_self_id();
    return 0;
}

static int compare_ids(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static int note_ids(void *arg)
{
    uint64_t *to = arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < IDS; i++)
            CHECK_EQ(thrum_spawn(&group, note_id, &to[i]), 0);
    }
    return 0;
}

TEST(numbers_are_never_given_twice_in_a_process)
{
    run_on(4, note_ids, ids);
    run_on(2, note_ids, ids + IDS);
    qsort(ids, TH_COUNT_OF(ids), sizeof *ids, compare_ids);
    CHECK_NE(ids[0], 0);
    for (size_t i = 1; i < TH_COUNT_OF(ids); i++)
        CHECK_NE(ids[i], ids[i - 1]);
}

static int check_my_name(void *arg)
{
    thrum_yield();
    CHECK_STR_EQ(thrum_self_name(), (const char *)arg);
    return 0;
}

static int start_named(void *arg)
{
    static const char *const names[] = {"reader", "writer", "a name of many words, which nobody cuts"};
    thrum_task *tasks[TH_COUNT_OF(names)];
    (void)arg;
    CHECK_STR_EQ(thrum_self_name(), "main");
    for (size_t i = 0; i < TH_COUNT_OF(names); i++) {
        thrum_task_options options = {.name = names[i]};
        CHECK_EQ(thrum_task_start(&tasks[i], NULL, &options, check_my_name, (void *)(uintptr_t)names[i]), 0);
    }
    for (size_t i = 0; i < TH_COUNT_OF(names); i++)
        CHECK_EQ(thrum_join(tasks[i], NULL), 0);
    CHECK_STR_EQ(thrum_self_name(), "main");
    return 0;
}

TEST(a_task_knows_its_name)
{
    run_on_each_count(start_named);
}

/* ---- Handles ---- */

struct handed {
    thrum_task *task;
};

static int look_at_own_handle(void *arg)
{
    struct handed *handed = arg;
    CHECK_EQ(thrum_task_id(handed->task), thrum_self_id());
    CHECK(!thrum_task_is_done(handed->task));
    return 0;
}

static int start_with_handles(void *arg)
{
    struct handed handed[200] = {{NULL}};
    (void)arg;
    for (size_t i = 0; i < TH_COUNT_OF(handed); i++)
        CHECK_EQ(thrum_task_start(&handed[i].task, NULL, NULL, look_at_own_handle, &handed[i]), 0);
    for (size_t i = 0; i < TH_COUNT_OF(handed); i++)
        CHECK_EQ(thrum_join(handed[i].task, NULL), 0);
    return 0;
}

TEST(the_handle_is_there_before_the_task_runs)
{
    for (int i = 0; i < fewer(50, 5); i++)
        run_on_each_count(start_with_handles);
}

/* ---- From outside ---- */

TEST(nothing_starts_outside_of_tasks_without_an_open_group)
{
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *task;
    CHECK_EQ(thrum_spawn(NULL, return_zero, NULL), -EPERM);
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), -EPERM);
    CHECK_EQ(thrum_spawn_copy(&group, return_zero, "x", 2), -EPERM);
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), -EPERM);
}

struct foreign {
    thrum_group group;
    th_atomic32 count, is_over;
};

static void *spawn_from_thread(void *arg)
{
    struct foreign *foreign = arg;
    for (int i = 0; i < 500; i++) {
        CHECK_EQ(thrum_spawn(&foreign->group, yield_and_count_me, &foreign->count), 0);
        CHECK_EQ(thrum_spawn_copy(&foreign->group, return_zero, "copied", 7), 0);
        thrum_task *task;
        int result = -1;
        CHECK_EQ(thrum_task_start(&task, &foreign->group, NULL, count_me, &foreign->count), 0);
        if (i % 2) {
            CHECK_EQ(thrum_join(task, &result), 0);
            CHECK_EQ(result, 0);
        } else {
            thrum_task_drop(task);
        }
    }
    flag_set(&foreign->is_over);
    return NULL;
}

static int let_threads_spawn(void *arg)
{
    struct foreign foreign[2] = {{.group = THRUM_GROUP_INIT}, {.group = THRUM_GROUP_INIT}};
    pthread_t threads[2];
    (void)arg;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(thrum_spawn(&foreign[i].group, wait_for_my_flag, &foreign[i].is_over), 0);
        threads[i] = start_thread(spawn_from_thread, &foreign[i]);
    }
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(thrum_group_wait(&foreign[i].group), 0);
        CHECK_EQ(count_of(&foreign[i].count), 1000);
        pthread_join(threads[i], NULL);
    }
    return 0;
}

TEST(foreign_threads_spawn_into_an_open_group)
{
    run_on_each_count(let_threads_spawn);
}
