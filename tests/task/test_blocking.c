/*
 * Calls that say that they block (thrum_blocking): their results, their lanes, their cancels, their order.
 */
#include "sched/runtime.h"
#include "task/harness.h"
#include "task/stuck.h"

static int read_aside(void *arg)
{
    CHECK_EQ(block_in_read(arg), 0);
    return 7;
}

static int block_politely(void *arg)
{
    struct pipe_pair pair = {.reads = TH_ATOMIC_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(pipe(pair.ends), 0);
    CHECK_EQ(thrum_spawn(&group, write_one, &pair), 0);
    CHECK_EQ(thrum_blocking(read_aside, &pair), 7);
    CHECK_EQ(thrum_group_wait(&group), 0);
    close(pair.ends[0]);
    close(pair.ends[1]);
    return 0;
}

TEST(a_blocking_call_gives_its_result_and_lets_others_run)
{
    for (int i = 0; i < fewer(50, 10); i++)
        run_on_each_count(block_politely);
    CHECK_EQ(thrum_blocking(return_value, (void *)(intptr_t)3), 3);
}

struct lane_test {
    struct pipe_pair pair;
    th_atomic32 begun, ended;
};

static int hold_the_lane(void *arg)
{
    struct lane_test *test = arg;
    count_up(&test->begun);
    return read_aside(&test->pair);
}

static int call_aside(void *arg)
{
    struct lane_test *test = arg;
    int code = thrum_blocking(hold_the_lane, test);
    CHECK(code == 7 || code == -ECANCELED);
    count_up(&test->ended);
    return code;
}

/* More calls than the lane lets run at once: those that wait go at once when they are cancelled, and never begin; those
 * that have begun are waited for. */
static int cancel_in_the_queue(void *arg)
{
    struct lane_test test = {.begun = TH_ATOMIC_INIT(0)};
    struct th_crew *crew = &thrum_runtime_current()->crew;
    uint32_t most = crew->lanes.of[TH_LANE_USER].most, calls = most + 20;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(pipe(test.pair.ends), 0);
    for (uint32_t i = 0; i < calls; i++)
        CHECK_EQ(thrum_spawn(&group, call_aside, &test), 0);
    count_wait(&test.begun, most);
    while (th_atomic32_load_relaxed(&crew->waiting) < 20)
        thrum_yield();
    thrum_cancel(&group);
    count_wait(&test.ended, 20);
    CHECK_EQ(count_of(&test.begun), most);
    for (uint32_t i = 0; i < most; i++)
        CHECK_EQ(write_one(&test.pair), 0);
    (void)thrum_group_wait(&group);
    CHECK_EQ(count_of(&test.begun), most);
    CHECK_EQ(count_of(&test.ended), calls);
    close(test.pair.ends[0]);
    close(test.pair.ends[1]);
    return 0;
}

static void with_few_threads(void *arg)
{
    thrum_fn *main_task = arg;
    CHECK_EQ(setenv("THRUM_MAX_THREADS", "32", 1), 0);
    run_on_each_count(*main_task);
}

/* In a process of its own, for the variable's sake. */
static void run_with_few_threads(thrum_fn main_task)
{
    static struct kit_outcome outcome;
    kit_in_child(with_few_threads, &main_task, &outcome);
    if (outcome.exit_code != 0)
        FAIL("%d %s", outcome.signo, outcome.errors);
}

TEST(a_blocking_call_is_cancelled_before_it_begins_and_waited_for_after)
{
    run_with_few_threads(cancel_in_the_queue);
}

/* ---- In order ---- */

enum { CALLS_MOST = 64, WAITING_CALLS = 10 };

struct order_test {
    struct pipe_pair pair;
    th_atomic32 begun;
    uint32_t begun_as[CALLS_MOST]; /* the numbers of the calls, in the order in which they began */
};

struct numbered_call {
    struct order_test *test;
    uint32_t number;
};

static int note_and_hold_the_lane(void *arg)
{
    const struct numbered_call *call = arg;
    struct order_test *test = call->test;
    test->begun_as[th_atomic32_add_acqrel(&test->begun, 1)] = call->number;
    return block_in_read(&test->pair);
}

static int call_by_number(void *arg)
{
    return thrum_blocking(note_and_hold_the_lane, arg);
}

/* Those for which there is no thread begin one by one, as others end. */
static int wait_in_order(void *arg)
{
    static struct numbered_call calls[CALLS_MOST];
    struct order_test test = {.begun = TH_ATOMIC_INIT(0)};
    struct th_crew *crew = &thrum_runtime_current()->crew;
    uint32_t most = crew->lanes.of[TH_LANE_USER].most, count = most + WAITING_CALLS;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_LE(count, CALLS_MOST);
    CHECK_EQ(pipe(test.pair.ends), 0);
    for (uint32_t i = 0; i < count; i++) {
        calls[i] = (struct numbered_call){&test, i};
        CHECK_EQ(thrum_spawn(&group, call_by_number, &calls[i]), 0);
        while (count_of(&test.begun) + th_atomic32_load_relaxed(&crew->waiting) <= i)
            thrum_yield();
    }
    count_wait(&test.begun, most);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(write_one(&test.pair), 0);
        count_wait(&test.begun, most + i + 1 < count ? most + i + 1 : count);
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    for (uint32_t i = most; i < count; i++)
        CHECK_EQ(test.begun_as[i], i);
    close(test.pair.ends[0]);
    close(test.pair.ends[1]);
    return 0;
}

TEST(calls_that_wait_for_a_thread_begin_in_the_order_in_which_they_came)
{
    run_with_few_threads(wait_in_order);
}
