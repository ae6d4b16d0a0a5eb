#include "task/harness.h"

#include "sync/line.h"

/* ---- Barriers ---- */

enum { PARTIES = 8 };

struct race {
    thrum_barrier barrier;
    th_atomic32 steps, indexes[PARTIES];
};

static int run_rounds(void *arg)
{
    struct race *race = arg;
    uint32_t rounds = (uint32_t)fewer(100, 10);
    for (uint32_t round = 0; round < rounds; round++) {
        count_up(&race->steps);
        int index = thrum_barrier_wait(&race->barrier);
        CHECK_GE(index, 0);
        CHECK_LT(index, PARTIES);
        count_up(&race->indexes[index]);
        CHECK_GE(count_of(&race->steps), (round + 1) * PARTIES);
        /* A second meeting, so that nobody is a round ahead when he looks. */
        CHECK_GE(thrum_barrier_wait(&race->barrier), 0);
    }
    return 0;
}

static int race_through_rounds(void *arg)
{
    struct race race = {.barrier = THRUM_BARRIER_INIT(PARTIES)};
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < PARTIES; i++)
            CHECK_EQ(thrum_spawn(&group, run_rounds, &race), 0);
    }
    for (int i = 0; i < PARTIES; i++)
        CHECK_EQ(count_of(&race.indexes[i]), (uint32_t)fewer(100, 10));
    return 0;
}

TEST(barrier_parties_wait_for_each_other_round_by_round)
{
    run_on_each_count(race_through_rounds);
}

static int wait_at(void *arg)
{
    return thrum_barrier_wait(arg);
}

static void await_arrivals(thrum_barrier *barrier, uint32_t count)
{
    for (uint32_t seen = count + 1; seen != count; thrum_yield()) {
        th_line_enter(&barrier->line_);
        seen = barrier->arrived_;
        th_line_leave(&barrier->line_);
    }
}

static int break_and_mend(void *arg)
{
    thrum_barrier barrier = THRUM_BARRIER_INIT(3);
    thrum_task *one, *two;
    int result;
    (void)arg;
    CHECK_EQ(thrum_task_start(&one, NULL, NULL, wait_at, &barrier), 0);
    CHECK_EQ(thrum_task_start(&two, NULL, NULL, wait_at, &barrier), 0);
    await_arrivals(&barrier, 2);
    thrum_barrier_abort(&barrier);
    CHECK_EQ(thrum_join(one, &result), 0);
    CHECK_EQ(result, -EPIPE);
    CHECK_EQ(thrum_join(two, &result), 0);
    CHECK_EQ(result, -EPIPE);
    CHECK_EQ(thrum_barrier_wait(&barrier), -EPIPE);
    thrum_barrier_reset(&barrier);
    CHECK_EQ(thrum_barrier_wait_until(&barrier, thrum_now() + THRUM_US(10)), -ETIMEDOUT);
    CHECK_EQ(barrier.arrived_, 0);
    CHECK_EQ(thrum_task_start(&one, NULL, NULL, wait_at, &barrier), 0);
    CHECK_EQ(thrum_task_start(&two, NULL, NULL, wait_at, &barrier), 0);
    await_arrivals(&barrier, 2);
    CHECK_EQ(thrum_barrier_wait(&barrier), 2);
    int first, second;
    CHECK_EQ(thrum_join(one, &first), 0);
    CHECK_EQ(thrum_join(two, &second), 0);
    CHECK_EQ(first + second, 1);
    return 0;
}

TEST(barrier_is_broken_and_reset)
{
    run_on_each_count(break_and_mend);
}

/* ---- Once ---- */

struct load {
    thrum_once once;
    int failures_left;
    int calls; /* by one at a time */
    th_atomic32 served, failed;
};

static int load_it(void *arg)
{
    struct load *load = arg;
    load->calls++;
    thrum_yield();
    return load->failures_left-- > 0 ? -EIO : 7;
}

static int need_it(void *arg)
{
    struct load *load = arg;
    int code = thrum_once_call(&load->once, load_it, load);
    CHECK(code == 0 || code == 7 || code == -EIO);
    count_up(code < 0 ? &load->failed : &load->served);
    return 0;
}

static void *need_it_in_thread(void *arg)
{
    (void)need_it(arg);
    return NULL;
}

static int need_it_many_times(void *arg)
{
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 40; i++)
            CHECK_EQ(thrum_spawn(&group, need_it, arg), 0);
    }
    return 0;
}

TEST(once_is_done_once_and_tried_again_after_a_failure)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        struct load load = {.once = THRUM_ONCE_INIT, .failures_left = 3};
        pthread_t thread = start_thread(need_it_in_thread, &load);
        run_on(workers, need_it_many_times, &load);
        CHECK_EQ(pthread_join(thread, NULL), 0);
        CHECK_EQ(load.calls, 4);
        CHECK_EQ(count_of(&load.failed), 3);
        CHECK_EQ(count_of(&load.served), 38);
    }
}

static thrum_once nested = THRUM_ONCE_INIT;

static int call_it_inside(void *arg)
{
    (void)arg;
    return thrum_once_call(&nested, call_it_inside, NULL) == -EDEADLK ? 1 : 2;
}

TEST(once_inside_of_itself_is_a_deadlock)
{
    CHECK_EQ(thrum_once_call(&nested, call_it_inside, NULL), 1);
    CHECK_EQ(thrum_once_call(&nested, call_it_inside, NULL), 0);
}

/* ---- Wait groups ---- */

struct work {
    thrum_waitgroup *group;
    th_atomic32 *done;
};

static int do_work(void *arg)
{
    struct work *work = arg;
    thrum_waitgroup *group = work->group;
    count_up(work->done);
    thrum_waitgroup_done(group);
    return 0;
}

/* The group lies on this stack, which goes on at once. */
static int await_work(void *arg)
{
    enum { TASKS = 10 };
    thrum_group tasks = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < fewer(50, 5); i++) {
        thrum_waitgroup group = THRUM_WAITGROUP_INIT;
        th_atomic32 done = TH_ATOMIC_INIT(0);
        struct work work = {&group, &done};
        thrum_waitgroup_add(&group, TASKS);
        for (int task = 0; task < TASKS; task++)
            CHECK_EQ(thrum_spawn_copy(&tasks, do_work, &work, sizeof work), 0);
        CHECK_EQ(thrum_waitgroup_wait(&group), 0);
        CHECK_EQ(count_of(&done), TASKS);
        memset(&group, 0xff, sizeof group);
    }
    return thrum_group_wait(&tasks);
}

static int await_work_side_by_side(void *arg)
{
    (void)arg;
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 8; i++)
            CHECK_EQ(thrum_spawn(&group, await_work, NULL), 0);
    }
    return 0;
}

TEST(waitgroup_waits_for_all_and_may_go_then)
{
    run_on_each_count(await_work_side_by_side);
}

static int ask_waitgroup(void *arg)
{
    thrum_waitgroup group = THRUM_WAITGROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_waitgroup_wait(&group), 0);
    thrum_waitgroup_add(&group, 2);
    CHECK_EQ(thrum_waitgroup_wait_until(&group, thrum_now() + THRUM_US(10)), -ETIMEDOUT);
    thrum_waitgroup_done(&group);
    thrum_waitgroup_done(&group);
    CHECK_EQ(group.word_, 0);
    CHECK_EQ(thrum_waitgroup_wait(&group), 0);
    return 0;
}

TEST(waitgroup_counts)
{
    run_on_each_count(ask_waitgroup);
}

static void finish_what_is_none(void *arg)
{
    thrum_waitgroup group = THRUM_WAITGROUP_INIT;
    (void)arg;
    thrum_waitgroup_done(&group);
}

TEST(waitgroup_done_once_too_often_ends_the_program)
{
    struct kit_outcome outcome;
    kit_in_child(finish_what_is_none, NULL, &outcome);
    CHECK_STR_HAS(outcome.errors, "once too often");
}
