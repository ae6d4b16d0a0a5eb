/* Handles: join, hold, drop, ask, be called. */
#include "task/harness.h"

static int yield_then_return(void *arg)
{
    for (int i = 0; i < 3; i++)
        thrum_yield();
    return (int)(intptr_t)arg;
}

static int join_results(void *arg)
{
    thrum_task *tasks[100];
    (void)arg;
    for (int i = 0; i < 100; i++)
        CHECK_EQ(thrum_task_start(&tasks[i], NULL, NULL, i % 2 ? return_value : yield_then_return,
                                  (void *)(intptr_t)(i - 50)),
                 0);
    for (int i = 0; i < 100; i++) {
        int at = i % 2 ? i / 2 : 99 - i / 2, result = 1000; /* from both ends */
        CHECK_EQ(thrum_join(tasks[at], &result), 0);
        CHECK_EQ(result, at - 50);
    }
    return 0;
}

TEST(join_gives_the_result)
{
    run_on_each_count(join_results);
}

static int join_after_the_end(void *arg)
{
    thrum_task *task;
    int result = 0;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_value, (void *)(intptr_t)-9), 0);
    while (!thrum_task_is_done(task))
        thrum_yield();
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, -9);
    return 0;
}

TEST(join_of_an_ended_task_does_not_wait)
{
    run_on_each_count(join_after_the_end);
}

static int join_myself(void *arg)
{
    thrum_task *const *me = arg;
    thrum_yield();
    return thrum_join(*me, NULL);
}

static int start_one_that_joins_itself(void *arg)
{
    thrum_task *task = NULL;
    int result = 0;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, join_myself, &task), 0);
    CHECK_EQ(thrum_join(task, &result), 0); /* the handle was kept */
    CHECK_EQ(result, -EDEADLK);
    return 0;
}

TEST(join_of_oneself_is_refused_and_keeps_the_handle)
{
    run_on_each_count(start_one_that_joins_itself);
}

/* ---- Several handles ---- */

static int join_a_held_one(void *arg)
{
    int result = 0;
    CHECK_EQ(thrum_join(arg, &result), 0);
    CHECK_EQ(result, 77);
    return 0;
}

static int join_by_many(void *arg)
{
    thrum_task *task;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, yield_then_return, (void *)(intptr_t)77), 0);
    uint64_t id = thrum_task_id(task);
    CHECK_NE(id, thrum_self_id());
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 20; i++)
            CHECK_EQ(thrum_spawn(&group, join_a_held_one, thrum_task_hold(task)), 0);
    }
    CHECK(thrum_task_is_done(task));
    CHECK_EQ(thrum_task_id(task), id);
    thrum_task_drop(task);
    return 0;
}

TEST(everybody_who_holds_a_handle_may_join)
{
    for (int i = 0; i < fewer(100, 5); i++)
        run_on_each_count(join_by_many);
}

static int drop_at_once(void *arg)
{
    thrum_task *task;
    th_atomic32 count = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(thrum_task_start(&task, &group, NULL, yield_and_count_me, &count), 0);
        thrum_task_drop(task);
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&count), 100);
    return 0;
}

TEST(a_dropped_task_goes_on_in_its_group)
{
    run_on_each_count(drop_at_once);
}

static void drop_too_often(void *arg)
{
    (void)arg;
    thrum_task *task;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), 0);
    CHECK_EQ(thrum_join(task, NULL), 0);
    thrum_task_drop(task);
}

static int drop_too_often_in_a_task(void *arg)
{
    drop_too_often(arg);
    return 0;
}

static void run_drop_too_often(void *arg)
{
    run_on(1, drop_too_often_in_a_task, arg);
}

TEST(a_handle_that_is_given_up_twice_ends_the_program_with_a_line)
{
    static struct kit_outcome outcome;
    kit_in_child(run_drop_too_often, NULL, &outcome);
    CHECK_EQ(outcome.signo, 6);
    CHECK_STR_HAS(outcome.errors, "was joined or dropped once too often");
}

/* ---- From a foreign thread ---- */

struct outside {
    thrum_task *slow, *quick;
    th_atomic32 go, is_joined;
};

static int wait_then_return(void *arg)
{
    flag_wait(arg);
    return 5;
}

static void *join_from_outside(void *arg)
{
    struct outside *outside = arg;
    int result = 0;
    CHECK_EQ(thrum_join(outside->quick, &result), 0);
    CHECK_EQ(result, 11);
    flag_set(&outside->go);
    CHECK_EQ(thrum_join(outside->slow, &result), 0);
    CHECK_EQ(result, 5);
    flag_set(&outside->is_joined);
    return NULL;
}

static int be_joined_from_outside(void *arg)
{
    struct outside *outside = arg;
    CHECK_EQ(thrum_task_start(&outside->slow, NULL, NULL, wait_then_return, &outside->go), 0);
    CHECK_EQ(thrum_task_start(&outside->quick, NULL, NULL, return_value, (void *)(intptr_t)11), 0);
    pthread_t thread = start_thread(join_from_outside, outside);
    flag_wait(&outside->is_joined);
    pthread_join(thread, NULL);
    return 0;
}

TEST(a_foreign_thread_joins_tasks)
{
    for (int i = 0; i < fewer(50, 5); i++) {
        FOR_EACH_WORKER_COUNT(workers)
        {
            struct outside outside = {.slow = NULL};
            run_on(workers, be_joined_from_outside, &outside);
        }
    }
}

/* The runtime may end while the thread is still on its way out of the join: it must not be freed below it. */
static void *join_the_last(void *arg)
{
    struct outside *outside = arg;
    int result = 0;
    flag_set(&outside->is_joined);
    CHECK_EQ(thrum_join(outside->slow, &result), 0);
    CHECK_EQ(result, 5);
    return NULL;
}

static int end_while_joined(void *arg)
{
    struct outside *outside = arg;
    CHECK_EQ(thrum_task_start(&outside->slow, NULL, NULL, wait_then_return, &outside->go), 0);
    pthread_t thread = start_thread(join_the_last, outside);
    CHECK_EQ(pthread_detach(thread), 0);
    flag_wait(&outside->is_joined);
    for (int i = 0; i < 1000; i++)
        sched_yield(); /* most likely it is inside by now; if not, this test tests less */
    flag_set(&outside->go);
    return 0;
}

TEST(a_runtime_that_ends_lets_the_threads_out_that_joined_its_tasks)
{
    for (int i = 0; i < fewer(200, 20); i++) {
        static struct outside outside[200];
        run_on(1 + (unsigned)i % 2, end_while_joined, &outside[i]);
    }
}

/* ---- Calls when done ---- */

struct called {
    int order[8], results[8], count;
};

struct call_arg {
    struct called *called;
    int number;
};

static void note_call(void *arg, int result)
{
    struct call_arg *mine = arg;
    struct called *called = mine->called;
    called->order[called->count] = mine->number;
    called->results[called->count++] = result;
}

static int be_called(void *arg)
{
    struct called called = {{0}, {0}, 0};
    struct call_arg args[5];
    th_atomic32 go = TH_ATOMIC_INIT(0);
    thrum_task *task;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, wait_then_return, &go), 0);
    for (int i = 0; i < 5; i++) {
        args[i] = (struct call_arg){.called = &called, .number = i};
        if (i == 4) {
            flag_set(&go);
            while (!thrum_task_is_done(task))
                thrum_yield();
            /* Whoever saw it done need not see the calls made; the join of a later callback's task would. */
            while (__atomic_load_n(&called.count, __ATOMIC_ACQUIRE) < 4)
                thrum_yield();
        }
        CHECK_EQ(thrum_task_on_done(task, note_call, &args[i]), 0);
    }
    CHECK_EQ(called.count, 5);
    for (int i = 0; i < 5; i++) {
        CHECK_EQ(called.order[i], i);
        CHECK_EQ(called.results[i], 5);
    }
    thrum_task_drop(task);
    return 0;
}

TEST(callbacks_come_in_their_order_and_at_once_after_the_end)
{
    run_on(1, be_called, NULL);
}

/* The last task's callback starts another: the runtime must not have ended meanwhile. */
static th_atomic32 posted;

static void post_one_more(void *arg, int result)
{
    (void)result;
    CHECK_EQ(thrum_post(arg, count_me, &posted), 0);
}

static int leave_a_callback(void *arg)
{
    thrum_task *task;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, yield_then_return, NULL), 0);
    CHECK_EQ(thrum_task_on_done(task, post_one_more, thrum_runtime_current()), 0);
    thrum_task_drop(task);
    return 0;
}

TEST(what_a_callback_of_the_last_task_posts_still_runs)
{
    uint32_t runs = 0;
    for (int i = 0; i < fewer(300, 20); i++) {
        run_on_each_count(leave_a_callback);
        runs += count_worker_counts();
        CHECK_EQ(count_of(&posted), runs);
    }
}

static int have_no_memory(void *arg)
{
    thrum_task *task;
    int result = 0;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_value, (void *)(intptr_t)4), 0);
    CHECK_EQ(th_fault_plan("alloc:1:ENOMEM"), 0);
    CHECK_EQ(thrum_task_on_done(task, note_call, NULL), -ENOMEM);
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, 4);
    return 0;
}

TEST(a_callback_without_memory_is_refused)
{
    run_on(1, have_no_memory, NULL);
}
