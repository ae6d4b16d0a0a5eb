/* Deadlocks: told when they are certain, by name, and thrum_run returns. */
#include "task/harness.h"

#include "base/compiler.h"

#include <signal.h>

struct program {
    thrum_fn main_task;
    unsigned workers;
    int wanted; /* of thrum_run */
};

static void run_program(void *arg)
{
    const struct program *program = arg;
    thrum_options options = {.workers = program->workers};
    CHECK_EQ(thrum_run_with(&options, program->main_task, NULL), program->wanted);
}

/* The thread sanitizer has a thread of its own, and an emulator too: then nothing is certain. */
static void skip_where_others_run(void)
{
    if (TH_TSAN || kit_is_emulated())
        SKIP("the process has a thread that is not the runtime's");
}

static void run_in_child(thrum_fn main_task, unsigned workers, int wanted, struct kit_outcome *outcome)
{
    struct program program = {.main_task = main_task, .workers = workers, .wanted = wanted};
    kit_in_child(run_program, &program, outcome);
}

/* No deadlock: the program ends well and says nothing. */
static void expect_silence(thrum_fn main_task)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct kit_outcome outcome;
        run_in_child(main_task, workers, 0, &outcome);
        CHECK_EQ(outcome.exit_code, 0);
        CHECK_STR_EQ(outcome.errors, "");
    }
}

/* ---- Told ---- */

static int wait_for_never(void *arg)
{
    (void)arg;
    thrum_future never = THRUM_FUTURE_INIT;
    CHECK_EQ(thrum_future_wait(&never, NULL), -ECANCELED);
    return 0;
}

TEST(a_task_that_waits_for_what_nobody_sets_is_a_deadlock)
{
    skip_where_others_run();
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct kit_outcome outcome;
        run_in_child(wait_for_never, workers, -EDEADLK, &outcome);
        CHECK_EQ(outcome.exit_code, 0);
        CHECK_STR_HAS(outcome.errors, "deadlock: all tasks wait");
        CHECK_STR_HAS(outcome.errors, "(main) waits for future 0x");
        /* And where it waits: a short dump. */
        CHECK_STR_HAS(outcome.errors, "thrum: runtime of ");
        CHECK_STR_HAS(outcome.errors, "    wait_for_never+0x");
    }
}

static int lock_and_keep(void *arg)
{
    CHECK_EQ(thrum_mutex_lock(arg), 0);
    return 0;
}

static int lock_what_an_ended_task_has(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, lock_and_keep, &mutex), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_mutex_lock(&mutex), -ECANCELED);
    return 0;
}

TEST(a_lock_whose_holder_has_ended_is_a_deadlock)
{
    skip_where_others_run();
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct kit_outcome outcome;
        run_in_child(lock_what_an_ended_task_has, workers, -EDEADLK, &outcome);
        CHECK_EQ(outcome.exit_code, 0);
        CHECK_STR_HAS(outcome.errors, "waits for mutex 0x");
        CHECK_STR_HAS(outcome.errors, "whose holder has ended without giving it back");
    }
}

struct pair {
    thrum_mutex first, second;
    th_atomic32 both;
};

static int lock_two(thrum_mutex *mine, thrum_mutex *other, th_atomic32 *both)
{
    CHECK_EQ(thrum_mutex_lock(mine), 0);
    count_up(both);
    count_wait(both, 2);
    int code = thrum_mutex_lock(other);
    if (code == 0)
        thrum_mutex_unlock(other);
    thrum_mutex_unlock(mine);
    return code;
}

static int lock_first(void *arg)
{
    struct pair *pair = arg;
    return lock_two(&pair->first, &pair->second, &pair->both);
}

static int lock_second(void *arg)
{
    struct pair *pair = arg;
    return lock_two(&pair->second, &pair->first, &pair->both);
}

static int lock_in_both_orders(void *arg)
{
    static const thrum_task_options a = {.name = "anna"}, b = {.name = "bert"};
    struct pair pair = {.first = THRUM_MUTEX_INIT, .second = THRUM_MUTEX_INIT};
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *anna, *bert;
    (void)arg;
    CHECK_EQ(thrum_task_start(&anna, &group, &a, lock_first, &pair), 0);
    CHECK_EQ(thrum_task_start(&bert, &group, &b, lock_second, &pair), 0);
    thrum_task_drop(anna);
    thrum_task_drop(bert);
    return thrum_group_wait(&group);
}

TEST(who_waits_for_what_and_who_has_it_is_told_by_name)
{
    skip_where_others_run();
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct kit_outcome outcome;
        run_in_child(lock_in_both_orders, workers, -EDEADLK, &outcome);
        CHECK_EQ(outcome.exit_code, 0);
        CHECK_STR_HAS(outcome.errors, "(anna) waits for mutex 0x");
        CHECK_STR_HAS(outcome.errors, "(bert) waits for mutex 0x");
        CHECK_STR_HAS(outcome.errors, "(anna) has\n");
        CHECK_STR_HAS(outcome.errors, "(bert) has\n");
        CHECK_STR_HAS(outcome.errors, "(main) waits for ");
    }
}

struct joiners {
    thrum_task *tasks[2];
    th_atomic32 both;
};

static int join_until_cancelled(thrum_task *other)
{
    thrum_task *held = thrum_task_hold(other);
    int code = thrum_join(held, NULL);
    if (code < 0)
        thrum_task_drop(held);
    return 0;
}

static int join_second(void *arg)
{
    struct joiners *joiners = arg;
    flag_wait(&joiners->both);
    return join_until_cancelled(joiners->tasks[1]);
}

static int join_first(void *arg)
{
    struct joiners *joiners = arg;
    flag_wait(&joiners->both);
    return join_until_cancelled(joiners->tasks[0]);
}

static int join_each_other(void *arg)
{
    struct joiners joiners = {.both = TH_ATOMIC_INIT(0)};
    (void)arg;
    CHECK_EQ(thrum_task_start(&joiners.tasks[0], NULL, NULL, join_second, &joiners), 0);
    CHECK_EQ(thrum_task_start(&joiners.tasks[1], NULL, NULL, join_first, &joiners), 0);
    flag_set(&joiners.both);
    THRUM_SHIELD(THRUM_FOREVER)
    {
        CHECK_EQ(thrum_join(joiners.tasks[0], NULL), 0);
        CHECK_EQ(thrum_join(joiners.tasks[1], NULL), 0);
    }
    return 0;
}

TEST(tasks_that_join_each_other_are_a_deadlock)
{
    skip_where_others_run();
    struct kit_outcome outcome;
    FOR_EACH_WORKER_COUNT(workers)
    {
        run_in_child(join_each_other, workers, -EDEADLK, &outcome);
        CHECK_STR_HAS(outcome.errors, " to end\n");
        CHECK_EQ(outcome.exit_code, 0);
    }
}

static int shield_for_ever(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    (void)arg;
    THRUM_SHIELD(THRUM_FOREVER)
    (void)thrum_future_wait(&never, NULL);
    return 0;
}

TEST(a_deadlock_that_a_shield_keeps_up_ends_the_program)
{
    skip_where_others_run();
    struct kit_outcome outcome;
    run_in_child(shield_for_ever, 1, 0, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "this runtime cannot end");
}

/* ---- Tasks that block their threads ---- */

static int block_and_wait_for_never(void *arg)
{
    (void)usleep(30000); /* its worker is detached meanwhile, and the others come to rest */
    return wait_for_never(arg);
}

static int begin_to_block(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, block_and_wait_for_never, arg), 0);
    CHECK_EQ(thrum_spawn(&group, wait_for_never, arg), 0);
    return thrum_group_wait(&group);
}

/* On each count of workers. */
static void check_it_is_told(thrum_fn main_task)
{
    skip_where_others_run();
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct kit_outcome outcome;
        run_in_child(main_task, workers, -EDEADLK, &outcome);
        CHECK_STR_HAS(outcome.errors, "deadlock: all tasks wait");
        CHECK_EQ(outcome.exit_code, 0);
    }
}

TEST(a_deadlock_is_told_when_the_last_task_to_wait_had_blocked)
{
    check_it_is_told(begin_to_block);
}

static void *pass_by(void *arg)
{
    (void)arg;
    (void)usleep(30000); /* long enough for the runtime to come to rest */
    return NULL;
}

static int wait_for_never_beside_a_thread(void *arg)
{
    (void)start_thread(pass_by, NULL);
    return wait_for_never(arg);
}

TEST(a_deadlock_is_told_when_the_last_thread_that_is_not_the_runtimes_has_ended)
{
    check_it_is_told(wait_for_never_beside_a_thread);
}

static int block_and_set(void *arg)
{
    (void)usleep(30000);
    return thrum_future_set(arg, NULL);
}

static int wait_for_who_blocks(void *arg)
{
    thrum_future future = THRUM_FUTURE_INIT;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, block_and_set, &future), 0);
    CHECK_EQ(thrum_future_wait(&future, NULL), 0);
    return thrum_group_wait(&group);
}

TEST(who_waits_for_a_task_that_blocks_is_no_deadlock)
{
    expect_silence(wait_for_who_blocks);
}

/* ---- Not told ---- */

static int sleep_a_little(void *arg)
{
    thrum_future never = THRUM_FUTURE_INIT;
    (void)arg;
    CHECK_EQ(thrum_future_wait_until(&never, NULL, thrum_now() + THRUM_MS(30)), -ETIMEDOUT);
    CHECK_EQ(thrum_sleep(THRUM_MS(30)), 0);
    return 0;
}

TEST(who_waits_for_time_is_no_deadlock)
{
    expect_silence(sleep_a_little);
}

static void *set_late(void *arg)
{
    (void)usleep(30000); /* long enough for the runtime to come to rest */
    CHECK_EQ(thrum_future_set(arg, NULL), 0);
    return NULL;
}

static int wait_for_thread(void *arg)
{
    thrum_future future = THRUM_FUTURE_INIT;
    (void)arg;
    pthread_t thread = start_thread(set_late, &future);
    CHECK_EQ(thrum_future_wait(&future, NULL), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return 0;
}

TEST(who_waits_for_a_thread_is_no_deadlock)
{
    expect_silence(wait_for_thread);
}

static thrum_future awaited;
static thrum_runtime *known;

static int set_awaited(void *arg)
{
    (void)arg;
    return thrum_future_set(&awaited, NULL);
}

static void post_from_handler(int signo)
{
    (void)signo;
    CHECK_EQ(thrum_post(known, set_awaited, NULL), 0);
}

static int wait_for_signal(void *arg)
{
    struct sigaction action = {.sa_handler = post_from_handler};
    (void)arg;
    known = thrum_runtime_current();
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    (void)ualarm(30000, 0);
    return thrum_future_wait(&awaited, NULL);
}

TEST(who_waits_for_a_signal_handler_is_no_deadlock)
{
    expect_silence(wait_for_signal);
}
