/* Who is ready is run, whatever the others do. Turns are counted, time is not measured. */
#include "sched/worker.h"
#include "task/harness.h"

/* ---- One worker: order ---- */

struct arena {
    th_atomic32 is_over;
    uint64_t turns; /* of the loads, on one worker */
    uint64_t turns_waited;
};

static int yield_for_ever(void *arg)
{
    struct arena *arena = arg;
    while (!flag_is_set(&arena->is_over)) {
        arena->turns++;
        thrum_yield();
    }
    return 0;
}

static int be_served(void *arg)
{
    struct arena *arena = arg;
    arena->turns_waited = arena->turns;
    flag_set(&arena->is_over);
    return 0;
}

/* A chain of tasks, each started by the one before and joined at once: the freshest always comes first. */
static int spawn_for_ever(void *arg)
{
    struct arena *arena = arg;
    while (!flag_is_set(&arena->is_over)) {
        thrum_task *task;
        arena->turns++;
        CHECK_EQ(thrum_task_start(&task, NULL, NULL, return_zero, NULL), 0);
        thrum_yield();
        CHECK_EQ(thrum_join(task, NULL), 0);
    }
    return 0;
}

/* Each round starts a partner and waits for it: wakes go through the slot, which goes before all queues. */
static int be_pinged(void *arg)
{
    struct arena *arena = arg;
    arena->turns++;
    thrum_yield();
    return 0;
}

static int ping_for_ever(void *arg)
{
    struct arena *arena = arg;
    while (!flag_is_set(&arena->is_over)) {
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(thrum_spawn(&group, be_pinged, arena), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    return 0;
}

static const thrum_fn loads[] = {yield_for_ever, spawn_for_ever, ping_for_ever};

static int start_load(struct arena *arena, thrum_group *group, thrum_fn load)
{
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_spawn(group, load, arena), 0);
    while (arena->turns < 1000)
        thrum_yield();
    return 0;
}

/* Ten times what one look at the starving takes: the bound is about for ever or not, and about hundreds or millions. */
enum { TURNS_MOST = 10 * TH_FAIR_MOST };

typedef int begin(thrum_group *group, struct arena *arena);

static int be_served_among_load(void *arg)
{
    begin *const *how = arg;
    for (size_t i = 0; i < TH_COUNT_OF(loads); i++) {
        struct arena arena = {.turns = 0};
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(start_load(&arena, &group, loads[i]), 0);
        uint64_t before = arena.turns;
        CHECK_EQ((*how)(&group, &arena), 0);
        while (!flag_is_set(&arena.is_over))
            thrum_yield();
        CHECK_LE(arena.turns_waited - before, TURNS_MOST);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    return 0;
}

static int spawn_it(thrum_group *group, struct arena *arena)
{
    return thrum_spawn(group, be_served, arena);
}

static int post_it(thrum_group *group, struct arena *arena)
{
    (void)group;
    return thrum_post(thrum_runtime_current(), be_served, arena);
}

static int have_it_due(thrum_group *group, struct arena *arena)
{
    (void)group;
    return thrum_call_at(NULL, 0, be_served, arena);
}

TEST(a_fresh_task_is_run_within_a_bound_of_turns_under_any_load)
{
    run_on(1, be_served_among_load, (begin *[]){spawn_it});
}

TEST(a_post_is_served_within_a_bound_of_turns_under_any_load)
{
    run_on(1, be_served_among_load, (begin *[]){post_it});
}

TEST(a_timer_is_served_within_a_bound_of_turns_under_any_load)
{
    run_on(1, be_served_among_load, (begin *[]){have_it_due});
}

/* ---- A ready task among ping-pong ---- */

struct third {
    struct arena *arena;
    uint64_t longest;
    int rounds;
};

static int wait_for_turns(void *arg)
{
    struct third *third = arg;
    for (int i = 0; i < third->rounds; i++) {
        uint64_t before = third->arena->turns;
        thrum_yield();
        uint64_t waited = third->arena->turns - before;
        if (waited > third->longest)
            third->longest = waited;
    }
    flag_set(&third->arena->is_over);
    return 0;
}

static int keep_a_third_waiting(void *arg)
{
    (void)arg;
    for (size_t i = 0; i < TH_COUNT_OF(loads); i++) {
        struct arena arena = {.turns = 0};
        struct third third = {.arena = &arena, .rounds = 1000};
        thrum_group group = THRUM_GROUP_INIT;
        CHECK_EQ(start_load(&arena, &group, loads[i]), 0);
        CHECK_EQ(thrum_spawn(&group, wait_for_turns, &third), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
        CHECK_LE(third.longest, 16);
    }
    return 0;
}

TEST(a_pair_that_plays_for_ever_does_not_keep_a_third_waiting)
{
    run_on(1, keep_a_third_waiting, NULL);
}

static int count_turns(void *arg)
{
    uint64_t *turns = arg;
    while (!thrum_cancelled()) {
        ++*turns;
        thrum_yield();
    }
    return -ECANCELED;
}

static int yield_in_a_crowd(void *arg)
{
    enum { CROWD = 20 };
    uint64_t turns[CROWD] = {0};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < CROWD; i++)
        CHECK_EQ(thrum_spawn(&group, count_turns, &turns[i]), 0);
    while (turns[0] < 1000)
        thrum_yield();
    for (int i = 0; i < CROWD; i++) {
        CHECK_GE(turns[i], 1000 - 2 * TH_FAIR_MOST);
        CHECK_LE(turns[i], 1000 + 2 * TH_FAIR_MOST);
    }
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    return 0;
}

TEST(those_who_yield_take_turns)
{
    run_on(1, yield_in_a_crowd, NULL);
}

/* ---- Several workers: nobody is stuck behind a task that computes ---- */

static int compute_until_set(void *arg)
{
    const th_atomic32 *flag = arg;
    while (!flag_is_set(flag))
        sched_yield(); /* no call to the runtime: it computes, and leaves the core to the other threads */
    return 0;
}

static int spawn_behind_a_hog(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, set_my_flag, &flag), 0);
    CHECK_EQ(compute_until_set(&flag), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(a_fresh_task_behind_one_that_computes_is_taken_by_another_worker)
{
    for (int i = 0; i < fewer(100, 10); i++) {
        run_on(2, spawn_behind_a_hog, NULL);
        run_on(4, spawn_behind_a_hog, NULL);
    }
}

static int sleep_then_compute(void *arg)
{
    CHECK_EQ(thrum_sleep(THRUM_MS(1)), 0);
    return compute_until_set(arg);
}

static int sleep_then_set(void *arg)
{
    CHECK_EQ(thrum_sleep(THRUM_MS(3)), 0);
    flag_set(arg);
    return 0;
}

static int fire_behind_a_hog(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, sleep_then_set, &flag), 0);
    CHECK_EQ(thrum_spawn(&group, sleep_then_compute, &flag), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(a_timer_of_a_worker_that_computes_is_fired_by_another)
{
    for (int i = 0; i < fewer(100, 10); i++)
        run_on(2, fire_behind_a_hog, NULL);
}

struct together {
    thrum_time when;
    th_atomic32 flag, has_hog;
};

/* Whichever comes first computes until the other has run. */
static int wake_up_together(void *arg)
{
    struct together *together = arg;
    CHECK_EQ(thrum_sleep_until(together->when), 0);
    if (th_atomic32_add_acqrel(&together->has_hog, 1) == 0)
        return compute_until_set(&together->flag);
    flag_set(&together->flag);
    return 0;
}

static int wake_two_together(void *arg)
{
    /* Long enough for every worker to sleep for good: the napper gives up after some 20 ms. */
    struct together together = {.when = thrum_now() + THRUM_MS(60)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_spawn(&group, wake_up_together, &together), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return 0;
}

TEST(of_two_that_wake_together_the_second_does_not_wait_for_the_first)
{
    for (int i = 0; i < fewer(10, 3); i++) {
        run_on(2, wake_two_together, NULL);
        run_on(4, wake_two_together, NULL);
    }
}

static int post_behind_a_hog(void *arg)
{
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    (void)arg;
    CHECK_EQ(thrum_post(thrum_runtime_current(), set_my_flag, &flag), 0);
    return compute_until_set(&flag);
}

TEST(a_post_is_taken_by_another_worker_while_the_poster_computes)
{
    for (int i = 0; i < fewer(100, 10); i++) {
        run_on(2, post_behind_a_hog, NULL);
        run_on(4, post_behind_a_hog, NULL);
    }
}
