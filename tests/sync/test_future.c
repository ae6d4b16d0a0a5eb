/* Futures: states, who waits, who is called, chains. */
#include "task/harness.h"

#include <signal.h>

/* ---- States ---- */

static int value;

TEST(a_future_is_pending_then_done_for_ever)
{
    thrum_future future = THRUM_FUTURE_INIT;
    void *got = NULL;
    CHECK_EQ(thrum_future_state(&future), THRUM_FUTURE_PENDING);
    CHECK_EQ(thrum_future_result(&future, &got), -EAGAIN);
    CHECK_EQ(thrum_future_set(&future, &value), 0);
    CHECK_EQ(thrum_future_state(&future), THRUM_FUTURE_DONE);
    CHECK_EQ(thrum_future_set(&future, NULL), -EALREADY);
    CHECK_EQ(thrum_future_set_result(&future, 1), -EALREADY);
    CHECK_EQ(thrum_future_fail(&future, -EIO), -EALREADY);
    CHECK_EQ(thrum_future_cancel(&future), -EALREADY);
    CHECK_EQ(thrum_future_result(&future, &got), 0);
    CHECK_PTR_EQ(got, &value);
    CHECK_EQ(thrum_future_wait(&future, NULL), 0);
    CHECK_EQ(thrum_future_state(&future), THRUM_FUTURE_DONE);
}

TEST(a_future_that_fails_or_is_cancelled_has_no_value)
{
    thrum_future failed = THRUM_FUTURE_INIT, cancelled = THRUM_FUTURE_INIT, negative = THRUM_FUTURE_INIT;
    void *got = &value;
    CHECK_EQ(thrum_future_fail(&failed, 0), -EINVAL);
    CHECK_EQ(thrum_future_fail(&failed, -EIO), 0);
    CHECK_EQ(thrum_future_state(&failed), THRUM_FUTURE_FAILED);
    CHECK_EQ(thrum_future_wait(&failed, &got), -EIO);
    CHECK_PTR_EQ(got, NULL);
    CHECK_EQ(thrum_future_cancel(&cancelled), 0);
    CHECK_EQ(thrum_future_state(&cancelled), THRUM_FUTURE_CANCELLED);
    CHECK_EQ(thrum_future_wait(&cancelled, NULL), -ECANCELED);
    CHECK_EQ(thrum_future_set_result(&negative, -EPIPE), 0);
    CHECK_EQ(thrum_future_state(&negative), THRUM_FUTURE_FAILED);
}

TEST(a_result_is_a_value_too)
{
    thrum_future future = THRUM_FUTURE_INIT;
    CHECK_EQ(thrum_future_set_result(&future, 42), 0);
    CHECK_EQ(thrum_future_state(&future), THRUM_FUTURE_DONE);
    CHECK_EQ(thrum_future_wait(&future, NULL), 42);
}

/* ---- Waits ---- */

struct shared {
    thrum_future future;
    th_atomic32 waiting, woken;
};

static int wait_for_value(void *arg)
{
    struct shared *shared = arg;
    void *got = NULL;
    count_up(&shared->waiting);
    CHECK_EQ(thrum_future_wait(&shared->future, &got), 0);
    CHECK_PTR_EQ(got, &value);
    count_up(&shared->woken);
    return 0;
}

static void *wait_in_thread(void *arg)
{
    (void)wait_for_value(arg);
    return NULL;
}

static int many_wait(void *arg)
{
    struct shared shared = {.future = THRUM_FUTURE_INIT};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    pthread_t thread = start_thread(wait_in_thread, &shared);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(thrum_spawn(&group, wait_for_value, &shared), 0);
    count_wait(&shared.waiting, 101);
    CHECK_EQ(count_of(&shared.woken), 0);
    CHECK_EQ(thrum_future_set(&shared.future, &value), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(count_of(&shared.woken), 101);
    return 0;
}

TEST(each_of_many_waiters_gets_the_value_threads_too)
{
    run_on_each_count(many_wait);
}

static void *set_in_thread(void *arg)
{
    CHECK_EQ(thrum_future_set(arg, &value), 0);
    return NULL;
}

static int set_in_task(void *arg)
{
    CHECK_EQ(thrum_future_set(arg, &value), 0);
    return 0;
}

/* On the waiter's stack, and gone as soon as the wait has ended: the setter must be done with it by then. */
static void await_one_of_this_frame(bool is_posted)
{
    thrum_future future = THRUM_FUTURE_INIT;
    pthread_t thread = 0;
    void *got = NULL;
    if (is_posted)
        CHECK_EQ(thrum_post(thrum_runtime_current(), set_in_task, &future), 0);
    else
        thread = start_thread(set_in_thread, &future);
    CHECK_EQ(thrum_future_wait(&future, &got), 0);
    CHECK_PTR_EQ(got, &value);
    memset(&future, 0xff, sizeof future);
    if (!is_posted)
        CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int await_short_lived_ones(void *arg)
{
    (void)arg;
    for (int i = 0; i < fewer(200, 20); i++)
        await_one_of_this_frame(i % 2 != 0);
    return 0;
}

TEST(a_future_may_go_as_soon_as_its_wait_has_returned)
{
    run_on_each_count(await_short_lived_ones);
}

static int wait_in_vain(void *arg)
{
    thrum_future *future = arg;
    CHECK_EQ(thrum_future_wait_until(future, NULL, thrum_now() + THRUM_US(100)), -ETIMEDOUT);
    CHECK_EQ(thrum_future_state(future), THRUM_FUTURE_PENDING);
    return 0;
}

static int wait_with_a_deadline(void *arg)
{
    thrum_future future = THRUM_FUTURE_INIT;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(thrum_spawn(&group, wait_in_vain, &future), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_future_set(&future, &value), 0);
    CHECK_EQ(thrum_future_wait_until(&future, NULL, 0), 0); /* what is there needs no time */
    return 0;
}

TEST(a_wait_ends_at_its_deadline_and_leaves_the_future_alone)
{
    run_on_each_count(wait_with_a_deadline);
    thrum_future future = THRUM_FUTURE_INIT;
    (void)wait_in_vain(&future); /* a thread's */
}

/* ---- Calls ---- */

struct calls {
    thrum_future *future;
    char order[8];
    unsigned count;
    int result;
};

struct one_call {
    struct calls *calls;
    char letter;
};

static void note_call(void *arg, int result)
{
    struct one_call *call = arg;
    call->calls->order[call->calls->count++] = call->letter;
    call->calls->result = result;
}

TEST(calls_are_made_in_the_order_of_asking_and_at_once_when_it_is_over)
{
    thrum_future future = THRUM_FUTURE_INIT;
    struct calls calls = {.count = 0};
    struct one_call a = {&calls, 'a'}, b = {&calls, 'b'}, c = {&calls, 'c'};
    CHECK_EQ(thrum_future_on_done(&future, note_call, &a), 0);
    CHECK_EQ(thrum_future_on_done(&future, note_call, &b), 0);
    CHECK_EQ(calls.count, 0);
    CHECK_EQ(thrum_future_fail(&future, -EIO), 0);
    CHECK_EQ(calls.count, 2);
    CHECK_EQ(thrum_future_on_done(&future, note_call, &c), 0);
    CHECK_STR_EQ(calls.order, "abc");
    CHECK_EQ(calls.result, -EIO);
}

static void set_another(void *arg, int result)
{
    CHECK_EQ(thrum_future_set_result(arg, result + 1), 0);
}

TEST(a_call_may_set_another_future)
{
    thrum_future first = THRUM_FUTURE_INIT, second = THRUM_FUTURE_INIT;
    CHECK_EQ(thrum_future_on_done(&first, set_another, &second), 0);
    CHECK_EQ(thrum_future_set_result(&first, 1), 0);
    CHECK_EQ(thrum_future_wait(&second, NULL), 2);
}

/* ---- Chains ---- */

static int next_element(void *arg, void **passed)
{
    int *element = *passed;
    *passed = element + 1;
    return *(int *)arg;
}

static int must_not_run(void *arg, void **passed)
{
    (void)arg;
    (void)passed;
    FAIL("it ran");
}

TEST(a_chain_hands_its_value_on)
{
    thrum_future future = THRUM_FUTURE_INIT, *second, *third;
    int array[3] = {0}, result = 7;
    void *got = NULL;
    CHECK_EQ(thrum_future_then(&future, next_element, &result, &second), 0);
    CHECK_EQ(thrum_future_then(second, next_element, &result, &third), 0);
    CHECK_EQ(thrum_future_state(third), THRUM_FUTURE_PENDING);
    CHECK_EQ(thrum_future_set(&future, array), 0);
    CHECK_EQ(thrum_future_wait(second, &got), 7);
    CHECK_PTR_EQ(got, &array[1]);
    CHECK_EQ(thrum_future_wait(third, &got), 7);
    CHECK_PTR_EQ(got, &array[2]);
    thrum_future_drop(second);
    thrum_future_drop(third);
}

TEST(a_chain_on_a_future_that_is_over_runs_at_once)
{
    thrum_future future = THRUM_FUTURE_INIT, *next;
    int array[2] = {0}, result = 0;
    void *got = NULL;
    CHECK_EQ(thrum_future_set(&future, array), 0);
    CHECK_EQ(thrum_future_then(&future, next_element, &result, &next), 0);
    CHECK_EQ(thrum_future_result(next, &got), 0);
    CHECK_PTR_EQ(got, &array[1]);
    thrum_future_drop(next);
}

TEST(a_failure_goes_down_the_chain_and_no_step_runs)
{
    thrum_future future = THRUM_FUTURE_INIT, *second, *third;
    CHECK_EQ(thrum_future_then(&future, must_not_run, NULL, &second), 0);
    CHECK_EQ(thrum_future_then(second, must_not_run, NULL, &third), 0);
    CHECK_EQ(thrum_future_fail(&future, -EIO), 0);
    CHECK_EQ(thrum_future_result(second, NULL), -EIO);
    CHECK_EQ(thrum_future_result(third, NULL), -EIO);
    CHECK_EQ(thrum_future_state(third), THRUM_FUTURE_FAILED);
    thrum_future_drop(second);
    thrum_future_drop(third);
}

static int fail_with_a_value(void *arg, void **passed)
{
    (void)passed;
    return *(int *)arg;
}

TEST(a_step_that_fails_hands_on_its_failure_and_no_value)
{
    thrum_future future = THRUM_FUTURE_INIT, *next;
    int failure = -EPROTO;
    void *got = &value;
    CHECK_EQ(thrum_future_then(&future, fail_with_a_value, &failure, &next), 0);
    CHECK_EQ(thrum_future_set(&future, &value), 0);
    CHECK_EQ(thrum_future_result(next, &got), -EPROTO);
    CHECK_PTR_EQ(got, NULL);
    thrum_future_drop(next);
}

TEST(a_cancelled_step_does_not_run_and_those_behind_it_are_cancelled)
{
    thrum_future future = THRUM_FUTURE_INIT, *second, *third;
    CHECK_EQ(thrum_future_then(&future, must_not_run, NULL, &second), 0);
    CHECK_EQ(thrum_future_then(second, must_not_run, NULL, &third), 0);
    CHECK_EQ(thrum_future_cancel(second), 0);
    CHECK_EQ(thrum_future_state(&future), THRUM_FUTURE_PENDING);
    CHECK_EQ(thrum_future_state(third), THRUM_FUTURE_CANCELLED);
    thrum_future_drop(second);
    thrum_future_drop(third);
    CHECK_EQ(thrum_future_set(&future, &value), 0);
}

static int pass_on(void *arg, void **passed)
{
    (void)passed;
    ++*(int *)arg;
    return 0;
}

static int run_a_long_chain(void *arg)
{
    thrum_future first = THRUM_FUTURE_INIT, *last = &first;
    int steps = 0, length = 100000;
    (void)arg;
    for (int i = 0; i < length; i++) {
        thrum_future *next;
        CHECK_EQ(thrum_future_then(last, pass_on, &steps, &next), 0);
        if (last != &first)
            thrum_future_drop(last);
        last = next;
    }
    CHECK_EQ(thrum_future_set(&first, &value), 0);
    CHECK_EQ(steps, length);
    CHECK_EQ(thrum_future_wait(last, NULL), 0);
    thrum_future_drop(last);
    return 0;
}

TEST(a_long_chain_does_not_nest)
{
    run_on(1, run_a_long_chain, NULL);
}

/* ---- References ---- */

TEST(a_created_future_lives_as_long_as_its_references)
{
    thrum_future *future, *other;
    CHECK_EQ(thrum_future_create(&future), 0);
    other = thrum_future_hold(future);
    CHECK_PTR_EQ(other, future);
    CHECK_EQ(thrum_future_set_result(future, 3), 0);
    thrum_future_drop(future);
    CHECK_EQ(thrum_future_wait(other, NULL), 3);
    thrum_future_drop(other);
}

TEST(a_future_that_nobody_can_set_any_more_is_cancelled)
{
    thrum_future *future, *next;
    struct calls calls = {.count = 0};
    struct one_call call = {&calls, 'x'};
    CHECK_EQ(thrum_future_create(&future), 0);
    CHECK_EQ(thrum_future_on_done(future, note_call, &call), 0);
    CHECK_EQ(thrum_future_then(future, must_not_run, NULL, &next), 0);
    thrum_future_drop(future);
    CHECK_EQ(calls.result, -ECANCELED);
    CHECK_EQ(thrum_future_state(next), THRUM_FUTURE_CANCELLED);
    thrum_future_drop(next);
}

static void drop_a_static_one(void *arg)
{
    thrum_future future = THRUM_FUTURE_INIT;
    (void)arg;
    thrum_future_drop(&future);
}

TEST(dropping_a_future_that_was_not_created_is_named)
{
    struct kit_outcome outcome;
    kit_in_child(drop_a_static_one, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "was not created by thrum_future_create");
}

TEST(without_memory_nothing_is_created_and_nobody_called)
{
    thrum_future future = THRUM_FUTURE_INIT, *next;
    struct calls calls = {.count = 0};
    struct one_call call = {&calls, 'x'};
    CHECK_EQ(th_fault_plan("alloc:*:ENOMEM"), 0);
    CHECK_EQ(thrum_future_create(&next), -ENOMEM);
    CHECK_EQ(thrum_future_on_done(&future, note_call, &call), -ENOMEM);
    CHECK_EQ(thrum_future_then(&future, must_not_run, NULL, &next), -ENOMEM);
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(thrum_future_set(&future, &value), 0);
    CHECK_EQ(calls.count, 0);
}
