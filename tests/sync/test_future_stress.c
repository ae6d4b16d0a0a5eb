/*
 * Futures under everybody at once: setters that contend, waits with deadlines and cancels, calls and chains. The
 * ledger: one setter of each future has won, every wait got that one's result or its own end, every call was made once.
 */
#include "task/harness.h"

enum { SETTERS = 3, WAITERS = 5 };

struct round {
    thrum_future *future;
    uint64_t seed;
    th_atomic32 winners, calls, steps;
    th_atomic32 result; /* the winner's */
};

struct part {
    struct round *round;
    struct th_random random;
};

static void idle_a_little(struct th_random *random)
{
    for (uint32_t turns = th_random_below(random, 4); turns > 0; turns--)
        thrum_yield();
}

static int set_it(void *arg)
{
    struct part *part = arg;
    struct round *round = part->round;
    int choice = (int)th_random_below(&part->random, 3), code;
    idle_a_little(&part->random);
    if (choice == 0)
        code = thrum_future_set_result(round->future, 7);
    else
        code = choice == 1 ? thrum_future_fail(round->future, -EIO) : thrum_future_cancel(round->future);
    CHECK(code == 0 || code == -EALREADY);
    if (code == 0) {
        count_up(&round->winners);
        th_atomic32_store_release(&round->result, (uint32_t)(choice == 0 ? 7 : choice == 1 ? -EIO : -ECANCELED));
    }
    thrum_future_drop(round->future);
    return 0;
}

static int await_it(void *arg)
{
    struct part *part = arg;
    struct round *round = part->round;
    thrum_time when = THRUM_FOREVER;
    idle_a_little(&part->random);
    if (th_random_below(&part->random, 2) == 0)
        when = thrum_now() + th_random_below(&part->random, 20000);
    int result = thrum_future_wait_until(round->future, NULL, when);
    if (result != -ETIMEDOUT) {
        /* Canceled: the future, or the waiting task, and the future may have been set since. */
        if (result != -ECANCELED || !thrum_cancelled())
            CHECK_EQ(result, thrum_future_result(round->future, NULL));
    }
    thrum_future_drop(round->future);
    return 0;
}

static void called(void *arg, int result)
{
    struct round *round = arg;
    CHECK_EQ(result, thrum_future_result(round->future, NULL));
    count_up(&round->calls);
}

static int step(void *arg, void **passed)
{
    (void)passed;
    count_up(arg);
    return 0;
}

/* Three steps that hang on the future; the middle one is perhaps cancelled. */
static int chain_it(void *arg)
{
    struct part *part = arg;
    struct round *round = part->round;
    thrum_future *steps[3], *last = round->future;
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(thrum_future_then(last, step, &round->steps, &steps[i]), 0);
        last = steps[i];
        idle_a_little(&part->random);
    }
    if (th_random_below(&part->random, 4) == 0) {
        int code = thrum_future_cancel(steps[1]);
        CHECK(code == 0 || code == -EALREADY);
    }
    (void)thrum_future_wait(last, NULL);
    CHECK_NE(thrum_future_state(last), THRUM_FUTURE_PENDING);
    for (int i = 0; i < 3; i++)
        thrum_future_drop(steps[i]);
    return 0;
}

static void start(thrum_task **task, thrum_group *group, thrum_fn fn, struct part *part)
{
    (void)thrum_future_hold(part->round->future);
    CHECK_EQ(thrum_task_start(task, group, NULL, fn, part), 0);
}

static void run_round(struct th_random *random)
{
    struct round round = {.seed = th_random_next(random)};
    struct part parts[SETTERS + WAITERS + 1];
    thrum_task *tasks[SETTERS + WAITERS];
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    CHECK_EQ(thrum_future_create(&round.future), 0);
    for (size_t i = 0; i < TH_COUNT_OF(parts); i++) {
        parts[i].round = &round;
        th_random_init(&parts[i].random, th_random_next(random));
    }
    for (size_t i = 0; i < SETTERS + WAITERS; i++)
        start(&tasks[i], &group, i < WAITERS ? await_it : set_it, &parts[i]);
    CHECK_EQ(thrum_spawn(&group, chain_it, &parts[SETTERS + WAITERS]), 0);
    CHECK_EQ(thrum_future_on_done(round.future, called, &round), 0);
    for (int cancels = (int)th_random_below(random, 3); cancels > 0; cancels--)
        thrum_task_cancel(tasks[th_random_below(random, WAITERS)]);
    idle_a_little(random);
    CHECK_EQ(thrum_future_on_done(round.future, called, &round), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    for (size_t i = 0; i < SETTERS + WAITERS; i++)
        thrum_task_drop(tasks[i]);
    CHECK_EQ(count_of(&round.winners), 1);
    CHECK_EQ(count_of(&round.calls), 2);
    CHECK_EQ(thrum_future_result(round.future, NULL), (int)count_of(&round.result));
    if ((int)count_of(&round.result) < 0)
        CHECK_EQ(count_of(&round.steps), 0);
    else
        CHECK(count_of(&round.steps) >= 1 && count_of(&round.steps) <= 3);
    thrum_future_drop(round.future);
}

static int run_rounds(void *arg)
{
    struct th_random random;
    th_random_init(&random, *(uint64_t *)arg);
    for (int i = 0; i < fewer(5000, 50); i++)
        run_round(&random);
    return 0;
}

TEST(setters_waiters_and_cancels_of_futures_lose_nothing)
{
    uint64_t seed = kit_seed();
    FOR_EACH_WORKER_COUNT(workers)
    run_on(workers, run_rounds, &seed);
}
