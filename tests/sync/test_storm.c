/*
 * A storm: tasks that run random programs over all primitives, nested, under deadlines and in shields, while they and
 * their groups are cancelled at random. Nothing is lost: every item that was sent was received or is still there, every
 * lock is free, every permit is back, every task has ended.
 *
 * STORM_CANCELS says how many cancels (tests/storm does it for ten million), KIT_SEED replays the choices.
 */
#include "task/harness.h"

#include <inttypes.h>
#include <stdio.h>

enum { MEMBERS = 12, CONTROLLERS = 3, STEPS = 24, PERMITS = 2, CAPACITY = 3 };

struct storm {
    thrum_chan *buffered, *rendezvous;
    thrum_mutex mutex;
    thrum_semaphore semaphore;
    thrum_event event;
    th_atomic32 inside_mutex, inside_semaphore;
    th_atomic64 sent, sent_sum, received, received_sum, cut;
};

struct member {
    struct storm *storm;
    struct th_random random;
    int depth;
};

static bool was_ended(struct storm *storm, int code)
{
    bool ended = code == -ECANCELED || code == -ETIMEDOUT;
    CHECK(code >= 0 || ended);
    if (ended)
        (void)th_atomic64_add_relaxed(&storm->cut, 1);
    return ended;
}

static void dawdle(struct member *member)
{
    switch (th_random_below(&member->random, 4)) {
    case 0:
        thrum_yield();
        break;
    case 1:
        (void)thrum_sleep(th_random_below(&member->random, 3000));
        break;
    default:
        break;
    }
}

/* ---- One step each: 0, or why the wait ended ---- */

static void note_sent(struct storm *storm, uint64_t item)
{
    (void)th_atomic64_add_relaxed(&storm->sent, 1);
    (void)th_atomic64_add_relaxed(&storm->sent_sum, item);
}

static void note_received(struct storm *storm, uint64_t item)
{
    (void)th_atomic64_add_relaxed(&storm->received, 1);
    (void)th_atomic64_add_relaxed(&storm->received_sum, item);
}

static thrum_chan *some_channel(struct member *member)
{
    struct storm *storm = member->storm;
    return th_random_below(&member->random, 2) != 0 ? storm->buffered : storm->rendezvous;
}

static int send_one(struct member *member)
{
    uint64_t item = th_random_next(&member->random);
    int code = thrum_chan_send(some_channel(member), &item);
    if (code == 0)
        note_sent(member->storm, item);
    return code;
}

static int receive_one(struct member *member)
{
    uint64_t item;
    int code = thrum_chan_receive(some_channel(member), &item);
    if (code == 0)
        note_received(member->storm, item);
    return code;
}

static int select_one(struct member *member)
{
    struct storm *storm = member->storm;
    uint64_t in = 0, out = th_random_next(&member->random);
    thrum_case cases[] = {THRUM_RECEIVE(some_channel(member), &in), THRUM_SEND(some_channel(member), &out),
                          THRUM_EVENT(&storm->event), THRUM_AFTER(th_random_below(&member->random, 20000))};
    int which = thrum_select(cases, TH_COUNT_OF(cases));
    if (which == 0)
        note_received(storm, in);
    else if (which == 1)
        note_sent(storm, out);
    return which < 0 ? which : 0;
}

static int lock_once(struct member *member)
{
    struct storm *storm = member->storm;
    int code = thrum_mutex_lock(&storm->mutex);
    if (code < 0)
        return code;
    CHECK_EQ(th_atomic32_add_relaxed(&storm->inside_mutex, 1), 0);
    dawdle(member);
    CHECK_EQ(th_atomic32_sub_relaxed(&storm->inside_mutex, 1), 1);
    thrum_mutex_unlock(&storm->mutex);
    return 0;
}

static int take_a_permit(struct member *member)
{
    struct storm *storm = member->storm;
    int code = thrum_semaphore_acquire(&storm->semaphore);
    if (code < 0)
        return code;
    CHECK_LT(th_atomic32_add_relaxed(&storm->inside_semaphore, 1), PERMITS);
    dawdle(member);
    CHECK_GT(th_atomic32_sub_relaxed(&storm->inside_semaphore, 1), 0);
    CHECK_EQ(thrum_semaphore_release(&storm->semaphore), 0);
    return 0;
}

static int wait_for_the_event(struct member *member)
{
    struct storm *storm = member->storm;
    if (th_random_below(&member->random, 3) != 0) {
        thrum_event_set(&storm->event);
        return 0;
    }
    thrum_event_clear(&storm->event);
    return thrum_event_wait(&storm->event);
}

static int run_program(void *arg);

static int start_and_join(struct member *member)
{
    struct member child = {.storm = member->storm, .depth = member->depth + 1};
    thrum_group group = THRUM_GROUP_INIT;
    thrum_task *task;
    int result = 0;
    th_random_init(&child.random, th_random_next(&member->random));
    int code = thrum_task_start(&task, &group, NULL, run_program, &child);
    if (code < 0)
        return code;
    dawdle(member);
    if (th_random_below(&member->random, 2) != 0)
        thrum_task_cancel(task);
    code = thrum_join(task, &result);
    if (code < 0)
        thrum_task_drop(task);
    /* The child stands on this stack: whatever has become of us, it ends first. */
    int waited = thrum_group_wait(&group);
    CHECK(waited == 0 || waited == -ECANCELED || waited == -ETIMEDOUT);
    return code;
}

struct promise {
    struct member child;
    thrum_future *future;
};

static int keep_a_promise(void *arg)
{
    struct promise *promise = arg;
    dawdle(&promise->child);
    CHECK_EQ(thrum_future_set_result(promise->future, 0), 0);
    return 0;
}

static int await_a_future(struct member *member)
{
    struct promise promise = {.child = {.storm = member->storm}};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_future_create(&promise.future), 0);
    th_random_init(&promise.child.random, th_random_next(&member->random));
    int code = thrum_spawn(&group, keep_a_promise, &promise);
    if (code == 0) {
        code = thrum_future_wait(promise.future, NULL);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    thrum_future_drop(promise.future);
    return code;
}

static int step(struct member *member)
{
    static int (*const steps[])(struct member *) = {send_one,      receive_one,        select_one,     lock_once,
                                                    take_a_permit, wait_for_the_event, start_and_join, await_a_future};
    uint32_t which = th_random_below(&member->random, TH_COUNT_OF(steps));
    if (steps[which] == start_and_join && member->depth > 1)
        which = 0;
    return steps[which](member);
}

/* A step by itself, under a deadline, or in a shield with a bound. */
static int step_in_a_scope(struct member *member)
{
    thrum_scope scope;
    int code;
    switch (th_random_below(&member->random, 4)) {
    case 0:
        thrum_timeout_begin(&scope, th_random_below(&member->random, 20000));
        code = step(member);
        (void)thrum_scope_end(&scope);
        return code;
    case 1:
        thrum_shield_begin(&scope, th_random_below(&member->random, 20000));
        code = step(member);
        (void)thrum_scope_end(&scope);
        return code;
    default:
        return step(member);
    }
}

static int run_program(void *arg)
{
    struct member *member = arg;
    for (int i = 0; i < STEPS; i++) {
        if (was_ended(member->storm, step_in_a_scope(member)) && thrum_cancelled())
            return -ECANCELED;
    }
    return 0;
}

/* ---- The controllers ---- */

static void check_ledger(struct storm *storm)
{
    uint64_t item, left = 0, sum = 0;
    while (thrum_chan_try_receive(storm->buffered, &item) == 0) {
        left++;
        sum += item;
    }
    CHECK_EQ(thrum_chan_try_receive(storm->rendezvous, &item), -EAGAIN);
    CHECK_EQ(th_atomic64_load_relaxed(&storm->sent), th_atomic64_load_relaxed(&storm->received) + left);
    CHECK_EQ(th_atomic64_load_relaxed(&storm->sent_sum), th_atomic64_load_relaxed(&storm->received_sum) + sum);
    th_atomic64_store_relaxed(&storm->received, th_atomic64_load_relaxed(&storm->sent));
    th_atomic64_store_relaxed(&storm->received_sum, th_atomic64_load_relaxed(&storm->sent_sum));
    CHECK_EQ(thrum_semaphore_value(&storm->semaphore), PERMITS);
    CHECK_EQ(thrum_mutex_try_lock(&storm->mutex), 0);
    thrum_mutex_unlock(&storm->mutex);
}

static int round_of(struct storm *storm, struct th_random *random)
{
    struct member members[MEMBERS];
    thrum_task *tasks[MEMBERS];
    thrum_group group = THRUM_GROUP_INIT;
    int cancels = 0;
    for (int i = 0; i < MEMBERS; i++) {
        members[i] = (struct member){.storm = storm};
        th_random_init(&members[i].random, th_random_next(random));
        CHECK_EQ(thrum_task_start(&tasks[i], &group, NULL, run_program, &members[i]), 0);
    }
    for (int i = 0; i < MEMBERS; i++) {
        if (th_random_below(random, 3) == 0)
            (void)thrum_sleep(th_random_below(random, 20000));
        else if (th_random_below(random, 3) == 0)
            thrum_yield();
        thrum_task_cancel(tasks[th_random_below(random, MEMBERS)]);
        cancels++;
    }
    thrum_cancel(&group);
    for (int i = 0; i < MEMBERS; i++) {
        int result = 0;
        CHECK_EQ(thrum_join(tasks[i], &result), 0);
        CHECK(result == 0 || result == -ECANCELED);
    }
    (void)thrum_group_wait(&group);
    check_ledger(storm);
    return cancels + 1;
}

struct controller {
    uint64_t seed;
    int64_t cancels;
    uint64_t cut;
};

static int control(void *arg)
{
    struct controller *controller = arg;
    struct storm storm = {
        .mutex = THRUM_MUTEX_INIT, .semaphore = THRUM_SEMAPHORE_INIT(PERMITS), .event = THRUM_EVENT_INIT};
    struct th_random random;
    th_random_init(&random, controller->seed);
    CHECK_EQ(thrum_chan_create(&storm.buffered, sizeof(uint64_t), CAPACITY), 0);
    CHECK_EQ(thrum_chan_create(&storm.rendezvous, sizeof(uint64_t), 0), 0);
    while (controller->cancels > 0)
        controller->cancels -= round_of(&storm, &random);
    controller->cut = th_atomic64_load_relaxed(&storm.cut);
    thrum_chan_destroy(storm.buffered);
    thrum_chan_destroy(storm.rendezvous);
    return 0;
}

static int run_storm(void *arg)
{
    const int64_t *cancels = arg;
    struct controller controllers[CONTROLLERS];
    thrum_group group = THRUM_GROUP_INIT;
    uint64_t cut = 0;
    for (int i = 0; i < CONTROLLERS; i++) {
        controllers[i] = (struct controller){.seed = kit_seed() + (uint64_t)i, .cancels = *cancels / CONTROLLERS};
        CHECK_EQ(thrum_spawn(&group, control, &controllers[i]), 0);
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    for (int i = 0; i < CONTROLLERS; i++)
        cut += controllers[i].cut;
    CHECK_GT(cut, 0);
    printf("%u workers: %" PRId64 " cancels, %" PRIu64 " waits cut short\n", thrum_workers(), *cancels, cut);
    return 0;
}

TEST(random_programs_under_random_cancels_lose_nothing)
{
    const char *wanted = getenv("STORM_CANCELS");
    int64_t cancels = wanted != NULL ? atoll(wanted) : fewer(20000, 2000);
    FOR_EACH_WORKER_COUNT(workers)
    run_on(workers, run_storm, &cancels);
}
