/* Waiting for time: never early, in order, and off when cancelled. How late is a matter for bench/. */
#include "sched/worker.h"
#include "task/harness.h"

#include <signal.h>

/* ---- Sleeps ---- */

static int sleep_a_little(void *arg)
{
    thrum_time span = (intptr_t)arg, deadline = thrum_now() + span;
    CHECK_EQ(thrum_sleep(span), 0);
    CHECK_GE(thrum_now(), deadline);
    CHECK_EQ(thrum_sleep_until(deadline), 0); /* is over */
    deadline = thrum_now() + span;
    CHECK_EQ(thrum_sleep_until(deadline), 0);
    CHECK_GE(thrum_now(), deadline);
    return 0;
}

static int sleep_by_many(void *arg)
{
    struct th_random random;
    (void)arg;
    th_random_init(&random, kit_seed());
    THRUM_GROUP(group)
    {
        for (int i = 0; i < 300; i++)
            CHECK_EQ(thrum_spawn(&group, sleep_a_little, (void *)(intptr_t)th_random_below(&random, 10000000)), 0);
    }
    return 0;
}

TEST(no_sleep_ends_early)
{
    run_on_each_count(sleep_by_many);
}

static int sleep_for_odd_spans(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_sleep(0), 0);
    CHECK_EQ(thrum_sleep(-1), 0);
    CHECK_EQ(thrum_sleep(INT64_MIN), 0);
    CHECK_EQ(thrum_sleep_until(0), 0);
    CHECK_EQ(thrum_sleep_until(-THRUM_SEC(5)), 0);
    CHECK_EQ(thrum_sleep_until(INT64_MIN), 0);
    CHECK_EQ(thrum_sleep(1), 0);
    return 0;
}

TEST(spans_that_are_over_do_not_wait)
{
    CHECK_EQ(sleep_for_odd_spans(NULL), 0);
    run_on_each_count(sleep_for_odd_spans);
}

TEST(a_thread_outside_of_tasks_sleeps_itself)
{
    CHECK_EQ(sleep_a_little((void *)(intptr_t)THRUM_MS(2)), 0);
}

static int sleep_for_ever(void *arg)
{
    th_atomic32 *is_asleep = arg;
    flag_set(is_asleep);
    return thrum_sleep(THRUM_FOREVER);
}

static void run_for_ever(void *arg)
{
    (void)arg;
    (void)signal(SIGALRM, SIG_DFL);
    alarm(1);
    th_atomic32 flag = TH_ATOMIC_INIT(0);
    (void)thrum_run(sleep_for_ever, &flag);
}

TEST(for_ever_does_not_run_over)
{
    static struct kit_outcome outcome;
    kit_in_child(run_for_ever, NULL, &outcome);
    CHECK_EQ(outcome.signo, 14);
}

enum { EQUALS = 100 };

struct equals {
    thrum_time when;
    th_atomic32 begun, ended;
    uint32_t turns[EQUALS]; /* who ended as the first, the second, ... */
};

static int note_turn(void *arg)
{
    struct equals *all = arg;
    uint32_t number = th_atomic32_add_relaxed(&all->begun, 1);
    CHECK_EQ(thrum_sleep_until(all->when), 0);
    all->turns[th_atomic32_add_relaxed(&all->ended, 1)] = number;
    return 0;
}

/* False if the machine was so slow that some began to sleep when the others' time was up. */
static bool sleep_for(thrum_time span, struct equals *all)
{
    thrum_group group = THRUM_GROUP_INIT;
    *all = (struct equals){.when = thrum_now() + span};
    for (uint32_t i = 0; i < EQUALS; i++) {
        CHECK_EQ(thrum_spawn(&group, note_turn, all), 0);
        /* Each is asleep before the next is there; one yield is not enough when the queue from outside has its turn. */
        while (th_atomic32_load_relaxed(&all->begun) <= i)
            thrum_yield();
    }
    bool was_in_time = thrum_now() < all->when;
    CHECK_EQ(thrum_group_wait(&group), 0);
    return was_in_time;
}

static int sleep_to_the_same_point(void *arg)
{
    static struct equals all;
    thrum_time span = THRUM_MS(20);
    (void)arg;
    while (!sleep_for(span, &all))
        span *= 4;
    for (uint32_t i = 0; i < EQUALS; i++)
        CHECK_EQ(all.turns[i], i);
    return 0;
}

TEST(equal_deadlines_end_in_the_order_of_their_sleeps)
{
    /* A worker that the machine holds up is not replaced: two would have each their own order. */
    setenv("THRUM_SLICE_US", "0", 1);
    run_on(1, sleep_to_the_same_point, NULL);
}

/* All are asleep before the first may wake: the last one says so. */
struct crowd {
    th_atomic32 asleep, awake;
    uint32_t size;
};

static int sleep_in_a_crowd(void *arg)
{
    struct crowd *crowd = arg;
    count_up(&crowd->asleep);
    for (thrum_time span = THRUM_MS(100); count_of(&crowd->asleep) < crowd->size; span *= 2)
        CHECK_EQ(thrum_sleep(span), 0);
    count_up(&crowd->awake);
    return 0;
}

static int sleep_together(void *arg)
{
    struct crowd crowd = {.size = (uint32_t)fewer(1000000, 2000)};
    struct th_stack_counts counts;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    /* Two pages each, and as much again for whoever else runs here. */
    long pages = sysconf(_SC_AVPHYS_PAGES);
    if (crowd.size * 4 > pages)
        crowd.size = (uint32_t)(pages / 4);
    th_stack_count(&counts);
    if (crowd.size + 64 > counts.slots)
        crowd.size = (uint32_t)counts.slots - 64;
    for (uint32_t i = 0; i < crowd.size; i++)
        CHECK_EQ(thrum_spawn(&group, sleep_in_a_crowd, &crowd), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&crowd.awake), crowd.size);
    return 0;
}

TEST(a_million_tasks_sleep_at_once) /* fewer where memory or a sanitizer says so */
{
    run_on(2, sleep_together, NULL);
}

/* ---- Beats ---- */

static int beat(void *arg)
{
    thrum_timer timer = thrum_timer_every(THRUM_MS(2));
    thrum_time start = timer.next - timer.period;
    int64_t beats = 0;
    (void)arg;
    for (int i = 0; i < 10; i++) {
        if (i == 5)
            CHECK_EQ(thrum_sleep(THRUM_MS(7)), 0); /* work for more than a period */
        int passed = thrum_timer_wait(&timer);
        CHECK_GE(passed, i == 5 ? 3 : 1);
        beats += passed;
        CHECK_GE(thrum_now(), start + beats * THRUM_MS(2));
        CHECK_EQ(timer.next, start + (beats + 1) * THRUM_MS(2));
    }
    timer = thrum_timer_every(0); /* as short as can be */
    CHECK_GE(thrum_timer_wait(&timer), 1);
    timer = thrum_timer_every(-5);
    CHECK_GE(thrum_timer_wait(&timer), 1);
    return 0;
}

TEST(a_beat_keeps_to_multiples_of_its_period)
{
    CHECK_EQ(beat(NULL), 0);
    run_on_each_count(beat);
}

/* ---- Calls ---- */

static uint32_t timers_armed(void)
{
    const thrum_runtime *runtime = thrum_runtime_current();
    uint32_t count = 0;
    for (uint32_t i = 0; i < th_runtime_made(runtime); i++) {
        struct th_timers *timers = &runtime->workers[i]->timers;
        th_lock_take(&timers->lock);
        count += timers->count;
        th_lock_leave(&timers->lock);
    }
    return count;
}

struct late {
    thrum_time deadline;
    th_atomic32 *count;
};

static int be_called(void *arg)
{
    struct late *late = arg;
    CHECK_GE(thrum_now(), late->deadline);
    CHECK_NE(thrum_self_id(), 0);
    thrum_yield(); /* a call is a task */
    count_up(late->count);
    return 0;
}

static int call_later(void *arg)
{
    enum { CALLS = 200 };
    th_atomic32 count = TH_ATOMIC_INIT(0);
    static struct late late[CALLS];
    thrum_call *calls[CALLS];
    struct th_random random;
    (void)arg;
    th_random_init(&random, kit_seed());
    for (int i = 0; i < CALLS; i++) {
        thrum_time span = th_random_below(&random, 5000000);
        late[i] = (struct late){.deadline = thrum_now() + span, .count = &count};
        CHECK_EQ(i % 2 ? thrum_call_later(&calls[i], span, be_called, &late[i])
                       : thrum_call_at(&calls[i], late[i].deadline, be_called, &late[i]),
                 0);
    }
    count_wait(&count, CALLS);
    for (int i = 0; i < CALLS; i++) {
        if (i % 3)
            thrum_call_drop(calls[i]);
        else
            CHECK(!thrum_call_cancel(calls[i])); /* has been made */
    }
    CHECK_EQ(timers_armed(), 0);
    return 0;
}

TEST(a_call_is_made_once_and_not_before_its_time)
{
    run_on_each_count(call_later);
}

enum { CALLS_AT_ONCE = 100 }; /* more than are taken from the heap at once */

static int calls_made;

static int note_call(void *arg)
{
    CHECK_EQ(*(int *)arg, calls_made++);
    return 0;
}

static int hold_up_calls(void *arg)
{
    static int numbers[CALLS_AT_ONCE];
    thrum_time start = thrum_now();
    (void)arg;
    for (int i = 0; i < CALLS_AT_ONCE; i++) {
        numbers[i] = i;
        CHECK_EQ(thrum_call_at(NULL, start + i, note_call, &numbers[i]), 0);
    }
    while (thrum_now() <= start + CALLS_AT_ONCE)
        ; /* all are due when the worker looks next */
    return thrum_sleep(THRUM_MS(1));
}

TEST(calls_that_are_due_together_are_made_in_the_order_of_their_times)
{
    setenv("THRUM_SLICE_US", "0", 1);
    run_on(1, hold_up_calls, NULL);
    CHECK_EQ(calls_made, CALLS_AT_ONCE);
}

static int fail_if_called(void *arg)
{
    (void)arg;
    FAIL("a cancelled call was made");
}

static int cancel_calls(void *arg)
{
    enum { CALLS = 1000 };
    thrum_call *calls[CALLS];
    (void)arg;
    for (int i = 0; i < CALLS; i++)
        CHECK_EQ(thrum_call_later(&calls[i], THRUM_SEC(1000 + i % 7), fail_if_called, NULL), 0);
    CHECK_EQ(timers_armed(), CALLS);
    for (int i = 0; i < CALLS; i++)
        CHECK(thrum_call_cancel(calls[(i * 7) % CALLS]));
    CHECK_EQ(timers_armed(), 0);
    return 0;
}

TEST(a_cancelled_call_is_gone_at_once)
{
    run_on_each_count(cancel_calls);
}

struct contest {
    thrum_call *calls[64];
    th_atomic32 made;
    uint32_t cancelled;
    th_atomic32 is_over;
};

static void *cancel_from_thread(void *arg)
{
    struct contest *contest = arg;
    for (size_t i = 0; i < TH_COUNT_OF(contest->calls); i++)
        contest->cancelled += thrum_call_cancel(contest->calls[i]);
    flag_set(&contest->is_over);
    return NULL;
}

static int cancel_against_firing(void *arg)
{
    (void)arg;
    for (int round = 0; round < fewer(100, 10); round++) {
        struct contest contest = {.is_over = TH_ATOMIC_INIT(0)};
        for (size_t i = 0; i < TH_COUNT_OF(contest.calls); i++)
            CHECK_EQ(thrum_call_later(&contest.calls[i], THRUM_US(i), count_me, &contest.made), 0);
        pthread_t thread = start_thread(cancel_from_thread, &contest);
        flag_wait(&contest.is_over);
        pthread_join(thread, NULL);
        count_wait(&contest.made, (uint32_t)TH_COUNT_OF(contest.calls) - contest.cancelled);
        CHECK_EQ(count_of(&contest.made) + contest.cancelled, TH_COUNT_OF(contest.calls));
        CHECK_EQ(timers_armed(), 0);
    }
    return 0;
}

TEST(a_cancel_against_firing_has_one_winner)
{
    run_on_each_count(cancel_against_firing);
}

/* ---- Calls and the end ---- */

static thrum_call *kept;

static int leave_calls(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_call_later(NULL, THRUM_SEC(1000), fail_if_called, NULL), 0);
    CHECK_EQ(thrum_call_later(&kept, THRUM_SEC(1000), fail_if_called, NULL), 0);
    return 0;
}

static int leave_a_made_call(void *arg)
{
    th_atomic32 count = TH_ATOMIC_INIT(0);
    (void)arg;
    CHECK_EQ(thrum_call_later(&kept, 0, count_me, &count), 0);
    count_wait(&count, 1);
    return 0;
}

TEST(calls_that_are_left_are_dropped_and_their_handles_stay_good)
{
    FOR_EACH_WORKER_COUNT(workers)
    {
        run_on(workers, leave_calls, NULL);
        CHECK(!thrum_call_cancel(kept));
        run_on(workers, leave_a_made_call, NULL);
        CHECK(!thrum_call_cancel(kept));
        run_on(workers, leave_calls, NULL);
        thrum_call_drop(kept);
    }
}

static th_atomic32 made_at_the_end;

static int sleep_and_count(void *arg)
{
    int code = thrum_sleep(THRUM_US(20));
    CHECK(code == 0 || code == -ECANCELED);
    count_up(arg);
    return 0;
}

static int end_while_calls_fire(void *arg)
{
    struct th_random *random = arg;
    for (int i = 0; i < 30; i++)
        CHECK_EQ(thrum_call_later(NULL, th_random_below(random, 100000), sleep_and_count, &made_at_the_end), 0);
    return thrum_sleep(th_random_below(random, 100000));
}

TEST(calls_that_fire_while_the_runtime_ends_are_made_or_dropped)
{
    struct th_random random;
    th_random_init(&random, kit_seed());
    for (int i = 0; i < fewer(2000, 50); i++)
        run_on(1 + (unsigned)i % 4, end_while_calls_fire, &random);
}

TEST(calls_want_a_task)
{
    thrum_call *call;
    CHECK_EQ(thrum_call_later(&call, 0, return_zero, NULL), -EPERM);
    CHECK_EQ(thrum_call_at(NULL, 0, return_zero, NULL), -EPERM);
}
