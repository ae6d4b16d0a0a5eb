/* THRUM_DEBUG: orders of locks, and tasks that wait for each other while others go on. */
#include "task/harness.h"

#include "sched/park.h"
#include "sync/line.h"
#include "task/waiting.h"

#include <stdlib.h>

static thrum_mutex a = THRUM_MUTEX_INIT, b = THRUM_MUTEX_INIT, c = THRUM_MUTEX_INIT;

static void run_debugging(const char *words, thrum_fn main_task)
{
    CHECK_EQ(setenv("THRUM_DEBUG", words, 1), 0);
    run_on(2, main_task, NULL);
}

static void lock_both(thrum_mutex *first, thrum_mutex *second)
{
    CHECK_EQ(thrum_mutex_lock(first), 0);
    CHECK_EQ(thrum_mutex_lock(second), 0);
    thrum_mutex_unlock(second);
    thrum_mutex_unlock(first);
}

static int forwards(void *arg)
{
    (void)arg;
    lock_both(&a, &b);
    return 0;
}

static int backwards(void *arg)
{
    (void)arg;
    lock_both(&b, &a);
    lock_both(&b, &a);
    return 0;
}

static void run_named(const char *name, thrum_fn fn)
{
    thrum_task *task;
    thrum_task_options options = {.name = name};
    CHECK_EQ(thrum_task_start(&task, NULL, &options, fn, NULL), 0);
    CHECK_EQ(thrum_join(task, NULL), 0);
}

/* ---- Orders ---- */

static int both_ways(void *arg)
{
    (void)arg;
    run_named("early bird", forwards);
    run_named("late bird", backwards);
    return 0;
}

static void look_for_order(void *arg)
{
    (void)arg;
    run_debugging("lockorder", both_ways);
}

static int orders_told(const struct kit_outcome *outcome)
{
    int told = 0;
    for (const char *at = outcome->errors; (at = strstr(at, "lock order:")) != NULL; at++)
        told++;
    return told;
}

TEST(lockorder_names_both_tasks_and_both_orders_once)
{
    struct kit_outcome outcome;
    char text[128];
    kit_in_child(look_for_order, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "(late bird)");
    CHECK_STR_HAS(outcome.errors, "(early bird)");
    (void)snprintf(text, sizeof text, "locks %p while it has %p", (void *)&a, (void *)&b);
    CHECK_STR_HAS(outcome.errors, text);
    (void)snprintf(text, sizeof text, "locked %p while it had %p", (void *)&b, (void *)&a);
    CHECK_STR_HAS(outcome.errors, text);
    CHECK_EQ(orders_told(&outcome), 1);
}

static int round_three(void *arg)
{
    (void)arg;
    lock_both(&a, &b);
    lock_both(&b, &c);
    lock_both(&c, &a);
    return 0;
}

static void look_for_order_of_three(void *arg)
{
    (void)arg;
    run_debugging("lockorder,deadlock", round_three);
}

TEST(lockorder_finds_a_round_of_three)
{
    struct kit_outcome outcome;
    kit_in_child(look_for_order_of_three, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_EQ(orders_told(&outcome), 1);
    CHECK_EQ(lines_of(outcome.errors), 3);
}

static thrum_rwlock shelf = THRUM_RWLOCK_INIT;

static int same_way(void *arg)
{
    (void)arg;
    lock_both(&a, &b);
    lock_both(&b, &c);
    lock_both(&a, &c);
    CHECK_EQ(thrum_rwlock_read_lock(&shelf), 0);
    lock_both(&a, &b);
    thrum_rwlock_read_unlock(&shelf);
    /* Who only tries waits for nobody. */
    CHECK_EQ(thrum_mutex_lock(&c), 0);
    CHECK_EQ(thrum_mutex_try_lock(&a), 0);
    thrum_mutex_unlock(&a);
    thrum_mutex_unlock(&c);
    /* The memory of what was destroyed is another lock's. */
    thrum_mutex_destroy(&a);
    lock_both(&c, &a);
    return 0;
}

static void look_where_all_is_well(void *arg)
{
    (void)arg;
    run_debugging("lockorder", same_way);
}

TEST(lockorder_says_nothing_where_the_order_is_kept)
{
    struct kit_outcome outcome;
    kit_in_child(look_where_all_is_well, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_EQ(outcome.errors, "");
}

static int read_then_lock(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_rwlock_read_lock(&shelf), 0);
    CHECK_EQ(thrum_mutex_lock(&a), 0);
    thrum_mutex_unlock(&a);
    thrum_rwlock_read_unlock(&shelf);
    CHECK_EQ(thrum_mutex_lock(&a), 0);
    CHECK_EQ(thrum_rwlock_write_lock(&shelf), 0);
    thrum_rwlock_write_unlock(&shelf);
    thrum_mutex_unlock(&a);
    return 0;
}

static void look_for_order_of_rwlock(void *arg)
{
    (void)arg;
    run_debugging("lockorder", read_then_lock);
}

TEST(lockorder_knows_reader_writer_locks_too)
{
    struct kit_outcome outcome;
    kit_in_child(look_for_order_of_rwlock, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_EQ(orders_told(&outcome), 1);
}

/* ---- Deadlocks among some ---- */

static th_atomic32 have_one;

static int hold_and_want(thrum_mutex *first, thrum_mutex *second)
{
    CHECK_EQ(thrum_mutex_lock(first), 0);
    count_up(&have_one);
    count_wait(&have_one, 2);
    int code = thrum_mutex_lock(second);
    if (code == 0)
        thrum_mutex_unlock(second);
    thrum_mutex_unlock(first);
    return code;
}

static int hold_a_want_b(void *arg)
{
    (void)arg;
    return hold_and_want(&a, &b);
}

static int hold_b_want_a(void *arg)
{
    (void)arg;
    return hold_and_want(&b, &a);
}

static void await_note(thrum_task *handle, const char *kind)
{
    const struct th_fiber *fiber = NULL;
    for (; fiber == NULL; thrum_yield())
        fiber = ((struct th_task *)handle)->fiber;
    struct th_waiting waiting = th_waiting_of(fiber);
    while (waiting.kind == NULL || strcmp(waiting.kind->name, kind) != 0) {
        thrum_yield();
        waiting = th_waiting_of(fiber);
    }
}

static uint32_t waiters_of(thrum_mutex *mutex)
{
    th_line_enter(&mutex->line_);
    uint32_t count = mutex->line_.count_;
    th_line_leave(&mutex->line_);
    return count;
}

static int embrace_and_be_cancelled(void *arg)
{
    thrum_task *one, *other;
    int first, second;
    thrum_task_options fred = {.name = "fred"}, wilma = {.name = "wilma"};
    (void)arg;
    CHECK_EQ(thrum_task_start(&one, NULL, &fred, hold_a_want_b, NULL), 0);
    CHECK_EQ(thrum_task_start(&other, NULL, &wilma, hold_b_want_a, NULL), 0);
    count_wait(&have_one, 2);
    await_note(one, "mutex");
    await_note(other, "mutex");
    thrum_task_cancel(one);
    CHECK_EQ(thrum_join(one, &first), 0);
    CHECK_EQ(thrum_join(other, &second), 0);
    CHECK_EQ(first, -ECANCELED);
    CHECK_EQ(second, 0);
    return 0;
}

static void look_for_an_embrace(void *arg)
{
    (void)arg;
    run_debugging("deadlock", embrace_and_be_cancelled);
}

TEST(deadlock_of_two_among_others_is_told_when_it_closes)
{
    struct kit_outcome outcome;
    kit_in_child(look_for_an_embrace, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "deadlock among 2 tasks");
    CHECK_STR_HAS(outcome.errors, "(fred) waits for mutex");
    CHECK_STR_HAS(outcome.errors, "(wilma) waits for mutex");
    CHECK_EQ(lines_of(outcome.errors), 3);
}

/* One joins the other, who wants what the one has. */
static int want_a(void *arg)
{
    (void)arg;
    int code = thrum_mutex_lock(&a);
    if (code == 0)
        thrum_mutex_unlock(&a);
    return code;
}

static thrum_task *wanting;

static int hold_a_and_join(void *arg)
{
    int result;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&a), 0);
    CHECK_EQ(thrum_task_start(&wanting, NULL, NULL, want_a, NULL), 0);
    count_up(&have_one);
    while (waiters_of(&a) == 0)
        thrum_yield();
    CHECK_EQ(thrum_join(wanting, &result), 0);
    thrum_mutex_unlock(&a);
    return result;
}

static int join_in_a_round(void *arg)
{
    thrum_task *one;
    int result;
    (void)arg;
    CHECK_EQ(thrum_task_start(&one, NULL, NULL, hold_a_and_join, NULL), 0);
    count_wait(&have_one, 1);
    await_note(one, "task");
    thrum_task *held = thrum_task_hold(wanting);
    thrum_task_cancel(held);
    thrum_task_drop(held);
    CHECK_EQ(thrum_join(one, &result), 0);
    CHECK_EQ(result, -ECANCELED);
    return 0;
}

static void look_for_a_round_with_a_join(void *arg)
{
    (void)arg;
    run_debugging("deadlock", join_in_a_round);
}

TEST(deadlock_of_a_mutex_and_a_join_is_told)
{
    struct kit_outcome outcome;
    kit_in_child(look_for_a_round_with_a_join, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "deadlock among 2 tasks");
    CHECK_STR_HAS(outcome.errors, "waits for mutex");
    CHECK_STR_HAS(outcome.errors, "to end");
}

/* ---- The variable ---- */

static void ask_for_what_is_not(void *arg)
{
    (void)arg;
    CHECK_EQ(setenv("THRUM_DEBUG", "lockorder,everything", 1), 0);
    CHECK_EQ(thrum_run(return_zero, NULL), -EINVAL);
}

TEST(debug_words_that_nobody_knows_are_named)
{
    struct kit_outcome outcome;
    kit_in_child(ask_for_what_is_not, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "\"everything\"");
}
