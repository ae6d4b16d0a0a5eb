/* Groups: who waits for whom, whose failure counts, and who is cancelled then. */
#include "task/harness.h"

/* ---- Policies ---- */

static th_atomic32 cancelled;

static int wait_for_a_sibling(void *arg)
{
    (void)arg;
    while (!thrum_cancelled())
        thrum_yield();
    CHECK_EQ(thrum_cancel_reason(), THRUM_CANCEL_SIBLING);
    count_up(&cancelled);
    return -ECANCELED;
}

static int fail_first_of_all(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    th_atomic32_store_relaxed(&cancelled, 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(thrum_spawn(&group, wait_for_a_sibling, NULL), 0);
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)9), 0); /* no failure */
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)-EIO), 0);
    CHECK_EQ(thrum_group_wait(&group), -EIO);
    CHECK_EQ(count_of(&cancelled), 5);
    return 0;
}

TEST(of_all_the_first_failure_cancels_the_others_and_is_the_result)
{
    run_on_each_count(fail_first_of_all);
}

static int fail_unless_cancelled(void *arg)
{
    thrum_yield();
    CHECK(!thrum_cancelled());
    return (int)(intptr_t)arg;
}

static int fail_each(void *arg)
{
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    th_atomic32 count = TH_ATOMIC_INIT(0);
    (void)arg;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(thrum_spawn(&group, fail_unless_cancelled, (void *)(intptr_t)-EIO), 0);
        CHECK_EQ(thrum_spawn(&group, yield_and_count_me, &count), 0);
    }
    CHECK_EQ(thrum_group_wait(&group), -EIO);
    CHECK_EQ(count_of(&count), 3);
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)5), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(of_each_no_failure_cancels_and_the_first_is_the_result)
{
    run_on_each_count(fail_each);
}

static int race(void *arg)
{
    thrum_group group = THRUM_GROUP_WITH(THRUM_RACE);
    (void)arg;
    th_atomic32_store_relaxed(&cancelled, 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_spawn(&group, wait_for_a_sibling, NULL), 0);
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)-EIO), 0); /* a failure ends no race */
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)6), 0);
    CHECK_EQ(thrum_group_wait(&group), 6);
    CHECK_EQ(count_of(&cancelled), 3);
    /* The policy stays. Nobody wins: the first failure. */
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)-EIO), 0);
    CHECK_EQ(thrum_group_wait(&group), -EIO);
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)0), 0);
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)-EIO), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(of_a_race_the_first_success_cancels_the_others_and_is_the_result)
{
    run_on_each_count(race);
}

static int answer_a_cancel_late(void *arg)
{
    th_atomic32 *go = arg;
    flag_wait(go);
    return -ECANCELED;
}

static int return_ecanceled_uncancelled(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)-ECANCELED), 0);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED); /* nobody cancelled it: a failure like others */
    th_atomic32 go = TH_ATOMIC_INIT(0);
    CHECK_EQ(thrum_spawn(&group, answer_a_cancel_late, &go), 0);
    thrum_cancel(&group);
    flag_set(&go);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    return 0;
}

TEST(ecanceled_counts_as_a_failure_only_of_a_task_that_nobody_cancelled)
{
    run_on_each_count(return_ecanceled_uncancelled);
}

/* ---- Forms ---- */

static int use_blocks(void *arg)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    int turns = 0;
    (void)arg;
    THRUM_GROUP(outer)
    {
        turns++;
        CHECK_EQ(thrum_spawn(&outer, yield_and_count_me, &count), 0);
        THRUM_GROUP(inner)
        {
            for (int i = 0; i < 10; i++)
                CHECK_EQ(thrum_spawn(&inner, yield_and_count_me, &count), 0);
        }
        CHECK_GE(count_of(&count), 10);
    }
    CHECK_EQ(turns, 1);
    CHECK_EQ(count_of(&count), 11);
    THRUM_GROUP(empty)
    {
    }
    return 0;
}

TEST(leaving_a_block_waits_for_what_was_started_in_it)
{
    run_on_each_count(use_blocks);
}

static int return_out_of_a_block(th_atomic32 *count)
{
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 10; i++)
            CHECK_EQ(thrum_spawn(&group, yield_and_count_me, count), 0);
        return 42;
    }
    return 0;
}

static int leave_blocks_early(void *arg)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    (void)arg;
    CHECK_EQ(return_out_of_a_block(&count), 42);
    CHECK_EQ(count_of(&count), 10);
    THRUM_GROUP(group)
    {
        CHECK_EQ(thrum_spawn(&group, yield_and_count_me, &count), 0);
        goto out;
    }
out:
    CHECK_EQ(count_of(&count), 11);
    return 0;
}

TEST(returning_or_jumping_out_of_a_block_waits_too)
{
    run_on_each_count(leave_blocks_early);
}

static int use_again(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    th_atomic32 count = TH_ATOMIC_INIT(0);
    (void)arg;
    CHECK_EQ(thrum_group_wait(&group), 0); /* never used */
    for (int round = 0; round < 50; round++) {
        for (int i = 0; i < round; i++)
            CHECK_EQ(thrum_spawn(&group, i % 2 ? count_me : yield_and_count_me, &count), 0);
        if (round % 5 == 0)
            CHECK_EQ(thrum_spawn(&group, return_value, (void *)(intptr_t)-EIO), 0);
        CHECK_EQ(thrum_group_wait(&group), round % 5 == 0 ? -EIO : 0);
        CHECK_EQ(thrum_group_wait(&group), 0); /* once more: it is as new */
    }
    CHECK_EQ(count_of(&count), 49 * 50 / 2);
    return 0;
}

TEST(a_group_is_as_new_after_the_wait)
{
    run_on_each_count(use_again);
}

/* ---- Members ---- */

struct family {
    thrum_group *group;
    int depth;
    th_atomic32 *count;
};

static int spawn_brothers(void *arg)
{
    const struct family *family = arg;
    count_up(family->count);
    struct family next = {.group = family->group, .depth = family->depth - 1, .count = family->count};
    for (int i = 0; i < 2 && family->depth > 0; i++)
        CHECK_EQ(thrum_spawn_copy(family->group, spawn_brothers, &next, sizeof next), 0);
    return 0;
}

static int be_the_opener(void *arg)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    struct family family = {.group = &group, .depth = 10, .count = &count};
    (void)arg;
    CHECK_EQ(thrum_spawn_copy(&group, spawn_brothers, &family, sizeof family), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&count), (1 << 11) - 1);
    return 0;
}

TEST(members_start_more_in_their_group)
{
    for (int i = 0; i < fewer(30, 3); i++)
        run_on_each_count(be_the_opener);
}

static int nest(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    if (depth == 0)
        return 1;
    thrum_group group = THRUM_GROUP_WITH(THRUM_RACE);
    CHECK_EQ(thrum_spawn(&group, nest, (void *)(depth - 1)), 0);
    return 1 + thrum_group_wait(&group);
}

static int nest_deep(void *arg)
{
    (void)arg;
    CHECK_EQ(nest((void *)(intptr_t)2000), 2001); /* more than what fits on a stack in place */
    return 0;
}

TEST(groups_nest_as_deep_as_there_are_stacks)
{
    run_on_each_count(nest_deep);
}

/* ---- Misuse ---- */

static int wait_for_my_parents_group(void *arg)
{
    return thrum_group_wait(arg);
}

static int let_others_wait(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *task;
    th_atomic32 go = TH_ATOMIC_INIT(0);
    int result;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, wait_for_my_flag, &go), 0);
    CHECK_EQ(thrum_task_start(&task, &group, NULL, wait_for_my_parents_group, &group), 0);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, -EPERM); /* of a member: it would wait for itself; the failure cancels the group */
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, wait_for_my_parents_group, &group), 0);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, -EPERM);
    flag_set(&go);
    CHECK_EQ(thrum_group_wait(&group), -EPERM);
    return 0;
}

static void *wait_from_outside(void *arg)
{
    return (void *)(intptr_t)thrum_group_wait(arg);
}

static int let_a_thread_wait(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    void *result;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0);
    pthread_join(start_thread(wait_from_outside, &group), &result);
    CHECK_EQ((intptr_t)result, -EPERM);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(only_the_opener_may_wait)
{
    run_on_each_count(let_others_wait);
    run_on_each_count(let_a_thread_wait);
}

static int leave_a_group_open(void *arg)
{
    static thrum_group group;
    (void)arg;
    return thrum_spawn(&group, return_zero, NULL);
}

static int start_one_that_leaves_a_group_open(void *arg)
{
    thrum_task *task;
    thrum_task_options options = {.name = "careless"};
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, &options, leave_a_group_open, NULL), 0);
    return thrum_join(task, NULL);
}

static void run_leave_a_group_open(void *arg)
{
    run_on(1, start_one_that_leaves_a_group_open, arg);
}

TEST(a_task_that_ends_without_waiting_for_its_group_ends_the_program_with_a_line)
{
    static struct kit_outcome outcome;
    kit_in_child(run_leave_a_group_open, NULL, &outcome);
    CHECK_EQ(outcome.signo, 6);
    CHECK_STR_HAS(outcome.errors, "(careless)");
    CHECK_STR_HAS(outcome.errors, "thrum_group_wait");
}
