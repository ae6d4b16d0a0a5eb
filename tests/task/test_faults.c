/*
 * Every call that can fail fails once: for k = 1, 2, ... the k-th one, until a run passes without. Each must give an
 * error that the interface knows, or none, and leave nothing behind.
 */
#include "fiber/annotate.h"
#include "task/harness.h"

/* ---- A scenario that uses everything ---- */

static thrum_local local;

static bool is_clean(int code)
{
    return code == 0 || code == -ENOMEM || code == -EAGAIN;
}

static int sleep_inside(void *arg)
{
    int code = thrum_sleep(THRUM_US(10));
    CHECK(is_clean(code));
    count_up(arg);
    return 0;
}

static void ignore(void *arg, int result)
{
    (void)result;
    count_up(arg);
}

static int use_everything(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    th_atomic32 count = TH_ATOMIC_INIT(0);
    uint32_t expected = 0;
    thrum_task *task;
    thrum_call *call;
    (void)arg;
    CHECK(is_clean(thrum_local_set(&local, &group)));
    for (int i = 0; i < 100; i++) {
        int code = i % 2 ? thrum_spawn(&group, sleep_inside, &count) : thrum_spawn_copy(&group, return_zero, "copy", 5);
        CHECK(is_clean(code));
        expected += i % 2 && code == 0;
    }
    int code = thrum_task_start(&task, &group, NULL, yield_and_count_me, &count);
    CHECK(is_clean(code));
    if (code == 0) {
        expected++;
        code = thrum_task_on_done(task, ignore, &count);
        CHECK(is_clean(code));
        expected += code == 0;
        CHECK_EQ(thrum_join(task, NULL), 0);
    }
    code = thrum_call_later(&call, THRUM_SEC(1000), return_zero, NULL);
    CHECK(is_clean(code));
    if (code == 0)
        CHECK(thrum_call_cancel(call));
    CHECK(is_clean(thrum_call_later(NULL, THRUM_SEC(1000), return_zero, NULL)));
    CHECK_EQ(thrum_post(thrum_runtime_current(), return_zero, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&count), expected);
    return 0;
}

/* ---- Sweeps ---- */

struct sweep {
    const char *call, *error;
    unsigned workers;
};

/* The ledger: what was there before the scenario is there after it. Stacks are looked at by the run itself. */
static bool run_with_failure(const struct sweep *sweep, enum th_sys_call call, int k)
{
    char plan[64];
    snprintf(plan, sizeof plan, "%s:%d:%s", sweep->call, k, sweep->error);
    CHECK_EQ(th_fault_plan(plan), 0);
    thrum_options options = {.workers = sweep->workers};
    int code = thrum_run_with(&options, use_everything, NULL);
    bool has_failed = th_fault_hits(call) > 0;
    CHECK_EQ(th_fault_plan(NULL), 0);
    if (!is_clean(code) && code != -EPERM)
        FAIL("%s: the run gave %d, %s", plan, code, thrum_strerror(code));
    CHECK_EQ(th_atomic64_load_relaxed(&th_stack_arena.bytes), 0);
    return has_failed;
}

static void sweep_call(const char *name, const char *error, enum th_sys_call call, int most)
{
    static const unsigned counts[] = {1, 3};
    for (size_t i = 0; i < TH_COUNT_OF(counts); i++) {
        struct sweep sweep = {.call = name, .error = error, .workers = counts[i]};
        int k = 1;
        while (k <= most && run_with_failure(&sweep, call, k))
            k++;
        CHECK_GT(k, 1);
        CHECK_LE(k, most);
    }
}

TEST(each_allocation_fails_once)
{
    sweep_call("alloc", "ENOMEM", TH_SYS_alloc, 300);
}

TEST(each_mapping_fails_once)
{
    sweep_call("mmap", "ENOMEM", TH_SYS_mmap, 100);
}

TEST(each_guard_fails_once)
{
    if (TH_ANNOTATE_NEEDS_MPROTECT)
        SKIP("this build guards by mprotect");
    sweep_call("madvise", "ENOMEM", TH_SYS_madvise, 2000);
}

TEST(each_protection_fails_once)
{
    sweep_call("mprotect", "ENOMEM", TH_SYS_mprotect, 2000);
}

TEST(each_signal_stack_fails_once)
{
    sweep_call("sigaltstack", "EPERM", TH_SYS_sigaltstack, 100);
}

TEST(each_signal_action_fails_once)
{
    sweep_call("sigaction", "EAGAIN", TH_SYS_sigaction, 100);
}

/* ---- Workers that cannot be ---- */

static int count_workers(void *arg)
{
    (void)arg;
    /* The other threads come when they come: the failure must be theirs, not that of the end. */
    while (th_fault_hits(TH_SYS_sigaltstack) + th_fault_hits(TH_SYS_thread_start) == 0)
        thrum_yield();
    return (int)thrum_workers();
}

struct expected {
    const char *plan, *line;
    int result;
    thrum_fn main_task;
};

static void run_expected(void *arg)
{
    const struct expected *expected = arg;
    thrum_options options = {.workers = 4};
    CHECK_EQ(th_fault_plan(expected->plan), 0);
    CHECK_EQ(thrum_run_with(&options, expected->main_task, NULL), expected->result);
    CHECK_EQ(th_atomic64_load_relaxed(&th_stack_arena.bytes), 0);
}

static void check_expected(const struct expected *expected)
{
    static struct kit_outcome outcome;
    kit_in_child(run_expected, (void *)(uintptr_t)expected, &outcome);
    if (outcome.exit_code != 0)
        FAIL("%s: %s", expected->plan, outcome.errors);
    CHECK_STR_HAS(outcome.errors, expected->line);
}

static int use_everything_among_few(void *arg)
{
    CHECK_EQ(count_workers(arg), 4);
    return use_everything(arg);
}

TEST(with_fewer_threads_than_wanted_a_runtime_works_and_says_so)
{
    static const struct expected cases[] = {
        {"thread_start:1:EAGAIN", "only 1 of 4 workers", 1, count_workers},
        {"thread_start:3:EAGAIN", "only 3 of 4 workers", 3, count_workers},
        {"thread_start:*:EAGAIN", "only 1 of 4 workers", 0, use_everything},
        {"sigaltstack:2:EPERM", "of 4 could not run", 4, count_workers},
        {"sigaltstack:2x3:EPERM", "of 4 could not run", 0, use_everything_among_few},
    };
    for (size_t i = 0; i < TH_COUNT_OF(cases); i++)
        check_expected(&cases[i]);
}

static int must_not_run(void *arg)
{
    (void)arg;
    FAIL("the main task ran on a runtime that could not be made");
}

TEST(a_run_that_fails_to_start_does_not_run_the_main_task)
{
    static const struct expected cases[] = {
        {"sigaltstack:1:EPERM", "", -EPERM, must_not_run},
        {"alloc:1:ENOMEM", "", -ENOMEM, must_not_run},
        {"mmap:*:ENOMEM", "cannot reserve address space", -ENOMEM, must_not_run},
        {"madvise:*:ENOMEM,mprotect:*:ENOMEM", "cannot guard stack", -ENOMEM, must_not_run},
    };
    for (size_t i = 0; i < TH_COUNT_OF(cases); i++)
        check_expected(&cases[i]);
}

/* ---- membarrier ---- */

static int be_robbed(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        th_atomic32 flag = TH_ATOMIC_INIT(0);
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(thrum_spawn(&group, set_my_flag, &flag), 0);
        while (!flag_is_set(&flag))
            sched_yield(); /* silent: another worker has to take the child */
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    return use_everything(NULL);
}

TEST(without_membarrier_everything_works)
{
    static const struct expected expected = {"membarrier:*:ENOSYS", "", 0, be_robbed};
    check_expected(&expected);
}

TEST(a_membarrier_that_fails_later_robs_nobody_and_is_tried_again)
{
    static const struct expected expected = {"membarrier:2x30:ENOMEM", "", 0, be_robbed};
    check_expected(&expected);
}
