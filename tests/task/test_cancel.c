/* The cancel flag: level-triggered, seen by everybody inside. */
#include "task/harness.h"

struct seen {
    th_atomic32 has_begun, reason;
};

static int note_the_reason(void *arg)
{
    struct seen *seen = arg;
    CHECK(!thrum_cancelled());
    CHECK_EQ(thrum_cancel_reason(), THRUM_NOT_CANCELLED);
    flag_set(&seen->has_begun);
    while (!thrum_cancelled())
        thrum_yield();
    CHECK(thrum_cancelled()); /* it stays */
    th_atomic32_store_release(&seen->reason, (uint32_t)thrum_cancel_reason());
    return -ECANCELED;
}

static int cancel_a_group(void *arg)
{
    struct seen seen[5] = {{.has_begun = TH_ATOMIC_INIT(0)}};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 5; i++)
        CHECK_EQ(thrum_spawn(&group, note_the_reason, &seen[i]), 0);
    for (int i = 0; i < 5; i++)
        flag_wait(&seen[i].has_begun);
    thrum_cancel(&group);
    thrum_cancel(&group); /* twice is once */
    CHECK(!thrum_cancelled());
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(th_atomic32_load_relaxed(&seen[i].reason), THRUM_CANCEL_USER);
    return 0;
}

TEST(a_cancelled_group_is_seen_by_each_of_its_tasks)
{
    run_on_each_count(cancel_a_group);
}

static int cancel_a_task(void *arg)
{
    struct seen seen = {.has_begun = TH_ATOMIC_INIT(0)};
    th_atomic32 count = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *task;
    int result;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, yield_and_count_me, &count), 0);
    CHECK_EQ(thrum_task_start(&task, &group, NULL, note_the_reason, &seen), 0);
    flag_wait(&seen.has_begun);
    thrum_task_cancel(task);
    CHECK_EQ(thrum_join(thrum_task_hold(task), &result), 0);
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(th_atomic32_load_relaxed(&seen.reason), THRUM_CANCEL_USER);
    thrum_task_cancel(task); /* of an ended task: nothing */
    thrum_task_drop(task);
    CHECK_EQ(thrum_group_wait(&group), 0); /* a cancelled task's -ECANCELED fails nobody */
    CHECK_EQ(count_of(&count), 1);
    return 0;
}

TEST(a_cancelled_task_alone_sees_it)
{
    run_on_each_count(cancel_a_task);
}

/* ---- Who waits for others and is cancelled itself ---- */

struct waiter {
    int (*wait)(void);
    int result;
};

static th_atomic32 begun;

/* Looks whether it is cancelled, which writes nothing anywhere, until any wait tells it why. */
static int begin_and_wait_for_cancel(void *arg)
{
    flag_set(&begun);
    (void)wait_for_cancel(arg);
    return thrum_sleep(THRUM_SEC(100));
}

static int wait_for_a_group(void)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, begin_and_wait_for_cancel, NULL), 0);
    return thrum_group_wait(&group);
}

static int wait_for_each_of_a_group(void)
{
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    CHECK_EQ(thrum_spawn(&group, begin_and_wait_for_cancel, NULL), 0);
    return thrum_group_wait(&group);
}

static int gather_one(void)
{
    thrum_work work = THRUM_WORK(begin_and_wait_for_cancel, NULL);
    return thrum_gather(&work, 1);
}

static int race_one(void)
{
    thrum_work work = THRUM_WORK(begin_and_wait_for_cancel, NULL);
    size_t winner;
    int result = thrum_race(&work, 1, &winner);
    CHECK_EQ(winner, 1);
    return result;
}

static int be_cut_short(void *arg)
{
    struct waiter *waiter = arg;
    waiter->result = waiter->wait();
    return waiter->result;
}

static int fail_once_it_has_begun(void *arg)
{
    (void)arg;
    flag_wait(&begun);
    return -EIO;
}

static int wait_until_each_reason(void *arg)
{
    struct waiter *waiter = arg;
    thrum_group group = THRUM_GROUP_INIT;

    th_atomic32_store_release(&begun, 0);
    CHECK_EQ(thrum_spawn(&group, be_cut_short, waiter), 0);
    CHECK_EQ(thrum_spawn(&group, fail_once_it_has_begun, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), -EIO);
    CHECK_EQ(waiter->result, -ECANCELED);

    th_atomic32_store_release(&begun, 0);
    CHECK_EQ(thrum_spawn(&group, be_cut_short, waiter), 0);
    flag_wait(&begun);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    CHECK_EQ(waiter->result, -ECANCELED);

    THRUM_TIMEOUT(THRUM_MS(1))
    {
        CHECK_EQ(be_cut_short(waiter), -ETIMEDOUT);
    }

    th_atomic32_store_release(&begun, 0);
    CHECK_EQ(thrum_spawn(NULL, be_cut_short, waiter), 0);
    flag_wait(&begun);
    return 0; /* the end of the main task is the last reason */
}

TEST(who_waits_for_others_is_told_that_they_were_cut_short_whatever_the_reason)
{
    int (*const waits[])(void) = {wait_for_a_group, wait_for_each_of_a_group, gather_one, race_one};
    for (size_t i = 0; i < TH_COUNT_OF(waits); i++) {
        FOR_EACH_WORKER_COUNT(workers)
        {
            struct waiter waiter = {.wait = waits[i]};
            run_on(workers, wait_until_each_reason, &waiter);
            CHECK_EQ(waiter.result, -ECANCELED);
        }
    }
}

/* ---- Scopes ---- */

struct scope {
    int depth;
    struct seen *seen;
};

static int open_a_scope(void *arg)
{
    struct scope *scope = arg;
    struct scope inner = {.depth = scope->depth - 1, .seen = scope->seen};
    if (scope->depth == 0)
        return note_the_reason(scope->seen);
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    CHECK_EQ(thrum_spawn(&group, open_a_scope, &inner), 0);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    CHECK(thrum_cancelled());
    return -ECANCELED;
}

static int cancel_from_far_outside(void *arg)
{
    struct seen seen = {.has_begun = TH_ATOMIC_INIT(0)};
    struct scope scope = {.depth = 6, .seen = &seen};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, open_a_scope, &scope), 0);
    flag_wait(&seen.has_begun);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    CHECK_EQ(th_atomic32_load_relaxed(&seen.reason), THRUM_CANCEL_USER);
    CHECK(!thrum_cancelled());
    return 0;
}

TEST(a_cancel_reaches_the_scopes_inside)
{
    run_on_each_count(cancel_from_far_outside);
}

static int fail_inside(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, wait_for_cancel, NULL), 0);
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)-EIO), 0);
    CHECK_EQ(thrum_group_wait(&group), -EIO);
    CHECK(!thrum_cancelled());
    return 0;
}

static int have_a_failing_inner_scope(void *arg)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, fail_inside, NULL), 0);
    CHECK_EQ(thrum_spawn(&group, yield_and_count_me, &count), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&count), 1);
    return 0;
}

TEST(a_cancel_does_not_reach_the_scopes_around)
{
    run_on_each_count(have_a_failing_inner_scope);
}

static int see_nothing(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        thrum_yield();
    CHECK(!thrum_cancelled());
    return 0;
}

static int cancel_then_use_again(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    thrum_cancel(&group); /* before anybody used it */
    CHECK_EQ(thrum_spawn(&group, see_nothing, NULL), -ECANCELED);
    CHECK_EQ(thrum_group_wait(&group), 0);
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(thrum_spawn(&group, see_nothing, NULL), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
        CHECK_EQ(thrum_spawn(&group, wait_for_cancel, NULL), 0);
        thrum_cancel(&group);
        CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    }
    return 0;
}

TEST(a_cancel_lasts_until_the_wait)
{
    run_on_each_count(cancel_then_use_again);
}

/* A record is used again: the flag of its last life must not be seen in the next. */
static int cancel_many_lives(void *arg)
{
    (void)arg;
    for (int i = 0; i < 300; i++) {
        thrum_task *task;
        CHECK_EQ(thrum_task_start(&task, NULL, NULL, wait_for_cancel, NULL), 0);
        thrum_task_cancel(task);
        CHECK_EQ(thrum_join(task, NULL), 0);
        CHECK_EQ(thrum_task_start(&task, NULL, NULL, see_nothing, NULL), 0);
        CHECK_EQ(thrum_join(task, NULL), 0);
    }
    return 0;
}

TEST(a_new_task_is_not_cancelled_by_its_records_past)
{
    run_on_each_count(cancel_many_lives);
}

static void *cancel_from_thread(void *arg)
{
    thrum_cancel(arg);
    return NULL;
}

static int be_cancelled_from_outside(void *arg)
{
    struct seen seen = {.has_begun = TH_ATOMIC_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, note_the_reason, &seen), 0);
    flag_wait(&seen.has_begun);
    pthread_t thread = start_thread(cancel_from_thread, &group);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    return 0;
}

TEST(a_foreign_thread_cancels_a_group)
{
    run_on_each_count(be_cancelled_from_outside);
}
