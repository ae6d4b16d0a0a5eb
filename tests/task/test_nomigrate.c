/*
 * Tasks that stay on a thread of their own: it is the same over everything that switches, and nobody else's.
 */
#include "task/harness.h"

#include "base/sys.h"
#include "sched/monitor.h"
#include "sched/park.h"

/* What only the bound task sets on a thread, and nobody else may find there. */
static pthread_key_t mark;

__attribute__((constructor)) static void make_mark(void)
{
    if (pthread_key_create(&mark, NULL) != 0)
        abort();
}

static int look_for_mark(void *arg)
{
    for (int i = 0; i < 10; i++) {
        CHECK_PTR_EQ(pthread_getspecific(mark), NULL);
        thrum_yield();
    }
    count_up(arg);
    return 0;
}

static uint32_t own_threads(void)
{
    struct th_crew *crew = &thrum_runtime_current()->crew;
    th_lock_take(&crew->lock);
    uint32_t owned = crew->owned;
    th_lock_leave(&crew->lock);
    return owned;
}

/* ---- It stays ---- */

static int switch_often(void *arg)
{
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    CHECK_EQ(pthread_setspecific(mark, arg), 0);
    for (int i = 0; i < 20; i++) {
        thrum_group group = THRUM_GROUP_INIT;
        th_atomic32 looked = TH_ATOMIC_INIT(0);
        for (int child = 0; child < 5; child++)
            CHECK_EQ(thrum_spawn(&group, look_for_mark, &looked), 0);
        thrum_yield();
        CHECK_EQ(thrum_sleep(THRUM_US(i)), 0);
        CHECK_PTR_EQ(pthread_getspecific(mark), arg);
        CHECK_EQ(thrum_group_wait(&group), 0);
        CHECK_PTR_EQ(pthread_getspecific(mark), arg);
        CHECK_EQ(count_of(&looked), 5);
    }
    CHECK_EQ(pthread_setspecific(mark, NULL), 0);
    thrum_nomigrate_end();
    return 0;
}

static int switch_side_by_side(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    char own[4];
    (void)arg;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(thrum_spawn(&group, switch_often, &own[i]), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(a_bound_task_stays_on_its_thread_and_nobody_else_comes_there)
{
    run_on_each_count(switch_side_by_side);
}

static int bind_twice(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    int outer = th_sys_thread_id();
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    thrum_nomigrate_end();
    CHECK_EQ(thrum_sleep(THRUM_US(50)), 0);
    CHECK_EQ(th_sys_thread_id(), outer);
    CHECK_EQ(own_threads(), 1);
    thrum_nomigrate_end();
    CHECK_EQ(thrum_sleep(THRUM_US(50)), 0);
    CHECK_EQ(own_threads(), 0);
    return 0;
}

TEST(only_the_outermost_end_lets_it_go)
{
    run_on_each_count(bind_twice);
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    thrum_nomigrate_end();
}

static int bind_and_return(void *arg)
{
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    thrum_yield();
    return (int)(intptr_t)arg;
}

static int end_bound(void *arg)
{
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    thrum_task *task;
    int result = 0;
    (void)arg;
    for (int i = 0; i < 8; i++)
        CHECK_EQ(thrum_spawn(&group, bind_and_return, NULL), 0);
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, bind_and_return, (void *)(intptr_t)7), 0);
    CHECK_EQ(thrum_join(task, &result), 0);
    CHECK_EQ(result, 7);
    CHECK_EQ(thrum_group_wait(&group), 0);
    while (own_threads() > 0)
        thrum_yield();
    return 0;
}

TEST(a_task_that_ends_bound_gives_its_thread_back)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(end_bound);
}

/* ---- What it starts, and waits for ---- */

struct elsewhere {
    int parents; /* by its number: compilers take pthread_self for a constant */
};

static int run_elsewhere(void *arg)
{
    const struct elsewhere *elsewhere = arg;
    CHECK_NE(th_sys_thread_id(), elsewhere->parents);
    thrum_yield();
    CHECK_NE(th_sys_thread_id(), elsewhere->parents);
    return 0;
}

static int spawn_from_own_thread(void *arg)
{
    thrum_task *task;
    (void)arg;
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    for (int i = 0; i < 20; i++) {
        thrum_group group = THRUM_GROUP_INIT;
        struct elsewhere elsewhere = {.parents = th_sys_thread_id()};
        CHECK_EQ(thrum_spawn(&group, run_elsewhere, &elsewhere), 0);
        CHECK_EQ(thrum_task_start(&task, NULL, NULL, run_elsewhere, &elsewhere), 0);
        CHECK_EQ(thrum_join(task, NULL), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
        CHECK_EQ(th_sys_thread_id(), elsewhere.parents);
    }
    thrum_nomigrate_end();
    return 0;
}

TEST(what_a_bound_task_starts_runs_elsewhere)
{
    run_on_each_count(spawn_from_own_thread);
}

/* It blocks and computes on its own thread: nobody has to be replaced. */
static int be_stuck_bound(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    CHECK_EQ(thrum_spawn(&group, set_my_flag, &flag), 0);
    while (!flag_is_set(&flag))
        th_cpu_relax();
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_nomigrate_end();
    return 0;
}

TEST(a_bound_task_that_computes_stalls_nobody)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(be_stuck_bound);
}

/* ---- Cancels, the end ---- */

static int sleep_bound(void *arg)
{
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    int thread = th_sys_thread_id();
    count_up(arg);
    CHECK_EQ(thrum_sleep(THRUM_FOREVER), -ECANCELED);
    CHECK_EQ(th_sys_thread_id(), thread);
    CHECK_EQ(thrum_sleep(THRUM_US(1)), -ECANCELED);
    CHECK_EQ(th_sys_thread_id(), thread);
    return -ECANCELED;
}

static int cancel_bound(void *arg)
{
    th_atomic32 begun = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 5; i++)
        CHECK_EQ(thrum_spawn(&group, sleep_bound, &begun), 0);
    count_wait(&begun, 5);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    return 0;
}

TEST(a_cancel_reaches_a_bound_task_on_its_thread)
{
    for (int i = 0; i < fewer(20, 5); i++)
        run_on_each_count(cancel_bound);
}

static th_atomic32 begun_at_end;

static int leave_bound_ones(void *arg)
{
    (void)arg;
    th_atomic32_store_relaxed(&begun_at_end, 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_spawn(NULL, sleep_bound, &begun_at_end), 0);
    count_wait(&begun_at_end, 3);
    return 0;
}

static int end_as_bound(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    return leave_bound_ones(arg);
}

TEST(a_runtime_ends_with_bound_tasks)
{
    for (int i = 0; i < fewer(20, 5); i++) {
        run_on_each_count(leave_bound_ones);
        run_on_each_count(end_as_bound);
    }
}

/* ---- Limits ---- */

static int bind_as_many_as_may_be(void *arg)
{
    th_atomic32 begun = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    uint32_t most = thrum_runtime_current()->crew.lanes.of[TH_LANE_OWN].most;
    (void)arg;
    for (uint32_t i = 0; i < most; i++)
        CHECK_EQ(thrum_spawn(&group, sleep_bound, &begun), 0);
    count_wait(&begun, most);
    CHECK_EQ(thrum_nomigrate_begin(), -EAGAIN);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    thrum_nomigrate_end();
    return 0;
}

static int fail_to_bind(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_nomigrate_begin(), -EOPNOTSUPP);
    return 0;
}

static void bind_with_few_threads(void *arg)
{
    (void)arg;
    CHECK_EQ(setenv("THRUM_MAX_THREADS", "40", 1), 0);
    run_on_each_count(bind_as_many_as_may_be);
    CHECK_EQ(setenv("THRUM_SLICE_US", "0", 1), 0);
    run_on(2, fail_to_bind, NULL);
}

static void expect_success(void (*body)(void *arg))
{
    static struct kit_outcome outcome;
    kit_in_child(body, NULL, &outcome);
    if (outcome.exit_code != 0)
        FAIL("%d %s", outcome.signo, outcome.errors);
}

TEST(own_threads_are_limited)
{
    expect_success(bind_with_few_threads);
}

/* ---- What sees them ---- */

static void *wait_until_the_monitor_sleeps(void *arg)
{
    struct thrum_runtime *runtime = arg;
    while (th_atomic32_load_relaxed(&runtime->monitor.word) != TH_MONITOR_LONG)
        sched_yield();
    return NULL;
}

static int let_all_sleep(void *arg)
{
    th_atomic32 begun = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, sleep_bound, &begun), 0);
    count_wait(&begun, 1);
    pthread_t thread = start_thread(wait_until_the_monitor_sleeps, thrum_runtime_current());
    while (pthread_tryjoin_np(thread, NULL) != 0)
        CHECK_EQ(thrum_sleep(THRUM_MS(200)), 0);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    return 0;
}

TEST(the_monitor_sleeps_beside_bound_tasks_that_wait)
{
    run_on(2, let_all_sleep, NULL);
}

static thrum_event never = THRUM_EVENT_INIT;

static int wait_for_never(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    CHECK_EQ(thrum_event_wait(&never), -ECANCELED);
    return 0;
}

static int wait_side_by_side(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 6; i++)
        CHECK_EQ(thrum_spawn(&group, wait_for_never, arg), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

/* Each of their threads looks, when it goes to sleep, whether it was the last. */
static void wait_for_nothing(void *arg)
{
    (void)arg;
    thrum_options options = {.workers = 4};
    for (int i = 0; i < fewer(50, 5); i++)
        CHECK_EQ(thrum_run_with(&options, wait_side_by_side, NULL), -EDEADLK);
}

TEST(bound_tasks_that_wait_for_nothing_are_found)
{
    static struct kit_outcome outcome;
    /* Threads that are not the runtime's: nothing is certain then. */
    if (TH_TSAN || kit_is_emulated())
        SKIP("the process has a thread that is not the runtime's");
    kit_in_child(wait_for_nothing, NULL, &outcome);
    CHECK_STR_HAS(outcome.errors, "deadlock");
    CHECK_EQ(outcome.exit_code, 0);
}
