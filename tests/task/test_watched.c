/*
 * THRUM_DEBUG=stalls, migrate, locks: what is told, and what is done, when somebody looks.
 */
#include "task/harness.h"

#include "base/sys.h"

#include <time.h>

static struct kit_outcome outcome;

/* In one dispatch, until somebody has noticed. */
static void block_until_replaced(void)
{
    struct timespec span = {.tv_nsec = 1000000};
    uint64_t before = thrum_stalls();
    while (thrum_stalls() == before)
        (void)nanosleep(&span, NULL);
}

/* ---- Stalls ---- */

static int block_and_wait(void *arg)
{
    (void)arg;
    block_until_replaced();
    return thrum_sleep(THRUM_US(10));
}

static int block_and_end(void *arg)
{
    (void)arg;
    block_until_replaced();
    return 0;
}

static int have_stalls(void *arg)
{
    static const thrum_task_options options = {.name = "a slow one"};
    thrum_task *task;
    (void)arg;
    CHECK_EQ(thrum_task_start(&task, NULL, &options, block_and_wait, NULL), 0);
    thrum_yield();
    CHECK_EQ(thrum_join(task, NULL), 0);
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, block_and_end, NULL), 0);
    thrum_yield();
    CHECK_EQ(thrum_join(task, NULL), 0);
    return 0;
}

static void run_with_stalls(void *arg)
{
    (void)arg;
    CHECK_EQ(setenv("THRUM_DEBUG", "stalls", 1), 0);
    run_on(1, have_stalls, NULL);
}

TEST(stalls_are_told_with_name_length_and_stack)
{
    kit_in_child(run_with_stalls, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "on worker");
    CHECK_STR_HAS(outcome.errors, "it is replaced");
    CHECK_STR_HAS(outcome.errors, "stall over: task");
    CHECK_STR_HAS(outcome.errors, "(a slow one) comes back on worker");
    CHECK_STR_HAS(outcome.errors, "th_context_start+0x");
    CHECK_STR_HAS(outcome.errors, "has ended on worker");
}

static int block_for_a_moment(void *arg)
{
    struct timespec span = {.tv_nsec = 5000000};
    (void)arg;
    (void)nanosleep(&span, NULL);
    return thrum_sleep(THRUM_US(10));
}

static int have_many_stalls(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 60; i++)
        CHECK_EQ(thrum_spawn(&group, block_for_a_moment, NULL), 0);
    thrum_yield();
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

static void run_with_many_stalls(void *arg)
{
    (void)arg;
    CHECK_EQ(setenv("THRUM_DEBUG", "stalls", 1), 0);
    run_on(4, have_many_stalls, NULL);
}

static int occurrences(const char *text, const char *part)
{
    int count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text += strlen(part);
    }
    return count;
}

/* Each has a line at its beginning and one at its end, and ten are told in a second. */
TEST(many_stalls_do_not_flood)
{
    struct timespec began, ended;
    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    kit_in_child(run_with_many_stalls, NULL, &outcome);
    (void)clock_gettime(CLOCK_MONOTONIC, &ended);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_LE(occurrences(outcome.errors, "thrum: stall"), 10 * (ended.tv_sec - began.tv_sec + 2));
}

/* ---- Migrations ---- */

enum { RESUMES = 100 };

static int count_moves(void *arg)
{
    int before = th_sys_thread_id();
    for (int i = 0; i < RESUMES; i++) {
        CHECK_EQ(thrum_sleep(THRUM_US(10)), 0); /* a yield goes nowhere when nobody else is ready */
        int now = th_sys_thread_id();
        if (before != now)
            count_up(arg);
        before = now;
    }
    return 0;
}

static int move_about(void *arg)
{
    th_atomic32 moves = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_spawn(&group, count_moves, &moves), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    /* A thread that has just lost or got a permit may come again. */
    CHECK_GE(count_of(&moves), 3 * RESUMES / 10 * 9);
    return 0;
}

static void run_with_moves(void *arg)
{
    (void)arg;
    CHECK_EQ(setenv("THRUM_DEBUG", "migrate", 1), 0);
    run_on_each_count(move_about);
}

TEST(a_task_goes_on_on_another_thread_each_time)
{
    kit_in_child(run_with_moves, NULL, &outcome);
    if (outcome.exit_code != 0)
        FAIL("%d %s", outcome.signo, outcome.errors);
}

/* ---- Locks ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static int wait_with_locks(void *arg)
{
    (void)arg;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    CHECK_EQ(pthread_rwlock_tryrdlock(&rwlock), 0);
    CHECK_EQ(thrum_sleep(THRUM_US(10)), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    return 0;
}

/* In a process with the library before libc this is told; in others it is nothing but a wait. */
TEST(waits_with_pthread_locks)
{
    thrum_options options = {.workers = 1};
    CHECK_EQ(thrum_run_with(&options, wait_with_locks, NULL), 0);
}

#if defined(LOCKS_LIBRARY)
static void run_itself(const char *preload, const char *test)
{
    static char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    CHECK_GT(length, 0);
    self[length] = '\0';
    const char *const argv[] = {"env", preload, "THRUM_DEBUG=locks", self, test, NULL};
    kit_command(argv, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
}

TEST(pthread_locks_that_are_held_over_a_wait_are_told)
{
    if (kit_is_slow() || kit_is_emulated())
        SKIP("a tool of its own stands before libc");
    run_itself("LD_PRELOAD=" LOCKS_LIBRARY, "waits_with_pthread_locks");
    CHECK_EQ(occurrences(outcome.errors, "holds the pthread mutex"), 1);
    CHECK_EQ(occurrences(outcome.errors, "holds the pthread rwlock"), 1);
    CHECK_EQ(occurrences(outcome.errors, "leaves its thread"), 2);
    CHECK_STR_HAS(outcome.errors, "(main)");
    run_itself("LD_PRELOAD=", "waits_with_pthread_locks");
    CHECK_STR_HAS(outcome.errors, "LD_PRELOAD=libthrum_locks.so");
}
#endif
