/* Several things at once: gather, race, shield, whichever ends first. */
#include "task/harness.h"

static int double_it(void *arg)
{
    int *number = arg;
    thrum_yield();
    *number *= 2;
    return *number;
}

static int fail(void *arg)
{
    (void)arg;
    thrum_yield();
    return -EIO;
}

/* ---- Gather ---- */

static int gather_results(void *arg)
{
    enum { COUNT = 100 };
    int numbers[COUNT];
    thrum_work works[COUNT];
    (void)arg;
    for (int i = 0; i < COUNT; i++) {
        numbers[i] = i;
        works[i] = (thrum_work)THRUM_WORK(double_it, &numbers[i]);
    }
    CHECK_EQ(thrum_gather(works, COUNT), 0);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(works[i].result, 2 * i);
    CHECK_EQ(thrum_gather(works, 0), 0);
    return 0;
}

TEST(gather_puts_each_result_into_its_place)
{
    run_on_each_count(gather_results);
}

static int gather_a_failure(void *arg)
{
    int number = 1;
    (void)arg;
    thrum_work works[] = {THRUM_WORK(wait_for_cancel, NULL), THRUM_WORK(fail, NULL), THRUM_WORK(wait_for_cancel, NULL)};
    CHECK_EQ(thrum_gather(works, 3), -EIO);
    CHECK_EQ(works[1].result, -EIO);
    CHECK_EQ(works[0].result, -ECANCELED);
    CHECK_EQ(works[2].result, -ECANCELED);
    thrum_work others[] = {THRUM_WORK(fail, NULL), THRUM_WORK(double_it, &number)};
    CHECK_EQ(thrum_gather_each(others, 2), -EIO);
    CHECK_EQ(others[0].result, -EIO);
    CHECK_EQ(others[1].result, 2);
    return 0;
}

TEST(the_first_failure_of_a_gather_cancels_the_others_unless_each_counts)
{
    run_on_each_count(gather_a_failure);
}

static int gather_without_memory(void *arg)
{
    enum { COUNT = 2000 }; /* more than the records of one chunk */
    static thrum_work works[COUNT];
    (void)arg;
    for (int i = 0; i < COUNT; i++)
        works[i] = (thrum_work)THRUM_WORK(wait_for_cancel, NULL);
    CHECK_EQ(th_fault_plan("alloc:*:ENOMEM"), 0);
    int result = thrum_gather(works, COUNT);
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(result, -ENOMEM);
    for (int i = 0; i < COUNT; i++)
        CHECK_EQ(works[i].result, -ECANCELED);
    return 0;
}

TEST(a_gather_without_memory_takes_back_what_it_began)
{
    run_on(1, gather_without_memory, NULL);
}

/* ---- Race ---- */

static int race_for_success(void *arg)
{
    int number = 21;
    size_t winner = 9;
    (void)arg;
    thrum_work works[] = {THRUM_WORK(wait_for_cancel, NULL), THRUM_WORK(fail, NULL), THRUM_WORK(double_it, &number)};
    CHECK_EQ(thrum_race(works, 3, &winner), 42);
    CHECK_EQ(winner, 2);
    CHECK_EQ(works[0].result, -ECANCELED);
    CHECK_EQ(works[1].result, -EIO);
    thrum_work losers[] = {THRUM_WORK(fail, NULL), THRUM_WORK(fail, NULL)};
    CHECK_EQ(thrum_race(losers, 2, &winner), -EIO);
    CHECK_EQ(winner, 2);
    CHECK_EQ(thrum_race(losers, 2, NULL), -EIO);
    CHECK_EQ(thrum_race(losers, 0, NULL), -EINVAL);
    return 0;
}

TEST(the_first_success_of_a_race_wins_and_cancels_the_others)
{
    run_on_each_count(race_for_success);
}

static int race_of_equals(void *arg)
{
    thrum_work works[20];
    size_t winner;
    (void)arg;
    for (int turn = 0; turn < fewer(300, 30); turn++) {
        for (intptr_t i = 0; i < 20; i++)
            works[i] = (thrum_work)THRUM_WORK(return_value, (void *)(i + 1));
        int result = thrum_race(works, 20, &winner);
        CHECK_EQ(result, (int)winner + 1);
    }
    return 0;
}

TEST(of_those_that_succeed_at_once_result_and_number_are_the_same_ones)
{
    run_on_each_count(race_of_equals);
}

/* ---- Shield ---- */

static int shield_a_result(void *arg)
{
    int number = 4;
    (void)arg;
    CHECK_EQ(thrum_shield(double_it, &number), 8);
    CHECK_EQ(thrum_shield(fail, NULL), -EIO);
    return 0;
}

TEST(a_shielded_function_returns_its_result)
{
    run_on_each_count(shield_a_result);
    CHECK_EQ(thrum_shield(fail, NULL), -EPERM);
}

/* ---- Whichever ends first ---- */

struct three {
    th_atomic32 go[3];
    thrum_task *tasks[3];
};

static void start_three(struct three *three)
{
    for (int i = 0; i < 3; i++) {
        th_atomic32_store_relaxed(&three->go[i], 0);
        CHECK_EQ(thrum_task_start(&three->tasks[i], NULL, NULL, wait_for_my_flag, &three->go[i]), 0);
    }
}

static void join_three(struct three *three)
{
    for (int i = 0; i < 3; i++) {
        flag_set(&three->go[i]);
        CHECK_EQ(thrum_join(three->tasks[i], NULL), 0);
    }
}

static int wait_for_any(void *arg)
{
    struct three three;
    size_t index = 9;
    (void)arg;
    start_three(&three);
    flag_set(&three.go[1]);
    CHECK_EQ(thrum_wait_any(three.tasks, 3, &index), 0);
    CHECK_EQ(index, 1);
    CHECK(thrum_task_is_done(three.tasks[1]));
    CHECK(!thrum_task_is_done(three.tasks[0]));
    CHECK_EQ(thrum_wait_any(three.tasks, 3, &index), 0); /* it is still done */
    CHECK_EQ(index, 1);
    CHECK_EQ(thrum_wait_any(three.tasks, 0, &index), -EINVAL);
    join_three(&three);
    return 0;
}

TEST(wait_any_returns_the_one_that_has_ended)
{
    run_on_each_count(wait_for_any);
}

static int wait_for_each(void *arg)
{
    static const size_t order[] = {2, 0, 1};
    struct three three;
    thrum_wait *wait;
    size_t index;
    (void)arg;
    start_three(&three);
    CHECK_EQ(thrum_wait_open(&wait, three.tasks, 3), 0);
    for (int i = 0; i < 3; i++) {
        flag_set(&three.go[order[i]]);
        CHECK_EQ(thrum_wait_each(wait, &index), 1);
        CHECK_EQ(index, order[i]);
        CHECK_EQ(thrum_join(three.tasks[index], NULL), 0);
    }
    CHECK_EQ(thrum_wait_each(wait, &index), 0);
    thrum_wait_close(wait);
    return 0;
}

TEST(wait_each_gives_tasks_in_the_order_of_their_ends)
{
    run_on_each_count(wait_for_each);
}

static int leave_early(void *arg)
{
    struct three three;
    thrum_wait *wait;
    size_t index;
    (void)arg;
    start_three(&three);
    CHECK_EQ(thrum_wait_open(&wait, three.tasks, 3), 0);
    thrum_wait_close(wait);
    CHECK_EQ(thrum_wait_open(&wait, three.tasks, 3), 0);
    flag_set(&three.go[0]);
    CHECK_EQ(thrum_wait_each(wait, &index), 1);
    flag_set(&three.go[1]); /* may end during the close */
    thrum_wait_close(wait);
    join_three(&three);
    return 0;
}

TEST(a_wait_for_several_may_be_closed_early)
{
    run_on_each_count(leave_early);
}

struct thread_wait {
    struct three three;
    th_atomic32 is_over;
};

static void *wait_in_thread(void *arg)
{
    struct thread_wait *wait = arg;
    size_t index;
    CHECK_EQ(thrum_wait_any(wait->three.tasks, 3, &index), 0);
    CHECK_EQ(index, 2);
    flag_set(&wait->is_over);
    return NULL;
}

static int let_a_thread_wait(void *arg)
{
    struct thread_wait wait = {.is_over = TH_ATOMIC_INIT(0)};
    (void)arg;
    start_three(&wait.three);
    pthread_t thread = start_thread(wait_in_thread, &wait);
    flag_set(&wait.three.go[2]);
    flag_wait(&wait.is_over);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    join_three(&wait.three);
    return 0;
}

TEST(a_thread_waits_for_any_too)
{
    run_on_each_count(let_a_thread_wait);
}

/* All are given out once, whoever ends when. */
static int wait_for_many(void *arg)
{
    enum { COUNT = 200 };
    thrum_task *tasks[COUNT];
    bool is_given[COUNT] = {false};
    th_atomic32 ended = TH_ATOMIC_INIT(0);
    thrum_wait *wait;
    size_t index, given = 0;
    (void)arg;
    for (int turn = 0; turn < fewer(20, 2); turn++, given = 0) {
        memset(is_given, 0, sizeof is_given);
        for (int i = 0; i < COUNT; i++)
            CHECK_EQ(thrum_task_start(&tasks[i], NULL, NULL, i % 3 == 0 ? count_me : yield_and_count_me, &ended), 0);
        CHECK_EQ(thrum_wait_open(&wait, tasks, COUNT), 0);
        for (; thrum_wait_each(wait, &index) == 1; given++) {
            CHECK(!is_given[index]);
            is_given[index] = true;
            CHECK_EQ(thrum_join(tasks[index], NULL), 0);
        }
        thrum_wait_close(wait);
        CHECK_EQ(given, COUNT);
    }
    return 0;
}

TEST(wait_each_gives_every_task_once)
{
    run_on_each_count(wait_for_many);
}

/* ---- Cancels ---- */

struct shielded {
    thrum_future go;
    th_atomic32 has_begun, has_ended;
    int code;
};

static int wait_to_go(void *arg)
{
    struct shielded *shielded = arg;
    flag_set(&shielded->has_begun);
    int code = thrum_future_wait(&shielded->go, NULL);
    CHECK(!thrum_cancelled());
    flag_set(&shielded->has_ended);
    return code;
}

static int shield_it(void *arg)
{
    struct shielded *shielded = arg;
    shielded->code = thrum_shield(wait_to_go, shielded);
    return shielded->code;
}

static int cancel_the_shielder(void *arg)
{
    struct shielded shielded = {.go = THRUM_FUTURE_INIT};
    thrum_task *task;
    int result;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, shield_it, &shielded), 0);
    flag_wait(&shielded.has_begun);
    thrum_task_cancel(task);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    CHECK(!flag_is_set(&shielded.has_ended));
    CHECK_EQ(thrum_future_set(&shielded.go, NULL), 0);
    flag_wait(&shielded.has_ended);
    return 0;
}

TEST(a_shielded_function_goes_on_when_its_caller_is_cancelled)
{
    run_on_each_count(cancel_the_shielder);
}

static int shield_late(void *arg)
{
    struct shielded *shielded = arg;
    int code = 0;
    THRUM_TIMEOUT(THRUM_MS(1)) code = thrum_shield(wait_to_go, shielded);
    return code;
}

static int shield_under_a_deadline(void *arg)
{
    struct shielded shielded = {.go = THRUM_FUTURE_INIT};
    (void)arg;
    CHECK_EQ(shield_late(&shielded), -ETIMEDOUT);
    CHECK_EQ(thrum_future_set_result(&shielded.go, 3), 0);
    flag_wait(&shielded.has_ended);
    return 0;
}

TEST(a_shielded_function_has_no_deadline_of_its_callers)
{
    run_on_each_count(shield_under_a_deadline);
}

static int await_future(void *arg)
{
    return thrum_future_wait(arg, NULL);
}

static int gather_two(void *arg)
{
    thrum_work works[] = {THRUM_WORK(await_future, arg), THRUM_WORK(await_future, arg)};
    int code = thrum_gather(works, 2);
    CHECK(works[0].result == -ECANCELED || works[0].result == code); /* the first failure cancels the other */
    CHECK(works[1].result == -ECANCELED || works[1].result == code);
    return code;
}

static int cancel_a_gather(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    thrum_task *task;
    int result, code = 0;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, gather_two, &never), 0);
    thrum_yield();
    thrum_task_cancel(task);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    THRUM_TIMEOUT(THRUM_MS(1)) code = gather_two(&never);
    CHECK_EQ(code, -ETIMEDOUT);
    return 0;
}

TEST(a_gather_ends_with_its_callers_cancel_and_deadline)
{
    run_on_each_count(cancel_a_gather);
}

static int any_of_three(void *arg)
{
    struct three *three = arg;
    size_t index;
    return thrum_wait_any(three->tasks, 3, &index);
}

static int cancel_a_wait_for_any(void *arg)
{
    struct three three;
    thrum_task *task;
    int result;
    (void)arg;
    start_three(&three);
    for (int i = 0; i < fewer(200, 20); i++) {
        CHECK_EQ(thrum_task_start(&task, NULL, NULL, any_of_three, &three), 0);
        thrum_yield();
        thrum_task_cancel(task);
        CHECK_EQ(thrum_join(task, &result), 0);
        CHECK_EQ(result, -ECANCELED);
    }
    join_three(&three);
    return 0;
}

TEST(a_wait_for_any_that_is_cancelled_leaves_the_tasks_alone)
{
    run_on_each_count(cancel_a_wait_for_any);
}
