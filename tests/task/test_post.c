/* Tasks from foreign threads and from signal handlers. */
#include "sched/runtime.h"
#include "task/harness.h"
#include "task/post.h"

#include <signal.h>
#include <sys/time.h>

enum { POSTS = 2000 };

struct poster {
    thrum_runtime *runtime;
    th_atomic32 *count;
};

static void *post_many(void *arg)
{
    const struct poster *poster = arg;
    for (int i = 0; i < POSTS; i++) {
        int code;
        while ((code = thrum_post(poster->runtime, i % 2 ? count_me : yield_and_count_me, poster->count)) == -EAGAIN)
            sched_yield();
        CHECK_EQ(code, 0);
    }
    return NULL;
}

static int let_threads_post(void *arg)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    struct poster poster = {.runtime = thrum_runtime_current(), .count = &count};
    pthread_t threads[3];
    (void)arg;
    for (size_t i = 0; i < TH_COUNT_OF(threads); i++)
        threads[i] = start_thread(post_many, &poster);
    count_wait(&count, POSTS * TH_COUNT_OF(threads));
    for (size_t i = 0; i < TH_COUNT_OF(threads); i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(count_of(&count), POSTS * TH_COUNT_OF(threads));
    return 0;
}

TEST(what_threads_post_runs_once)
{
    run_on_each_count(let_threads_post);
}

/* ---- A sleeping runtime ---- */

struct sleeper {
    thrum_runtime *runtime;
    th_atomic32 is_posted;
    thrum_task *task;
};

static void *post_to_a_sleeper(void *arg)
{
    struct sleeper *sleeper = arg;
    uint32_t counts, workers = sleeper->runtime->worker_count;
    /* Whether all of them sleep is for the workers to know; a post must wake one in any case. */
    do
        counts = th_atomic32_load_relaxed(&sleeper->runtime->idle.counts) >> 16;
    while (counts != workers && !kit_is_emulated());
    CHECK_EQ(thrum_post(sleeper->runtime, set_my_flag, &sleeper->is_posted), 0);
    return NULL;
}

static int wait_without_turning(void *arg)
{
    struct sleeper *sleeper = arg;
    while (!flag_is_set(&sleeper->is_posted))
        CHECK_EQ(thrum_sleep(THRUM_MS(50)), 0);
    return 0;
}

static int sleep_until_posted(void *arg)
{
    struct sleeper sleeper = {.runtime = thrum_runtime_current()};
    (void)arg;
    pthread_t thread = start_thread(post_to_a_sleeper, &sleeper);
    CHECK_EQ(wait_without_turning(&sleeper), 0);
    pthread_join(thread, NULL);
    return 0;
}

TEST(a_post_wakes_a_runtime_that_sleeps)
{
    run_on_each_count(sleep_until_posted);
}

/* ---- Limits ---- */

static th_atomic32 gate;

static int fill_the_posts(void *arg)
{
    thrum_runtime *runtime = thrum_runtime_current();
    (void)arg;
    th_atomic32_store_relaxed(&gate, 0);
    for (int i = 0; i < TH_POSTS; i++)
        CHECK_EQ(thrum_post(runtime, wait_for_my_flag, &gate), 0);
    CHECK_EQ(thrum_post(runtime, return_zero, NULL), -EAGAIN);
    flag_set(&gate);
    int code;
    while ((code = thrum_post(runtime, return_zero, NULL)) == -EAGAIN)
        thrum_yield();
    CHECK_EQ(code, 0);
    return 0;
}

TEST(one_more_than_256_posts_at_a_time_is_refused)
{
    run_on_each_count(fill_the_posts);
}

/* A thread posts while the runtime ends: no post may be lost, and none may keep the end from coming. The thread is a
 * visitor, or the runtime would be gone below it. */
struct ender {
    thrum_runtime *runtime;
    th_atomic32 count, has_begun, has_left;
    uint32_t accepted;
};

static void *post_to_the_end(void *arg)
{
    struct ender *ender = arg;
    int code = 0;
    th_runtime_visit(ender->runtime);
    for (int i = 0; i < 300 && code != -ESHUTDOWN; i++) {
        code = thrum_post(ender->runtime, count_me, &ender->count);
        ender->accepted += code == 0;
        flag_set(&ender->has_begun);
        if (code == -EAGAIN || i % 8 == 0)
            sched_yield();
    }
    th_runtime_leave(ender->runtime);
    flag_set(&ender->has_left);
    return NULL;
}

static int end_while_posted(void *arg)
{
    struct ender *ender = arg;
    ender->runtime = thrum_runtime_current();
    pthread_t thread = start_thread(post_to_the_end, ender);
    CHECK_EQ(pthread_detach(thread), 0);
    flag_wait(&ender->has_begun);
    return 0;
}

TEST(posts_until_the_end_are_run_or_refused)
{
    static struct ender enders[1000];
    for (int i = 0; i < fewer(1000, 50); i++) {
        run_on(1 + (unsigned)i % 3, end_while_posted, &enders[i]);
        flag_wait(&enders[i].has_left);
        CHECK_EQ(count_of(&enders[i].count), enders[i].accepted);
    }
}

/* ---- Signal handlers ---- */

static thrum_runtime *signalled;
static th_atomic32 from_handler, in_handler, refused;

static void post_from_handler(int signo)
{
    (void)signo;
    int errno_before = errno;
    count_up(&in_handler);
    if (thrum_post(signalled, count_me, &from_handler) < 0)
        count_up(&refused);
    CHECK_EQ(errno, errno_before);
}

static void *send_signals(void *arg)
{
    th_atomic32 *is_over = arg;
    while (!flag_is_set(is_over))
        kill(getpid(), SIGUSR1);
    return NULL;
}

static int churn(void *arg)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    (void)arg;
    for (int round = 0; round < 10; round++) {
        THRUM_GROUP(group)
        {
            for (int i = 0; i < 20; i++)
                CHECK_EQ(thrum_spawn(&group, yield_and_count_me, &count), 0);
            CHECK_EQ(thrum_sleep(THRUM_US(50)), 0);
        }
    }
    return 0;
}

static int be_signalled(void *arg)
{
    th_atomic32 is_over = TH_ATOMIC_INIT(0);
    struct sigaction act = {.sa_handler = post_from_handler, .sa_flags = SA_ONSTACK | SA_RESTART};
    (void)arg;
    th_atomic32_store_relaxed(&from_handler, 0);
    th_atomic32_store_relaxed(&in_handler, 0);
    th_atomic32_store_relaxed(&refused, 0);
    signalled = thrum_runtime_current();
    CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
    pthread_t thread = start_thread(send_signals, &is_over);
    for (int i = 0; i < fewer(40, 4); i++)
        CHECK_EQ(churn(NULL), 0);
    while (count_of(&in_handler) < 100)
        thrum_yield();
    flag_set(&is_over);
    pthread_join(thread, NULL);
    act.sa_handler = SIG_IGN;
    CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
    while (count_of(&from_handler) + count_of(&refused) < count_of(&in_handler))
        thrum_yield();
    return 0;
}

TEST(a_signal_handler_posts_in_the_middle_of_anything)
{
    run_on_each_count(be_signalled);
}

/* What a handler interrupts may hold the lock of the sleepers' list, which waking one of them wants too. */
static int post_while_the_list_is_held(void *arg)
{
    thrum_runtime *runtime = thrum_runtime_current();
    (void)arg;
    th_atomic32_store_relaxed(&from_handler, 0);
    signalled = runtime;
    struct sigaction act = {.sa_handler = post_from_handler, .sa_flags = SA_ONSTACK};
    CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
    for (int i = 0; i < fewer(20000, 500); i++) {
        /* Each worker that goes to sleep, or is woken, holds it; so does who wakes one from outside of signals. */
        CHECK_EQ(thrum_sleep(THRUM_US(1)), 0);
        if (i % 64 == 0)
            kill(getpid(), SIGUSR1);
    }
    act.sa_handler = SIG_IGN; /* what is still on its way is dropped */
    CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
    return 0;
}

TEST(a_signal_handler_does_not_wait_for_what_it_interrupted)
{
    run_on_each_count(post_while_the_list_is_held);
}
