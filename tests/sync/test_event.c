#include "task/harness.h"

struct gate {
    thrum_event event;
    th_atomic32 arrived, passed;
};

static int go_through(void *arg)
{
    struct gate *gate = arg;
    count_up(&gate->arrived);
    CHECK_EQ(thrum_event_wait(&gate->event), 0);
    count_up(&gate->passed);
    return 0;
}

static int open_for_many(void *arg)
{
    enum { TASKS = 100 };
    struct gate gate = {.event = THRUM_EVENT_INIT};
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < TASKS; i++)
            CHECK_EQ(thrum_spawn(&group, go_through, &gate), 0);
        count_wait(&gate.arrived, TASKS);
        CHECK_EQ(count_of(&gate.passed), 0);
        CHECK(!thrum_event_is_set(&gate.event));
        thrum_event_set(&gate.event);
    }
    CHECK_EQ(count_of(&gate.passed), TASKS);
    CHECK_EQ(thrum_event_wait(&gate.event), 0);
    thrum_event_clear(&gate.event);
    CHECK(!thrum_event_is_set(&gate.event));
    CHECK_EQ(thrum_event_wait_until(&gate.event, thrum_now() + THRUM_US(10)), -ETIMEDOUT);
    CHECK(gate.event.line_.first_ == NULL);
    return 0;
}

TEST(event_lets_all_go_on_and_stays_set)
{
    run_on_each_count(open_for_many);
}

/* The event lies on the stack of who waits, and that stack goes on at once. */
static int set_it(void *arg)
{
    thrum_event_set(arg);
    return 0;
}

static int await_completion(void *arg)
{
    thrum_group setters = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < fewer(200, 20); i++) {
        thrum_event done = THRUM_EVENT_INIT;
        CHECK_EQ(thrum_spawn(&setters, set_it, &done), 0);
        CHECK_EQ(thrum_event_wait(&done), 0);
        memset(&done, 0xff, sizeof done);
    }
    return thrum_group_wait(&setters);
}

static int await_many_completions(void *arg)
{
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 16; i++)
            CHECK_EQ(thrum_spawn(&group, await_completion, NULL), 0);
    }
    return 0;
}

TEST(event_may_lie_on_the_stack_of_who_waits)
{
    run_on_each_count(await_many_completions);
}

static void *thread_waits(void *arg)
{
    struct gate *gate = arg;
    (void)go_through(gate);
    return NULL;
}

static int set_for_threads(void *arg)
{
    struct gate *gate = arg;
    count_wait(&gate->arrived, 2);
    thrum_event_set(&gate->event);
    return 0;
}

TEST(event_is_awaited_by_threads)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct gate gate = {.event = THRUM_EVENT_INIT};
        pthread_t one = start_thread(thread_waits, &gate), two = start_thread(thread_waits, &gate);
        run_on(workers, set_for_threads, &gate);
        CHECK_EQ(pthread_join(one, NULL), 0);
        CHECK_EQ(pthread_join(two, NULL), 0);
        CHECK_EQ(count_of(&gate.passed), 2);
    }
}

static void *thread_sets(void *arg)
{
    struct gate *gate = arg;
    while (count_of(&gate->arrived) < 1)
        sched_yield();
    thrum_event_set(&gate->event);
    return NULL;
}

TEST(event_is_set_by_a_thread)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct gate gate = {.event = THRUM_EVENT_INIT};
        pthread_t thread = start_thread(thread_sets, &gate);
        run_on(workers, go_through, &gate);
        CHECK_EQ(pthread_join(thread, NULL), 0);
    }
}
