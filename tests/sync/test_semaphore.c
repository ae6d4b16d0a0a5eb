#include "task/harness.h"

enum { PERMITS = 3, USERS = 40 };

struct pool {
    thrum_semaphore semaphore;
    th_atomic32 inside, most, uses;
};

static int use_some(void *arg)
{
    struct pool *pool = arg;
    for (int i = 0; i < fewer(200, 20); i++) {
        CHECK_EQ(thrum_semaphore_acquire(&pool->semaphore), 0);
        uint32_t now = th_atomic32_add_acqrel(&pool->inside, 1) + 1;
        CHECK_LE(now, PERMITS);
        if (i % 3 == 0)
            thrum_yield();
        (void)th_atomic32_sub_acqrel(&pool->inside, 1);
        count_up(&pool->uses);
        CHECK_EQ(thrum_semaphore_release(&pool->semaphore), 0);
    }
    return 0;
}

static int share_permits(void *arg)
{
    struct pool pool = {.semaphore = THRUM_SEMAPHORE_BOUNDED(PERMITS)};
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < USERS; i++)
            CHECK_EQ(thrum_spawn(&group, use_some, &pool), 0);
    }
    CHECK_EQ(count_of(&pool.uses), USERS * (uint32_t)fewer(200, 20));
    CHECK_EQ(thrum_semaphore_value(&pool.semaphore), PERMITS);
    CHECK_EQ(pool.semaphore.word_, PERMITS * 2);
    return 0;
}

TEST(semaphore_lets_in_as_many_as_there_are_permits)
{
    run_on_each_count(share_permits);
}

static int return_what_semaphores_say(void *arg)
{
    thrum_semaphore bounded = THRUM_SEMAPHORE_BOUNDED(2), free = THRUM_SEMAPHORE_INIT(0);
    (void)arg;
    CHECK_EQ(thrum_semaphore_release(&bounded), -EOVERFLOW);
    CHECK_EQ(thrum_semaphore_acquire(&bounded), 0);
    CHECK_EQ(thrum_semaphore_try_acquire(&bounded), 0);
    CHECK_EQ(thrum_semaphore_try_acquire(&bounded), -EAGAIN);
    CHECK_EQ(thrum_semaphore_acquire_until(&bounded, thrum_now() + THRUM_US(10)), -ETIMEDOUT);
    CHECK_EQ(thrum_semaphore_release(&bounded), 0);
    CHECK_EQ(thrum_semaphore_release(&bounded), 0);
    CHECK_EQ(thrum_semaphore_value(&bounded), 2);
    CHECK_EQ(thrum_semaphore_release(&free), 0);
    CHECK_EQ(thrum_semaphore_release(&free), 0);
    CHECK_EQ(thrum_semaphore_value(&free), 2);
    return 0;
}

TEST(semaphore_says_when_there_is_none_and_when_there_are_too_many)
{
    run_on_each_count(return_what_semaphores_say);
}

struct ticket {
    thrum_semaphore *semaphore;
    int *next;
    int number;
};

static int take_in_turn(void *arg)
{
    struct ticket *ticket = arg;
    CHECK_EQ(thrum_semaphore_acquire(ticket->semaphore), 0);
    CHECK_EQ((*ticket->next)++, ticket->number);
    return 0;
}

/* Somebody waits, so who comes later has to wait behind, even at the moment a permit is given. */
static int come_in_order(void *arg)
{
    enum { TASKS = 20 };
    thrum_semaphore semaphore = THRUM_SEMAPHORE_INIT(0);
    struct ticket tickets[TASKS];
    int next = 0;
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < TASKS; i++) {
            tickets[i] = (struct ticket){&semaphore, &next, i};
            CHECK_EQ(thrum_spawn(&group, take_in_turn, &tickets[i]), 0);
            thrum_yield();
        }
        for (int i = 0; i < TASKS; i++) {
            CHECK_EQ(thrum_semaphore_release(&semaphore), 0);
            CHECK_EQ(thrum_semaphore_try_acquire(&semaphore), -EAGAIN);
            thrum_yield();
        }
    }
    CHECK_EQ(next, TASKS);
    return 0;
}

TEST(semaphore_serves_in_the_order_of_coming)
{
    run_on(1, come_in_order, NULL);
}

static void *thread_uses(void *arg)
{
    (void)use_some(arg);
    return NULL;
}

static int use_beside_threads(void *arg)
{
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 4; i++)
            CHECK_EQ(thrum_spawn(&group, use_some, arg), 0);
    }
    return 0;
}

TEST(semaphore_is_shared_by_tasks_and_threads)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct pool pool = {.semaphore = THRUM_SEMAPHORE_BOUNDED(PERMITS)};
        pthread_t one = start_thread(thread_uses, &pool), two = start_thread(thread_uses, &pool);
        run_on(workers, use_beside_threads, &pool);
        CHECK_EQ(pthread_join(one, NULL), 0);
        CHECK_EQ(pthread_join(two, NULL), 0);
        CHECK_EQ(pool.semaphore.word_, PERMITS * 2);
    }
}
