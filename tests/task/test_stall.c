/*
 * Tasks that block or compute without a call: nobody else waits for them. Each of these runs ends only if others go on
 * beside the stuck ones; no time is measured.
 */
#include "sched/park.h"
#include "task/harness.h"
#include "task/stuck.h"

#include <time.h>

/* ---- What blocks, what computes ---- */

static int compute_until_set(void *arg)
{
    const th_atomic32 *flag = arg;
    while (!flag_is_set(flag))
        th_cpu_relax();
    return 0;
}

static uint32_t permits_held(struct thrum_runtime *runtime)
{
    uint32_t held = 0;
    th_lock_take(&runtime->crew.lock);
    for (uint32_t i = 0; i < th_runtime_made(runtime); i++) {
        uint32_t permit = th_atomic32_load_relaxed(&runtime->workers[i]->permit);
        held += permit == TH_PERMIT_BUSY || permit == TH_PERMIT_IDLE;
    }
    th_lock_leave(&runtime->crew.lock);
    return held;
}

static void check_permits(void)
{
    struct thrum_runtime *runtime = thrum_runtime_current();
    CHECK_EQ(permits_held(runtime), runtime->worker_count);
}

/* ---- One stuck task ---- */

static int read_what_a_sibling_writes(void *arg)
{
    struct pipe_pair pair = {.reads = TH_ATOMIC_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(pipe(pair.ends), 0);
    CHECK_EQ(thrum_spawn(&group, write_one, &pair), 0);
    CHECK_EQ(block_in_read(&pair), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    close(pair.ends[0]);
    close(pair.ends[1]);
    check_permits();
    return 0;
}

TEST(a_task_that_blocks_in_a_system_call_stalls_nobody)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(read_what_a_sibling_writes);
}

static int compute_for_a_sibling(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, set_my_flag, &flag), 0);
    CHECK_EQ(compute_until_set(&flag), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    check_permits();
    return 0;
}

TEST(a_task_that_computes_for_ever_stalls_nobody)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(compute_for_a_sibling);
}

static int sleep_and_set(void *arg)
{
    CHECK_EQ(thrum_sleep(THRUM_MS(2)), 0);
    flag_set(arg);
    return 0;
}

static int compute_for_a_sleeper(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, sleep_and_set, &flag), 0);
    thrum_yield(); /* its timer is this worker's */
    CHECK_EQ(compute_until_set(&flag), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(timers_of_a_stuck_worker_fire)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(compute_for_a_sleeper);
}

/* Whom the stuck task has just woken is in its worker's slot, where thieves do not look at first. */
struct waiter {
    th_atomic32 has_run;
    th_atomic64 told; /* the epoch + 1 */
    struct th_task *task;
};

static int wait_to_be_woken(void *arg)
{
    struct waiter *waiter = arg;
    waiter->task = th_task_self();
    th_atomic64_store_release(&waiter->told, (uint64_t)th_wait_begin(waiter->task) + 1);
    (void)th_park(waiter->task);
    flag_set(&waiter->has_run);
    return 0;
}

static bool is_parked(const struct waiter *waiter)
{
    return th_atomic64_load_acquire(&waiter->told) != 0 &&
           (th_atomic64_load_acquire(&waiter->task->wait) & 0xffff) == TH_WAIT_PARKED;
}

static int wake_and_compute(void *arg)
{
    struct waiter waiter = {.has_run = TH_ATOMIC_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, wait_to_be_woken, &waiter), 0);
    while (!is_parked(&waiter))
        thrum_yield();
    uint32_t epoch = (uint32_t)th_atomic64_load_relaxed(&waiter.told) - 1;
    CHECK(th_unpark(waiter.task, epoch, TH_WAKE_PLAIN));
    CHECK_EQ(compute_until_set(&waiter.has_run), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(whom_a_stuck_task_has_woken_runs)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(wake_and_compute);
}

static int post_and_compute(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    (void)arg;
    CHECK_EQ(thrum_post(thrum_runtime_current(), set_my_flag, &flag), 0);
    return compute_until_set(&flag);
}

TEST(what_comes_from_outside_runs_beside_a_stuck_task)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(post_and_compute);
}

/* ---- A task that comes back, and does not wait ---- */

static int yield_and_count(void *arg)
{
    for (int i = 0; i < 100; i++) {
        thrum_yield();
        count_up(arg);
    }
    return 0;
}

static int get_stuck_and_yield(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0), count = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int round = 0; round < fewer(10, 3); round++) {
        CHECK_EQ(thrum_spawn(&group, set_my_flag, &flag), 0);
        CHECK_EQ(thrum_spawn(&group, yield_and_count, &count), 0);
        CHECK_EQ(compute_until_set(&flag), 0);
        for (int i = 0; i < 100; i++)
            thrum_yield();
        CHECK_EQ(thrum_group_wait(&group), 0);
        th_atomic32_store_relaxed(&flag, 0);
    }
    check_permits();
    return 0;
}

TEST(a_task_that_comes_back_hands_its_worker_on)
{
    run_on_each_count(get_stuck_and_yield);
}

/* Children that run in place: the one that waits for them picks nothing, however long they take. */
struct deep {
    th_atomic32 *flag;
    int depth;
};

static int spawn_and_wait_deeply(void *arg)
{
    const struct deep *deep = arg;
    struct deep child = {deep->flag, deep->depth - 1};
    thrum_group group = THRUM_GROUP_INIT;
    while (deep->depth == 0 && !flag_is_set(deep->flag)) {
        CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    if (deep->depth > 0) {
        CHECK_EQ(thrum_spawn(&group, spawn_and_wait_deeply, &child), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    return 0;
}

static int fork_and_join_for_a_sleeper(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    struct deep deep = {&flag, 3};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, sleep_and_set, &flag), 0);
    thrum_yield();
    CHECK_EQ(spawn_and_wait_deeply(&deep), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(tasks_that_run_in_place_for_ever_stall_nobody)
{
    run_on_each_count(fork_and_join_for_a_sleeper);
}

/* ---- Many ---- */

enum { CROWD = 40 };

static int block_a_crowd(void *arg)
{
    struct pipe_pair pair = {.reads = TH_ATOMIC_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(pipe(pair.ends), 0);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(thrum_spawn(&group, block_in_read, &pair), 0);
    for (int i = 0; i < CROWD; i++) {
        CHECK_EQ(thrum_sleep(THRUM_US(50)), 0);
        CHECK_EQ(write_one(&pair), 0);
        count_wait(&pair.reads, (uint32_t)i + 1);
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    close(pair.ends[0]);
    close(pair.ends[1]);
    check_permits();
    return 0;
}

TEST(a_crowd_that_blocks_is_replaced_one_by_one)
{
    run_on_each_count(block_a_crowd);
}

static int compute_in_a_crowd(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 8; i++)
        CHECK_EQ(thrum_spawn(&group, compute_until_set, &flag), 0);
    CHECK_EQ(thrum_sleep(THRUM_MS(20)), 0);
    CHECK_EQ(thrum_spawn(&group, set_my_flag, &flag), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    check_permits();
    return 0;
}

TEST(endless_computations_leave_room_for_others)
{
    run_on_each_count(compute_in_a_crowd);
}

/* ---- The end ---- */

static int nap(void *arg)
{
    struct timespec span = {.tv_nsec = (long)(intptr_t)arg};
    (void)nanosleep(&span, NULL);
    return 0;
}

static int leave_them_blocked(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(thrum_spawn(NULL, nap, (void *)(intptr_t)(i * 300000)), 0);
    CHECK_EQ(thrum_sleep(THRUM_MS(1)), 0);
    return 0;
}

TEST(a_runtime_ends_when_its_stuck_tasks_have)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(leave_them_blocked);
}

static int end_at_once(void *arg)
{
    return nap(arg);
}

TEST(a_main_task_that_blocks_may_be_all_there_is)
{
    for (int i = 0; i < fewer(50, 10); i++) {
        FOR_EACH_WORKER_COUNT(workers)
        run_on(workers, end_at_once, (void *)(intptr_t)(i * 40000));
    }
}

static int burst_and_wait_for_threads_to_go(void *arg)
{
    struct th_crew *crew = &thrum_runtime_current()->crew;
    uint32_t threads;
    CHECK_EQ(block_a_crowd(arg), 0);
    do {
        CHECK_EQ(thrum_sleep(THRUM_MS(20)), 0);
        th_lock_take(&crew->lock);
        threads = crew->threads;
        th_lock_leave(&crew->lock);
    } while (threads > thrum_workers() + 1); /* the main thread does not go, whatever it does */
    return block_a_crowd(arg);
}

TEST(threads_go_after_a_burst_and_come_again)
{
    run_on(2, burst_and_wait_for_threads_to_go, NULL);
}

/* ---- The monitor ---- */

static void *wait_until_it_sleeps_and_wake(void *arg)
{
    struct thrum_runtime *runtime = arg;
    while (th_atomic32_load_relaxed(&runtime->monitor.word) != TH_MONITOR_LONG)
        sched_yield();
    CHECK_EQ(thrum_post(runtime, compute_for_a_sibling, NULL), 0);
    return NULL;
}

static int let_the_monitor_sleep(void *arg)
{
    pthread_t thread = start_thread(wait_until_it_sleeps_and_wake, thrum_runtime_current());
    int joined = 0;
    (void)arg;
    /* All sleep, for as long as it takes. */
    while (!joined) {
        CHECK_EQ(thrum_sleep(THRUM_MS(200)), 0);
        joined = pthread_tryjoin_np(thread, NULL) == 0;
    }
    return 0;
}

TEST(the_monitor_sleeps_when_all_sleep_and_is_there_when_one_is_stuck)
{
    run_on_each_count(let_the_monitor_sleep);
}

/* ---- What got stuck before ---- */

static void nap_once(void)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, nap, (void *)(intptr_t)1000000), 0);
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0);
    thrum_yield();
    CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
}

/* Each nap is shorter than the time between two looks; it is found all the same. */
static int nap_in_turn(void *arg)
{
    thrum_stalling known[TH_HOGS];
    (void)arg;
    while (thrum_stalls_known(known, TH_HOGS) == 0)
        nap_once();
    CHECK(known[0].fn == nap && known[0].blocks);
    CHECK_GT(known[0].score, 0);
    CHECK_EQ(thrum_stalls_known(known, 0), 0);
    uint64_t before = thrum_stalls();
    CHECK_GT(before, 0);
    for (int i = 0; i < 200; i++)
        nap_once();
    /* Nothing has to be found, but now and then one when it was forgotten. */
    CHECK_LE(thrum_stalls() - before, 100);
    check_permits();
    return 0;
}

TEST(what_blocked_before_is_put_aside_before_it_runs)
{
    run_on(1, nap_in_turn, NULL);
    run_on(4, nap_in_turn, NULL);
}

static int nap_and_say_where(void *arg)
{
    (void)nap((void *)(intptr_t)2000000);
    *(pthread_t *)arg = pthread_self();
    return 0;
}

/* Whoever waits at once for what he has started is not held up by it: others go on where he stands. */
static int wait_for_known_at_once(void *arg)
{
    thrum_stalling known[TH_HOGS];
    thrum_task *task;
    pthread_t there;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    /* The only worker's permit moves until the function is known, and then no more. */
    while (thrum_stalls_known(known, TH_HOGS) == 0) {
        CHECK_EQ(thrum_spawn(&group, nap_and_say_where, &there), 0);
        thrum_yield();
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    pthread_t here = pthread_self();
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, nap_and_say_where, &there), 0);
    CHECK_EQ(thrum_join(task, NULL), 0);
    CHECK(!pthread_equal(here, there));
    here = pthread_self();
    CHECK_EQ(thrum_spawn(&group, nap_and_say_where, &there), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK(!pthread_equal(here, there));
    return 0;
}

TEST(what_blocked_before_does_not_run_on_the_stack_of_who_waits_for_it)
{
    run_on(1, wait_for_known_at_once, NULL);
}

enum { MANY_KNOWN = 20000 };

/* One pick finds all of them known, and sends one after the other away. */
static int yield_before_many_known(void *arg)
{
    thrum_stalling known[TH_HOGS];
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    while (thrum_stalls_known(known, TH_HOGS) == 0)
        nap_once();
    for (int i = 0; i < MANY_KNOWN; i++)
        CHECK_EQ(thrum_spawn(&group, nap, NULL), 0);
    thrum_yield();
    CHECK_EQ(thrum_group_wait(&group), 0);
    check_permits();
    return 0;
}

TEST(no_stack_is_too_small_for_many_that_blocked_before)
{
    run_on(1, yield_before_many_known, NULL);
}

static int nap_in_a_crowd(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 200; i++)
        CHECK_EQ(thrum_spawn(&group, nap, (void *)(intptr_t)300000), 0);
    CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    struct th_crew *crew = &thrum_runtime_current()->crew;
    th_lock_take(&crew->lock);
    CHECK_LE(crew->threads, crew->most);
    th_lock_leave(&crew->lock);
    check_permits();
    return 0;
}

static void *write_when_it_was_said(void *arg)
{
    struct pipe_pair *pair = arg;
    while (th_atomic32_load_relaxed(&pair->runtime->monitor.is_full_said) == 0)
        sched_yield();
    for (int i = 0; i < CROWD; i++)
        (void)write_one(pair);
    return NULL;
}

static int block_more_than_there_are_threads(void *arg)
{
    struct pipe_pair pair = {.reads = TH_ATOMIC_INIT(0), .runtime = thrum_runtime_current()};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(pipe(pair.ends), 0);
    pthread_t thread = start_thread(write_when_it_was_said, &pair);
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(thrum_spawn(&group, block_in_read, &pair), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(count_of(&pair.reads), CROWD);
    close(pair.ends[0]);
    close(pair.ends[1]);
    return nap_in_a_crowd(NULL);
}

static void block_with_few_threads(void *arg)
{
    (void)arg;
    CHECK_EQ(setenv("THRUM_MAX_THREADS", "20", 1), 0);
    run_on_each_count(block_more_than_there_are_threads);
}

TEST(beyond_the_most_threads_tasks_wait_for_each_other_and_a_line_says_so)
{
    static struct kit_outcome outcome;
    kit_in_child(block_with_few_threads, NULL, &outcome);
    if (outcome.exit_code != 0)
        FAIL("%s", outcome.errors);
    CHECK_STR_HAS(outcome.errors, "THRUM_MAX_THREADS=20 lets");
    /* Once in each runtime. */
    CHECK_EQ(lines_of(outcome.errors), count_worker_counts());
}

/* ---- Computing that says so ---- */

static int yield_when_due(void *arg)
{
    const th_atomic32 *flag = arg;
    while (!flag_is_set(flag))
        thrum_yield_if_due();
    return 0;
}

static int compute_politely(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, set_my_flag, &flag), 0);
    CHECK_EQ(yield_when_due(&flag), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(who_yields_when_it_is_due_lets_others_run)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(compute_politely);
    thrum_yield_if_due();
}
