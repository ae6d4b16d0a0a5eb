/* thrum_dump: who waits for what, where, and who has it; while everything goes on, and while nothing does. */
#include "observe/written.h"

#include <signal.h>

static void skip_where_nothing_can_be_read(void)
{
    if (kit_is_emulated())
        SKIP("an emulator does not read a process's memory for it");
}

/* ---- What is said ---- */

struct scene {
    thrum_mutex mutex;
    thrum_semaphore semaphore;
    int ends[2];
    th_atomic32 is_over;
};

__attribute__((noinline)) static int wait_for_lock(void *arg)
{
    struct scene *scene = arg;
    int code = thrum_mutex_lock(&scene->mutex);
    thrum_mutex_unlock(&scene->mutex);
    return code;
}

static int wait_for_semaphore(void *arg)
{
    return thrum_semaphore_acquire(&((struct scene *)arg)->semaphore);
}

static int wait_for_input(void *arg)
{
    char byte;
    return thrum_read(((struct scene *)arg)->ends[0], &byte, 1) == 1 ? 0 : -EIO;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return thrum_sleep(THRUM_SEC(1000));
}

static int dump_until_all_wait(void)
{
    /* Each of them waits after a while: what is not there yet is asked for again. */
    do {
        thrum_yield();
        CHECK_EQ(text_of(thrum_dump), 0);
    } while (!text_has("waits for mutex") || !text_has("2 tasks here") || !text_has("input on fd") ||
             !text_has("for time, for another"));
    return 0;
}

static int play_scene(void *arg)
{
    (void)arg;
    struct scene scene = {.mutex = THRUM_MUTEX_INIT, .semaphore = THRUM_SEMAPHORE_INIT(0)};
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    CHECK_EQ(pipe(scene.ends), 0);
    CHECK_EQ(thrum_mutex_lock(&scene.mutex), 0);
    CHECK_EQ(thrum_spawn(&group, wait_for_lock, &scene), 0);
    CHECK_EQ(thrum_spawn(&group, wait_for_semaphore, &scene), 0);
    CHECK_EQ(thrum_spawn(&group, wait_for_semaphore, &scene), 0);
    CHECK_EQ(thrum_spawn(&group, wait_for_input, &scene), 0);
    CHECK_EQ(thrum_spawn(&group, sleep_long, NULL), 0);
    CHECK_EQ(dump_until_all_wait(), 0);
    CHECK_STR_HAS(text, "(wait_for_lock) waits for mutex 0x");
    CHECK_STR_HAS(text, ", which task ");
    CHECK_STR_HAS(text, "(main) has, since ");
    CHECK_STR_HAS(text, "(wait_for_input) waits for input on fd ");
    CHECK_STR_HAS(text, "(sleep_long) waits for time, for another 9");
    CHECK_STR_HAS(text, "(main) is running");
    CHECK_STR_HAS(text, "; in task ");
    /* Names of calls that nobody exports, from the first to the last. */
    CHECK_STR_HAS(text, "    wait_for_lock+0x");
    CHECK_STR_HAS(text, "    th_context_start+0x");
    CHECK_EQ(text_of(thrum_dump_json), 0);
    CHECK_STR_HAS(text, "{\"runtimes\":[{\"workers\":[{\"index\":0,");
    CHECK_STR_HAS(text, "\"waits_for\":\"mutex\"");
    thrum_mutex_unlock(&scene.mutex);
    thrum_semaphore_release(&scene.semaphore);
    thrum_semaphore_release(&scene.semaphore);
    CHECK_EQ(write(scene.ends[1], "x", 1), 1);
    thrum_cancel(&group);
    (void)thrum_group_wait(&group);
    close(scene.ends[0]);
    close(scene.ends[1]);
    return 0;
}

TEST(a_dump_says_who_waits_for_what_and_who_has_it)
{
    skip_where_nothing_can_be_read();
    run_on_each_count(play_scene);
}

TEST(a_dump_without_a_runtime_is_empty)
{
    CHECK_EQ(text_of(thrum_dump), 0);
    CHECK_STR_EQ(text, "");
    CHECK_EQ(thrum_dump_json(-1), -EBADF);
}

/* ---- While everything moves, and while nothing does ---- */

static int come_and_go(void *arg)
{
    th_atomic32 *is_over = arg, count = TH_ATOMIC_INIT(0);
    while (!flag_is_set(is_over)) {
        thrum_group group = THRUM_GROUP_INIT;
        for (int i = 0; i < 20; i++)
            CHECK_EQ(thrum_spawn(&group, i % 2 == 0 ? yield_and_count_me : count_me, &count), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    return 0;
}

static void *dump_often(void *arg)
{
    for (int i = fewer(40, 8); i > 0; i--)
        CHECK_EQ(text_of(i % 2 == 0 ? thrum_dump : thrum_dump_json), 0);
    flag_set(arg);
    return NULL;
}

static int come_and_go_in_several(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(thrum_spawn(&group, come_and_go, arg), 0);
    return thrum_group_wait(&group);
}

TEST(dumps_are_taken_while_tasks_come_and_go)
{
    skip_where_nothing_can_be_read();
    FOR_EACH_WORKER_COUNT(workers)
    {
        th_atomic32 is_over = TH_ATOMIC_INIT(0);
        pthread_t dumper = start_thread(dump_often, &is_over);
        run_on(workers, come_and_go_in_several, &is_over);
        CHECK_EQ(pthread_join(dumper, NULL), 0);
    }
}

static void *dump_a_stuck_program(void *arg)
{
    do
        CHECK_EQ(text_of(thrum_dump), 0);
    while (!text_has("(hold_the_only_worker) is running"));
    flag_set(arg);
    return NULL;
}

static int hold_the_only_worker(void *arg)
{
    while (!flag_is_set(arg))
        sched_yield();
    return 0;
}

static int hold_it(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, hold_the_only_worker, arg), 0);
    return thrum_group_wait(&group);
}

TEST(a_dump_is_taken_while_all_workers_are_stuck)
{
    skip_where_nothing_can_be_read();
    th_atomic32 is_over = TH_ATOMIC_INIT(0);
    CHECK_EQ(setenv("THRUM_SLICE_US", "0", 1), 0);
    pthread_t dumper = start_thread(dump_a_stuck_program, &is_over);
    run_on(1, hold_it, &is_over);
    CHECK_EQ(pthread_join(dumper, NULL), 0);
}

/* ---- On a signal, and at the end of a panic ---- */

static int raise_quit(void *arg)
{
    (void)arg;
    CHECK_EQ(raise(SIGQUIT), 0);
    fprintf(stderr, "and on it goes\n");
    return 0;
}

static void quit_in_child(void *arg)
{
    run_on(1, raise_quit, arg);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGQUIT, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
}

TEST(sigquit_dumps_and_the_program_goes_on)
{
    skip_where_nothing_can_be_read();
    struct kit_outcome outcome;
    kit_in_child(quit_in_child, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "thrum: runtime of 1 workers, 1 tasks:");
    CHECK_STR_HAS(outcome.errors, "(main) is running");
    CHECK_STR_HAS(outcome.errors, "and on it goes");
}

static void quit_unwanted(void *arg)
{
    CHECK_EQ(setenv("THRUM_SIGQUIT", "0", 1), 0);
    run_on(1, raise_quit, arg);
}

TEST(sigquit_ends_the_program_where_that_is_wanted)
{
    struct kit_outcome outcome;
    kit_in_child(quit_unwanted, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGQUIT);
}

static int panic_beside_a_waiter(void *arg)
{
    struct scene scene = {.mutex = THRUM_MUTEX_INIT, .semaphore = THRUM_SEMAPHORE_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, wait_for_semaphore, &scene), 0);
    thrum_yield();
    thrum_yield();
    thrum_mutex_unlock(&scene.mutex);
    return thrum_group_wait(&group) + (arg != NULL);
}

static void panic_in_child(void *arg)
{
    run_on(1, panic_beside_a_waiter, arg);
}

TEST(a_panic_says_what_all_others_do)
{
    skip_where_nothing_can_be_read();
    struct kit_outcome outcome;
    kit_in_child(panic_in_child, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "(wait_for_semaphore) waits for semaphore");
}
