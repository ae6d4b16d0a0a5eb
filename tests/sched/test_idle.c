/* sched/idle: who sleeps is on the list, who was woken is not, and no wake is for the next sleep. */
#include "sched/workers.h"

#include <pthread.h>
#include <sched.h>

static bool no_work(struct th_worker *worker)
{
    (void)worker;
    return false;
}

static bool some_work(struct th_worker *worker)
{
    (void)worker;
    return true;
}

static void check_nobody_is_listed(struct thrum_runtime *runtime)
{
    CHECK_PTR_EQ(runtime->idle.sleepers, NULL);
    CHECK_EQ(th_idle_sleeping(&runtime->idle), 0);
}

TEST(who_finds_work_on_the_way_does_not_sleep)
{
    struct thrum_runtime *runtime = make_workers(1);
    CHECK(th_idle_begin_search(runtime));
    CHECK(th_idle_sleep(runtime->workers[0], INT64_MAX, some_work));
    check_nobody_is_listed(runtime);
    CHECK_EQ(th_idle_searching(&runtime->idle), 1);
    th_idle_end_search(runtime);
    CHECK_EQ(th_idle_searching(&runtime->idle), 0);
    free_workers(runtime);
}

TEST(a_sleep_ends_at_its_deadline)
{
    struct thrum_runtime *runtime = make_workers(1);
    int64_t deadline = th_sys_now() + 1000000;
    (void)th_idle_begin_search(runtime);
    CHECK(!th_idle_sleep(runtime->workers[0], deadline, no_work));
    CHECK_GE(th_sys_now(), deadline);
    check_nobody_is_listed(runtime);
    free_workers(runtime);
}

/* Naps so short that deadlines and wakes meet all the time. A wake that came late once ended the next nap and left the
 * sleeper on the list, which then bit its own tail. */
static th_atomic32 is_over;

static void *nap_often(void *arg)
{
    struct th_worker *worker = arg;
    (void)th_idle_begin_search(worker->runtime);
    for (int i = 0; i < (kit_is_slow() ? 2000 : 20000); i++) {
        (void)th_idle_sleep(worker, th_sys_now() + i % 8 * 1000, no_work);
        CHECK(!worker->is_sleeping);
    }
    th_idle_end_search(worker->runtime);
    (void)th_atomic32_add_acqrel(&is_over, 1);
    return NULL;
}

TEST(naps_that_end_by_deadline_and_by_wakes_at_once_leave_nobody_on_the_list)
{
    struct thrum_runtime *runtime = make_workers(3);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, nap_often, runtime->workers[i]), 0);
    for (uint32_t turn = 0; th_atomic32_load_acquire(&is_over) < 3; turn++) {
        if (turn % 64 == 0)
            th_idle_wake_all(runtime);
        else
            th_idle_wake_one(runtime);
        sched_yield();
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    check_nobody_is_listed(runtime);
    CHECK_EQ(th_idle_searching(&runtime->idle), 0);
    free_workers(runtime);
}

static void *sleep_once(void *arg)
{
    struct th_worker *worker = arg;
    (void)th_idle_begin_search(worker->runtime);
    CHECK(th_idle_sleep(worker, INT64_MAX, no_work));
    th_idle_end_search(worker->runtime);
    return NULL;
}

TEST(wake_all_wakes_all)
{
    struct thrum_runtime *runtime = make_workers(4);
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, sleep_once, runtime->workers[i]), 0);
    while (th_idle_sleeping(&runtime->idle) < 4)
        sched_yield();
    CHECK_EQ(th_idle_searching(&runtime->idle), 0);
    th_idle_wake_all(runtime);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    check_nobody_is_listed(runtime);
    free_workers(runtime);
}

TEST(a_notice_wakes_one_and_no_second_while_that_one_searches)
{
    struct thrum_runtime *runtime = make_workers(2);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, sleep_once, runtime->workers[0]), 0);
    while (th_idle_sleeping(&runtime->idle) < 1)
        sched_yield();
    (void)th_idle_begin_search(runtime); /* somebody looks already */
    th_idle_notify(runtime);
    CHECK_EQ(th_idle_sleeping(&runtime->idle), 1);
    th_idle_end_search(runtime);
    th_idle_notify(runtime);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    check_nobody_is_listed(runtime);
    free_workers(runtime);
}
