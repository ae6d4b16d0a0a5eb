/* Cancels and deadlines meet waits: in each state of the task, nested, shielded, inherited, and all at once. */
#include "task/harness.h"

#include <signal.h>

enum { LONG = 1000 };

/* ---- Cancel, in each state ---- */

static int sleep_long(void *arg)
{
    int code = thrum_sleep(THRUM_SEC(LONG));
    if (arg != NULL)
        th_atomic32_store_release((th_atomic32 *)arg, (uint32_t)-code);
    return code;
}

/* A task that is parked by now, or about to be. */
static thrum_task *start_sleeper(thrum_group *group, th_atomic32 *code)
{
    thrum_task *task;
    CHECK_EQ(thrum_task_start(&task, group, NULL, sleep_long, code), 0);
    return task;
}

static int cancel_a_sleeper(void *arg)
{
    (void)arg;
    for (int yields = 0; yields < 8; yields++) {
        thrum_group group = THRUM_GROUP_INIT;
        thrum_task *task = start_sleeper(&group, NULL);
        int result = 0;
        for (int i = 0; i < yields; i++)
            thrum_yield();
        thrum_task_cancel(task);
        thrum_task_cancel(task);
        CHECK_EQ(thrum_join(task, &result), 0);
        CHECK_EQ(result, -ECANCELED);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    return 0;
}

TEST(a_cancelled_sleeper_wakes_whether_it_had_begun_or_not)
{
    run_on_each_count(cancel_a_sleeper);
}

static int each_call_returns_at_once(void *arg)
{
    thrum_task *other = arg;
    int result;
    CHECK_EQ(thrum_sleep(THRUM_SEC(LONG)), -ECANCELED);
    CHECK_EQ(thrum_sleep(0), -ECANCELED);
    CHECK_EQ(thrum_sleep(THRUM_SEC(LONG)), -ECANCELED);
    CHECK_EQ(thrum_join(other, &result), -ECANCELED);
    thrum_timer beat = thrum_timer_every(THRUM_SEC(LONG));
    CHECK_EQ(thrum_timer_wait(&beat), -ECANCELED);
    CHECK(thrum_cancelled());
    return 0;
}

static int cancel_is_level_triggered(void *arg)
{
    (void)arg;
    thrum_group group = THRUM_GROUP_INIT, others = THRUM_GROUP_INIT;
    thrum_task *other = start_sleeper(&others, NULL), *task;
    CHECK_EQ(thrum_task_start(&task, &group, NULL, each_call_returns_at_once, other), 0);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_task_drop(task);
    thrum_cancel(&others);
    CHECK_EQ(thrum_join(other, NULL), 0);
    CHECK_EQ(thrum_group_wait(&others), -ECANCELED);
    return 0;
}

TEST(every_call_that_waits_says_canceled_until_the_scope_ends)
{
    run_on_each_count(cancel_is_level_triggered);
}

static int join_my_argument(void *arg)
{
    int result = 0, code = thrum_join(arg, &result);
    return code < 0 ? code : result;
}

static int cancel_a_joiner(void *arg)
{
    (void)arg;
    thrum_group group = THRUM_GROUP_INIT;
    th_atomic32 code = TH_ATOMIC_INIT(0);
    thrum_task *sleeper = start_sleeper(&group, &code), *joiner;
    int result = 0;
    thrum_yield();
    CHECK_EQ(thrum_task_start(&joiner, &group, NULL, join_my_argument, sleeper), 0);
    for (int i = 0; i < 4; i++)
        thrum_yield();
    thrum_task_cancel(joiner);
    CHECK_EQ(thrum_join(joiner, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    CHECK(!thrum_task_is_done(sleeper));
    thrum_task_cancel(sleeper); /* the handle has been kept */
    CHECK_EQ(thrum_join(sleeper, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(th_atomic32_load_relaxed(&code), ECANCELED);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(a_cancelled_join_keeps_the_handle_and_the_joined_goes_on)
{
    run_on_each_count(cancel_a_joiner);
}

static int cancel_what_has_ended(void *arg)
{
    (void)arg;
    thrum_task *task;
    int result = 1;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), 0);
    while (!thrum_task_is_done(task))
        thrum_yield();
    thrum_task_cancel(task);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, 0);
    return 0;
}

TEST(cancelling_what_has_ended_changes_nothing)
{
    run_on_each_count(cancel_what_has_ended);
}

/* ---- Nested scopes ---- */

struct tree {
    int depth, width;
    th_atomic32 *parked, *cancelled;
};

static int grow(void *arg)
{
    const struct tree *tree = arg;
    struct tree below = *tree;
    thrum_group group = THRUM_GROUP_INIT;
    below.depth--;
    for (int i = 0; tree->depth > 0 && i < tree->width; i++)
        CHECK_EQ(thrum_spawn_copy(&group, grow, &below, sizeof below), 0);
    count_up(tree->parked);
    int code = thrum_sleep(THRUM_SEC(LONG));
    if (code == -ECANCELED)
        count_up(tree->cancelled);
    (void)thrum_group_wait(&group);
    return code;
}

static int cancel_a_tree(void *arg)
{
    (void)arg;
    th_atomic32 parked = TH_ATOMIC_INIT(0), cancelled = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    struct tree tree = {.depth = 4, .width = 4, .parked = &parked, .cancelled = &cancelled};
    CHECK_EQ(thrum_spawn(&group, grow, &tree), 0);
    count_wait(&parked, 1 + 4 + 16 + 64 + 256);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    CHECK_EQ(count_of(&cancelled), 1 + 4 + 16 + 64 + 256);
    return 0;
}

TEST(a_cancel_reaches_all_groups_below)
{
    run_on_each_count(cancel_a_tree);
}

static int grow_or_stop(void *arg)
{
    const struct tree *tree = arg;
    struct tree below = *tree;
    thrum_group group = THRUM_GROUP_INIT;
    below.depth--;
    for (int i = 0; tree->depth > 0 && i < tree->width; i++) {
        int code = thrum_spawn_copy(&group, grow_or_stop, &below, sizeof below);
        CHECK(code == 0 || code == -ECANCELED);
    }
    count_up(tree->parked);
    CHECK_EQ(thrum_sleep(THRUM_SEC(LONG)), -ECANCELED);
    count_up(tree->cancelled);
    (void)thrum_group_wait(&group);
    return -ECANCELED;
}

static int cancel_growing_trees(void *arg)
{
    struct th_random random;
    (void)arg;
    th_random_init(&random, kit_seed());
    for (int i = 0; i < fewer(300, 30); i++) {
        th_atomic32 parked = TH_ATOMIC_INIT(0), cancelled = TH_ATOMIC_INIT(0);
        thrum_group group = THRUM_GROUP_INIT;
        struct tree tree = {.depth = 3, .width = 3, .parked = &parked, .cancelled = &cancelled};
        CHECK_EQ(thrum_spawn(&group, grow_or_stop, &tree), 0);
        count_wait(&parked, th_random_below(&random, 40));
        thrum_cancel(&group);
        (void)thrum_group_wait(&group);
        CHECK_EQ(count_of(&cancelled), count_of(&parked));
    }
    return 0;
}

TEST(a_cancel_reaches_a_tree_that_is_growing)
{
    run_on_each_count(cancel_growing_trees);
}

static int chain(void *arg)
{
    const struct tree *tree = arg;
    struct tree below = *tree;
    thrum_group group = THRUM_GROUP_INIT;
    if (below.depth-- == 0) {
        count_up(tree->parked);
        return thrum_sleep(THRUM_SEC(LONG));
    }
    CHECK_EQ(thrum_spawn(&group, chain, &below), 0);
    /* Not run in place: each on a stack of its own. */
    thrum_yield();
    (void)thrum_group_wait(&group);
    return -ECANCELED;
}

static int cancel_a_chain(void *arg)
{
    (void)arg;
    th_atomic32 parked = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    struct tree tree = {.depth = fewer(20000, 500), .parked = &parked};
    CHECK_EQ(thrum_spawn(&group, chain, &tree), 0);
    count_wait(&parked, 1);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    return 0;
}

TEST(a_cancel_goes_down_a_long_chain_on_a_small_stack)
{
    run_on(1, cancel_a_chain, NULL);
    run_on(4, cancel_a_chain, NULL);
}

static int fail_at_once(void *arg)
{
    (void)arg;
    return -EIO;
}

static int fail_beside_a_sleeper(void *arg)
{
    (void)arg;
    th_atomic32 code = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, sleep_long, &code), 0);
    thrum_yield();
    CHECK_EQ(thrum_spawn(&group, fail_at_once, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), -EIO);
    CHECK_EQ(th_atomic32_load_relaxed(&code), ECANCELED);
    return 0;
}

TEST(a_failure_wakes_sleeping_siblings)
{
    run_on_each_count(fail_beside_a_sleeper);
}

static int leave_sleepers_in_the_root_group(void *arg)
{
    for (int i = 0; i < 100; i++)
        CHECK_EQ(thrum_spawn(NULL, sleep_long, arg), 0);
    for (int i = 0; i < 3; i++)
        thrum_yield();
    return 0;
}

TEST(the_end_of_the_main_task_wakes_sleepers_of_the_root_group)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        th_atomic32 code = TH_ATOMIC_INIT(0);
        run_on(workers, leave_sleepers_in_the_root_group, &code);
        CHECK_EQ(th_atomic32_load_relaxed(&code), ECANCELED);
    }
}

/* ---- Deadlines ---- */

static int deadlines(void *arg)
{
    (void)arg;
    thrum_scope scope, inner;
    CHECK_EQ(thrum_deadline(), THRUM_FOREVER);
    thrum_time before = thrum_now();
    thrum_timeout_begin(&scope, THRUM_MS(300)); /* far more than what follows takes on a machine that is busy */
    CHECK_GE(thrum_deadline(), before + THRUM_MS(300));
    CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    CHECK(!thrum_cancelled());
    CHECK_EQ(thrum_sleep(THRUM_SEC(LONG)), -ETIMEDOUT);
    CHECK_GE(thrum_now(), before + THRUM_MS(300));
    CHECK_EQ(thrum_sleep(THRUM_US(10)), -ETIMEDOUT);
    CHECK_EQ(thrum_cancel_reason(), THRUM_CANCEL_DEADLINE);
    thrum_timeout_begin(&inner, THRUM_SEC(LONG)); /* later than the one around: that one counts */
    CHECK_EQ(thrum_sleep(THRUM_US(10)), -ETIMEDOUT);
    CHECK_EQ(thrum_scope_end(&inner), 0);
    CHECK_EQ(thrum_scope_end(&scope), -ETIMEDOUT);
    CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    CHECK(!thrum_cancelled());

    thrum_timeout_begin(&scope, THRUM_SEC(LONG));
    thrum_deadline_begin(&inner, thrum_now() - 1);
    CHECK_EQ(thrum_sleep(THRUM_SEC(LONG)), -ETIMEDOUT);
    CHECK_EQ(thrum_scope_end(&inner), -ETIMEDOUT);
    CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    CHECK_EQ(thrum_scope_end(&scope), 0);
    CHECK_EQ(thrum_deadline(), THRUM_FOREVER);
    return 0;
}

TEST(deadlines_nest_by_the_earliest)
{
    run_on_each_count(deadlines);
}

static int return_out_of_a_block(void)
{
    THRUM_TIMEOUT(THRUM_SEC(LONG))
    {
        THRUM_TIMEOUT(0)
        {
            return thrum_sleep(THRUM_SEC(LONG));
        }
    }
    return 0;
}

static int blocks(void *arg)
{
    (void)arg;
    CHECK_EQ(return_out_of_a_block(), -ETIMEDOUT);
    CHECK_EQ(thrum_deadline(), THRUM_FOREVER);
    THRUM_DEADLINE(thrum_now() + THRUM_SEC(1))
    {
        CHECK_LT(thrum_deadline(), THRUM_FOREVER);
        break;
    }
    CHECK_EQ(thrum_deadline(), THRUM_FOREVER);
    return 0;
}

TEST(blocks_end_their_scope_however_they_are_left)
{
    run_on_each_count(blocks);
}

static int expect_the_deadline(void *arg)
{
    CHECK_EQ(thrum_deadline(), *(thrum_time *)arg);
    CHECK_EQ(thrum_sleep(THRUM_SEC(LONG)), -ETIMEDOUT);
    return -ETIMEDOUT;
}

static int children_inherit(void *arg)
{
    (void)arg;
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    thrum_time when = thrum_now() + THRUM_MS(3);
    thrum_task *task;
    THRUM_DEADLINE(when)
    {
        for (int i = 0; i < 10; i++)
            CHECK_EQ(thrum_spawn(&group, expect_the_deadline, &when), 0);
        CHECK_EQ(thrum_task_start(&task, &group, NULL, expect_the_deadline, &when), 0);
    }
    int result = 0;
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, -ETIMEDOUT);
    CHECK_EQ(thrum_group_wait(&group), -ETIMEDOUT);
    return 0;
}

TEST(tasks_inherit_the_deadline_they_were_started_under)
{
    run_on_each_count(children_inherit);
}

static int wait_for_a_group_under_a_deadline(void *arg)
{
    (void)arg;
    th_atomic32 code = TH_ATOMIC_INIT(0);
    for (int span = 0; span < 3; span++) {
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(thrum_spawn(&group, sleep_long, &code), 0);
        CHECK_EQ(thrum_spawn(&group, sleep_long, NULL), 0);
        THRUM_TIMEOUT(THRUM_MS(span))
        CHECK_EQ(thrum_group_wait(&group), -ETIMEDOUT);
        CHECK_EQ(th_atomic32_load_relaxed(&code), ECANCELED);
        CHECK_EQ(thrum_sleep(1), 0);
    }
    return 0;
}

TEST(a_late_group_wait_cancels_its_tasks_and_waits_for_them)
{
    run_on_each_count(wait_for_a_group_under_a_deadline);
}

static int sleep_a_little(void *arg)
{
    int code = thrum_sleep((thrum_time)(uintptr_t)arg);
    CHECK(code == 0 || code == -ECANCELED);
    return code;
}

/* The deadline and the last child come together. */
static int race_groups_with_deadlines(void *arg)
{
    struct th_random random;
    (void)arg;
    th_random_init(&random, kit_seed());
    for (int i = 0; i < fewer(2000, 200); i++) {
        thrum_group group = THRUM_GROUP_INIT;
        uintptr_t span = th_random_below(&random, 200000);
        CHECK_EQ(thrum_spawn(&group, sleep_a_little, (void *)span), 0);
        thrum_yield();
        CHECK_EQ(thrum_spawn(&group, sleep_a_little, (void *)span), 0);
        THRUM_TIMEOUT((thrum_time)span)
        {
            int code = thrum_group_wait(&group);
            CHECK(code == 0 || code == -ETIMEDOUT);
        }
        CHECK_EQ(thrum_sleep(0), 0);
    }
    return 0;
}

TEST(a_groups_last_child_and_its_deadline_may_come_at_once)
{
    run_on_each_count(race_groups_with_deadlines);
}

static int join_under_a_deadline(void *arg)
{
    (void)arg;
    thrum_task *task = start_sleeper(NULL, NULL); /* not run in place: it would not come back */
    int result = 0;
    THRUM_TIMEOUT(THRUM_MS(1))
    CHECK_EQ(thrum_join(task, &result), -ETIMEDOUT);
    thrum_task_cancel(task);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    return 0;
}

TEST(a_join_under_a_deadline_ends_with_it)
{
    run_on_each_count(join_under_a_deadline);
}

/* ---- Shields ---- */

static int clean_up(void *arg)
{
    th_atomic32 *cleaned = arg;
    CHECK_EQ(thrum_sleep(THRUM_SEC(LONG)), -ECANCELED);
    THRUM_SHIELD(THRUM_SEC(LONG))
    {
        thrum_group group = THRUM_GROUP_INIT;
        CHECK(!thrum_cancelled());
        CHECK_EQ(thrum_sleep(THRUM_US(50)), 0);
        CHECK_EQ(thrum_spawn(&group, sleep_a_little, (void *)1000), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
        THRUM_SHIELD(THRUM_US(20)) /* its own time counts */
        CHECK_EQ(thrum_sleep(THRUM_SEC(LONG)), -ETIMEDOUT);
        CHECK_EQ(thrum_sleep(THRUM_US(50)), 0);
        count_up(cleaned);
    }
    CHECK(thrum_cancelled());
    CHECK_EQ(thrum_sleep(THRUM_US(50)), -ECANCELED);
    return -ECANCELED;
}

static int cancel_what_cleans_up(void *arg)
{
    (void)arg;
    th_atomic32 cleaned = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_spawn(&group, clean_up, &cleaned), 0);
    for (int i = 0; i < 3; i++)
        thrum_yield();
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    CHECK_EQ(count_of(&cleaned), 10);
    return 0;
}

TEST(a_shield_keeps_cancel_and_deadline_off_for_its_own_time)
{
    run_on_each_count(cancel_what_cleans_up);
}

/* ---- All at once ---- */

struct storm {
    th_atomic32 waits, cancelled, late;
};

static int wait_in_the_storm(void *arg)
{
    struct storm *storm = arg;
    struct th_random random;
    th_random_init(&random, thrum_self_id());
    for (;;) {
        thrum_scope scope;
        bool has_deadline = th_random_below(&random, 2) != 0;
        if (has_deadline)
            thrum_timeout_begin(&scope, th_random_below(&random, 50000));
        int code = thrum_sleep(th_random_below(&random, 50000));
        int late = has_deadline ? thrum_scope_end(&scope) : 0;
        CHECK(code == 0 || code == -ECANCELED || (code == -ETIMEDOUT && late == -ETIMEDOUT));
        count_up(&storm->waits);
        if (code == -ETIMEDOUT)
            count_up(&storm->late);
        if (code == -ECANCELED) {
            count_up(&storm->cancelled);
            return code;
        }
    }
}

static int raise_a_storm(void *arg)
{
    struct storm *storm = arg;
    struct th_random random;
    th_random_init(&random, kit_seed());
    for (int i = 0; i < fewer(40, 6); i++) {
        thrum_group group = THRUM_GROUP_INIT;
        thrum_task *tasks[16];
        for (size_t k = 0; k < TH_COUNT_OF(tasks); k++)
            CHECK_EQ(thrum_task_start(&tasks[k], &group, NULL, wait_in_the_storm, storm), 0);
        for (size_t k = 0; k < TH_COUNT_OF(tasks); k++) {
            CHECK_EQ(thrum_sleep(th_random_below(&random, 100000)), 0);
            thrum_task_cancel(tasks[k]);
            if (k == 8 && th_random_below(&random, 2) != 0)
                thrum_cancel(&group);
        }
        for (size_t k = 0; k < TH_COUNT_OF(tasks); k++)
            CHECK_EQ(thrum_join(tasks[k], NULL), 0);
        (void)thrum_group_wait(&group);
    }
    return 0;
}

TEST(sleeps_deadlines_and_cancels_in_a_storm_lose_no_task)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct storm storm = {.waits = TH_ATOMIC_INIT(0)};
        run_on(workers, raise_a_storm, &storm);
        CHECK_EQ(count_of(&storm.cancelled), 16u * (uint32_t)fewer(40, 6));
        CHECK_GT(count_of(&storm.late), 0);
    }
}

static void *cancel_from_a_thread(void *arg)
{
    thrum_task_cancel(arg);
    return NULL;
}

static int be_cancelled_by_a_thread(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        thrum_task *task = start_sleeper(NULL, NULL);
        int result = 0;
        pthread_t thread = start_thread(cancel_from_a_thread, task);
        CHECK_EQ(thrum_join(thrum_task_hold(task), &result), 0);
        CHECK_EQ(result, -ECANCELED);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        thrum_task_drop(task);
    }
    return 0;
}

TEST(a_foreign_thread_may_cancel)
{
    run_on_each_count(be_cancelled_by_a_thread);
}

/* ---- Mistakes ---- */

static int end_inside_of_a_scope(void *arg)
{
    (void)arg;
    thrum_scope scope;
    thrum_timeout_begin(&scope, THRUM_SEC(1));
    return 0;
}

static int end_the_wrong_scope(void *arg)
{
    (void)arg;
    thrum_scope outer, inner;
    thrum_timeout_begin(&outer, THRUM_SEC(1));
    thrum_timeout_begin(&inner, THRUM_SEC(1));
    return thrum_scope_end(&outer);
}

static void leave_a_scope(void *arg)
{
    (void)arg;
    run_on(1, end_inside_of_a_scope, NULL);
}

static void mix_scopes_up(void *arg)
{
    (void)arg;
    run_on(1, end_the_wrong_scope, NULL);
}

TEST(a_scope_that_is_not_ended_is_named)
{
    struct kit_outcome outcome;
    kit_in_child(leave_a_scope, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "ended inside of 1 deadline or shield");
    kit_in_child(mix_scopes_up, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "ends a deadline or shield that is not its last");
}

TEST(outside_of_tasks_scopes_do_nothing)
{
    thrum_scope scope;
    thrum_timeout_begin(&scope, 0);
    CHECK_EQ(thrum_sleep(1), 0);
    CHECK_EQ(thrum_deadline(), THRUM_FOREVER);
    CHECK_EQ(thrum_scope_end(&scope), 0);
}
