#include "task/harness.h"

#include "sched/park.h"
#include "sync/mutex.h"
#include "task/waiting.h"

static bool has_parked(const thrum_task *handle)
{
    const struct th_task *task = (const struct th_task *)(uintptr_t)handle;
    return (th_atomic64_load_acquire(&task->wait) & 0xffff) == TH_WAIT_PARKED;
}

/* ---- One at a time ---- */

struct counter {
    thrum_mutex mutex;
    uint64_t count; /* what it guards */
    int turns;
};

static int count_under_lock(void *arg)
{
    struct counter *counter = arg;
    for (int i = 0; i < counter->turns; i++) {
        CHECK_EQ(thrum_mutex_lock(&counter->mutex), 0);
        counter->count++;
        thrum_mutex_unlock(&counter->mutex);
    }
    return 0;
}

enum { CONTENDERS = 64 };

static int contend(void *arg)
{
    (void)arg;
    struct counter counter = {.mutex = THRUM_MUTEX_INIT, .turns = fewer(20000, 500)};
    THRUM_GROUP(group)
    {
        for (int i = 0; i < CONTENDERS; i++)
            CHECK_EQ(thrum_spawn(&group, count_under_lock, &counter), 0);
    }
    CHECK_EQ(counter.count, (uint64_t)CONTENDERS * (uint64_t)counter.turns);
    thrum_mutex_destroy(&counter.mutex);
    return 0;
}

TEST(mutex_lets_one_in_at_a_time)
{
    run_on_each_count(contend);
}

/* Whoever has it gives its worker away now and then, so that on one worker too somebody finds it locked. */
static int yield_under_lock(void *arg)
{
    struct counter *counter = arg;
    for (int i = 0; i < counter->turns; i++) {
        CHECK_EQ(thrum_mutex_lock(&counter->mutex), 0);
        uint64_t seen = counter->count;
        thrum_yield();
        counter->count = seen + 1;
        thrum_mutex_unlock(&counter->mutex);
    }
    return 0;
}

static int contend_and_yield(void *arg)
{
    (void)arg;
    struct counter counter = {.mutex = THRUM_MUTEX_INIT, .turns = fewer(1000, 50)};
    THRUM_GROUP(group)
    {
        for (int i = 0; i < CONTENDERS; i++)
            CHECK_EQ(thrum_spawn(&group, yield_under_lock, &counter), 0);
    }
    CHECK_EQ(counter.count, (uint64_t)CONTENDERS * (uint64_t)counter.turns);
    thrum_mutex_destroy(&counter.mutex);
    return 0;
}

TEST(mutex_is_held_over_a_switch)
{
    run_on_each_count(contend_and_yield);
}

static void *thread_counts(void *arg)
{
    (void)count_under_lock(arg);
    return NULL;
}

static int contend_with_threads(void *arg)
{
    struct counter *counter = arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 8; i++)
            CHECK_EQ(thrum_spawn(&group, i % 2 == 0 ? count_under_lock : yield_under_lock, counter), 0);
    }
    return 0;
}

TEST(mutex_is_shared_by_tasks_and_threads)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct counter counter = {.mutex = THRUM_MUTEX_INIT, .turns = fewer(2000, 200)};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            threads[i] = start_thread(thread_counts, &counter);
        run_on(workers, contend_with_threads, &counter);
        for (int i = 0; i < 2; i++)
            CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK_EQ(counter.count, 10 * (uint64_t)counter.turns);
    }
}

TEST(mutex_works_without_a_runtime)
{
    struct counter counter = {.mutex = THRUM_MUTEX_INIT, .turns = fewer(100000, 1000)};
    pthread_t thread = start_thread(thread_counts, &counter);
    (void)count_under_lock(&counter);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(counter.count, 2 * (uint64_t)counter.turns);
}

/* ---- Order ---- */

struct queue_of_tasks {
    thrum_mutex mutex;
    int next;
};

struct ticket {
    struct queue_of_tasks *queue;
    int number;
};

static int take_my_turn(void *arg)
{
    struct ticket *ticket = arg;
    CHECK_EQ(thrum_mutex_lock(&ticket->queue->mutex), 0);
    CHECK_EQ(ticket->queue->next++, ticket->number);
    thrum_mutex_unlock(&ticket->queue->mutex);
    return 0;
}

static int wait_in_order(void *arg)
{
    enum { TASKS = 20 };
    struct queue_of_tasks queue = {.mutex = THRUM_MUTEX_INIT};
    struct ticket tickets[TASKS];
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&queue.mutex), 0);
    for (int i = 0; i < TASKS; i++) {
        tickets[i] = (struct ticket){&queue, i};
        CHECK_EQ(thrum_spawn(&group, take_my_turn, &tickets[i]), 0);
        thrum_yield();
    }
    CHECK_EQ(queue.mutex.line_.count_, TASKS);
    thrum_mutex_unlock(&queue.mutex);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(queue.next, TASKS);
    return 0;
}

TEST(mutex_is_had_in_the_order_of_coming_where_nobody_barges)
{
    run_on(1, wait_in_order, NULL);
}

struct greedy {
    thrum_mutex mutex;
    th_atomic32 is_over;
    uint64_t turns;
};

static int lock_again_and_again(void *arg)
{
    struct greedy *greedy = arg;
    while (!flag_is_set(&greedy->is_over)) {
        CHECK_EQ(thrum_mutex_lock(&greedy->mutex), 0);
        greedy->turns++;
        thrum_mutex_unlock(&greedy->mutex);
    }
    return 0;
}

static int lock_once(void *arg)
{
    struct greedy *greedy = arg;
    CHECK_EQ(thrum_mutex_lock(&greedy->mutex), 0);
    thrum_mutex_unlock(&greedy->mutex);
    flag_set(&greedy->is_over);
    return 0;
}

/* The greedy task never waits of its own will: with one worker nobody else would run again. */
static int meet_a_greedy_task(void *arg)
{
    struct greedy greedy = {.mutex = THRUM_MUTEX_INIT};
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&greedy.mutex), 0);
    THRUM_GROUP(group)
    {
        thrum_task *waiter;
        CHECK_EQ(thrum_task_start(&waiter, &group, NULL, lock_once, &greedy), 0);
        while (!has_parked(waiter))
            thrum_yield();
        thrum_task_drop(waiter);
        CHECK_EQ(thrum_spawn(&group, lock_again_and_again, &greedy), 0);
        thrum_mutex_unlock(&greedy.mutex);
    }
    return 0;
}

TEST(mutex_is_handed_to_who_has_waited_long)
{
    run_on_each_count(meet_a_greedy_task);
}

/* ---- What calls return ---- */

static int try_to_lock(void *arg)
{
    return thrum_mutex_try_lock(arg);
}

static int lock_until_now(void *arg)
{
    return thrum_mutex_lock_until(arg, thrum_now());
}

static int result_of(thrum_fn fn, void *arg)
{
    thrum_task *task;
    int result = 1;
    CHECK_EQ(thrum_task_start(&task, NULL, NULL, fn, arg), 0);
    CHECK_EQ(thrum_join(task, &result), 0);
    return result;
}

static int ask_and_relock(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    (void)arg;
    CHECK(!thrum_mutex_is_mine(&mutex));
    CHECK_EQ(thrum_mutex_try_lock(&mutex), 0);
    CHECK(thrum_mutex_is_mine(&mutex));
    CHECK_EQ(thrum_mutex_lock(&mutex), -EDEADLK);
    CHECK_EQ(thrum_mutex_try_lock(&mutex), -EBUSY);
    CHECK_EQ(result_of(try_to_lock, &mutex), -EBUSY);
    CHECK_EQ(result_of(lock_until_now, &mutex), -ETIMEDOUT);
    CHECK(mutex.line_.first_ == NULL);
    CHECK_PTR_EQ(th_mutex_owner(&mutex), th_task_self());
    thrum_mutex_unlock(&mutex);
    CHECK_PTR_EQ(th_mutex_owner(&mutex), NULL);
    CHECK_EQ(mutex.word_, 0);
    return 0;
}

TEST(mutex_says_who_has_it)
{
    run_on_each_count(ask_and_relock);
}

static void *lock_until_soon(void *arg)
{
    CHECK_EQ(thrum_mutex_lock_until(arg, thrum_now() + THRUM_MS(1)), -ETIMEDOUT);
    return NULL;
}

TEST(mutex_a_thread_waits_until_a_point_in_time)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    CHECK_EQ(thrum_mutex_lock(&mutex), -EDEADLK);
    CHECK_EQ(pthread_join(start_thread(lock_until_soon, &mutex), NULL), 0);
    thrum_mutex_unlock(&mutex);
    thrum_mutex_destroy(&mutex);
}

/* ---- Reports ---- */

static int lock_it(void *arg)
{
    return thrum_mutex_lock(arg);
}

static int look_who_waits(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    thrum_task *handle;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    CHECK_EQ(thrum_task_start(&handle, NULL, NULL, lock_it, &mutex), 0);
    struct th_task *task = (struct th_task *)handle;
    while (!has_parked(handle))
        thrum_yield();
    struct th_waiting waiting = th_waiting_of(task->fiber);
    while (waiting.kind == NULL) {
        thrum_yield();
        waiting = th_waiting_of(task->fiber);
    }
    CHECK_STR_EQ(waiting.kind->name, "mutex");
    CHECK_PTR_EQ(waiting.object, &mutex);
    CHECK_PTR_EQ(waiting.kind->owner(waiting.object), th_task_self());
    CHECK(th_waiting_of(th_fiber_self()).kind == NULL);
    thrum_mutex_unlock(&mutex);
    int result;
    CHECK_EQ(thrum_join(handle, &result), 0);
    CHECK_EQ(result, 0);
    return 0;
}

TEST(mutex_waiters_say_what_they_wait_for_and_who_has_it)
{
    run_on_each_count(look_who_waits);
}

/* ---- Mistakes ---- */

static int unlock_it(void *arg)
{
    thrum_mutex_unlock(arg);
    return 0;
}

static int let_another_unlock(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    return result_of(unlock_it, &mutex);
}

static void unlock_of_a_stranger(void *arg)
{
    (void)arg;
    run_on(1, let_another_unlock, NULL);
}

static void unlock_of_a_free_one(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    (void)arg;
    thrum_mutex_unlock(&mutex);
}

static void destroy_a_locked_one(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    thrum_mutex_destroy(&mutex);
}

static int destroy_with_waiters(void *arg)
{
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    CHECK_EQ(thrum_spawn(NULL, lock_it, &mutex), 0);
    while (mutex.line_.count_ == 0)
        thrum_yield();
    thrum_mutex_destroy(&mutex);
    return 0;
}

static void destroy_an_awaited_one(void *arg)
{
    (void)arg;
    run_on(1, destroy_with_waiters, NULL);
}

static void dies_saying(void (*body)(void *arg), const char *text)
{
    struct kit_outcome outcome;
    kit_in_child(body, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, text);
}

TEST(mutex_misuse_ends_the_program_with_one_line)
{
    dies_saying(unlock_of_a_stranger, "task ");
    dies_saying(unlock_of_a_stranger, "has it, not the caller");
    dies_saying(unlock_of_a_free_one, "nobody has it");
    dies_saying(destroy_a_locked_one, "it is locked");
    dies_saying(destroy_an_awaited_one, "tasks wait for it");
}
