#include "task/harness.h"

/* ---- Conditions ---- */

struct box {
    thrum_mutex mutex;
    thrum_cond filled, drained;
    int items, most;
    uint64_t put, got;
};

enum { MOST = 4, SIDES = 8 };

static int put_items(void *arg)
{
    struct box *box = arg;
    for (int i = 0; i < fewer(500, 50); i++) {
        CHECK_EQ(thrum_mutex_lock(&box->mutex), 0);
        while (box->items == MOST)
            CHECK_EQ(thrum_cond_wait(&box->drained, &box->mutex), 0);
        box->items++;
        box->put++;
        thrum_cond_signal(&box->filled);
        thrum_mutex_unlock(&box->mutex);
    }
    return 0;
}

static int get_items(void *arg)
{
    struct box *box = arg;
    for (int i = 0; i < fewer(500, 50); i++) {
        CHECK_EQ(thrum_mutex_lock(&box->mutex), 0);
        while (box->items == 0)
            CHECK_EQ(thrum_cond_wait(&box->filled, &box->mutex), 0);
        CHECK(thrum_mutex_is_mine(&box->mutex));
        box->items--;
        box->got++;
        thrum_mutex_unlock(&box->mutex);
        thrum_cond_signal(&box->drained);
    }
    return 0;
}

static int exchange_items(void *arg)
{
    THRUM_GROUP(group)
    {
        for (int i = 0; i < SIDES; i++) {
            CHECK_EQ(thrum_spawn(&group, put_items, arg), 0);
            CHECK_EQ(thrum_spawn(&group, get_items, arg), 0);
        }
    }
    return 0;
}

static void *put_in_thread(void *arg)
{
    (void)put_items(arg);
    return NULL;
}

static void *get_in_thread(void *arg)
{
    (void)get_items(arg);
    return NULL;
}

TEST(cond_producers_and_consumers_lose_nothing)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct box box = {.mutex = THRUM_MUTEX_INIT, .filled = THRUM_COND_INIT, .drained = THRUM_COND_INIT};
        pthread_t one = start_thread(put_in_thread, &box), two = start_thread(get_in_thread, &box);
        run_on(workers, exchange_items, &box);
        CHECK_EQ(pthread_join(one, NULL), 0);
        CHECK_EQ(pthread_join(two, NULL), 0);
        CHECK_EQ(box.put, box.got);
        CHECK_EQ(box.items, 0);
    }
}

struct start {
    thrum_mutex mutex;
    thrum_cond cond;
    bool is_open;
    int waiting, passed;
};

static int wait_for_start(void *arg)
{
    struct start *start = arg;
    CHECK_EQ(thrum_mutex_lock(&start->mutex), 0);
    start->waiting++;
    while (!start->is_open)
        CHECK_EQ(thrum_cond_wait(&start->cond, &start->mutex), 0);
    start->passed++;
    thrum_mutex_unlock(&start->mutex);
    return 0;
}

static int start_all(void *arg)
{
    enum { TASKS = 50 };
    struct start start = {.mutex = THRUM_MUTEX_INIT, .cond = THRUM_COND_INIT};
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(thrum_spawn(&group, wait_for_start, &start), 0);
        for (bool all = false; !all; thrum_yield()) {
            CHECK_EQ(thrum_mutex_lock(&start.mutex), 0);
            all = start.waiting == TASKS;
            start.is_open = all;
            if (all)
                thrum_cond_broadcast(&start.cond);
            thrum_mutex_unlock(&start.mutex);
        }
    }
    CHECK_EQ(start.passed, TASKS);
    return 0;
}

TEST(cond_broadcast_ends_all_waits)
{
    run_on_each_count(start_all);
}

static int wait_until_soon(void *arg)
{
    struct start start = {.mutex = THRUM_MUTEX_INIT, .cond = THRUM_COND_INIT};
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&start.mutex), 0);
    CHECK_EQ(thrum_cond_wait_until(&start.cond, &start.mutex, thrum_now() + THRUM_US(10)), -ETIMEDOUT);
    CHECK(thrum_mutex_is_mine(&start.mutex));
    thrum_mutex_unlock(&start.mutex);
    CHECK(start.cond.line_.first_ == NULL);
    thrum_cond_signal(&start.cond);
    return 0;
}

TEST(cond_wait_that_ran_out_of_time_has_the_mutex)
{
    run_on_each_count(wait_until_soon);
}

static void wait_without_the_mutex(void *arg)
{
    struct start start = {.mutex = THRUM_MUTEX_INIT, .cond = THRUM_COND_INIT};
    (void)arg;
    (void)thrum_cond_wait(&start.cond, &start.mutex);
}

TEST(cond_wait_without_the_mutex_ends_the_program)
{
    struct kit_outcome outcome;
    kit_in_child(wait_without_the_mutex, NULL, &outcome);
    CHECK_STR_HAS(outcome.errors, "the caller does not have the mutex");
}
