#include "replay/races.h"

static int spawn_two(thrum_fn first, thrum_fn second, void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, first, arg), 0);
    CHECK_EQ(thrum_spawn(&group, second, arg), 0);
    return thrum_group_wait(&group);
}

/* ---- An update lost over a yield ---- */

struct account {
    thrum_mutex mutex;
    bool is_locked;
    int balance;
};

static int deposit(void *arg)
{
    struct account *account = arg;
    int code = account->is_locked ? thrum_mutex_lock(&account->mutex) : 0;
    int before = account->balance;
    thrum_yield();
    account->balance = before + 1;
    if (account->is_locked)
        thrum_mutex_unlock(&account->mutex);
    return code;
}

static int deposit_twice(struct account account)
{
    int code = spawn_two(deposit, deposit, &account);
    return code != 0 ? code : account.balance == 2 ? 0 : -EIO;
}

static int lose_an_update(void *arg)
{
    (void)arg;
    return deposit_twice((struct account){.balance = 0});
}

static int keep_both_updates(void *arg)
{
    (void)arg;
    return deposit_twice((struct account){.is_locked = true});
}

/* ---- Two locks in two orders ---- */

struct locks {
    thrum_mutex first, second;
};

static int lock_both(thrum_mutex *first, thrum_mutex *second)
{
    int code = thrum_mutex_lock(first);
    if (code < 0)
        return code;
    code = thrum_mutex_lock(second);
    if (code == 0)
        thrum_mutex_unlock(second);
    thrum_mutex_unlock(first);
    return code;
}

static int lock_forwards(void *arg)
{
    struct locks *locks = arg;
    return lock_both(&locks->first, &locks->second);
}

static int lock_backwards(void *arg)
{
    struct locks *locks = arg;
    return lock_both(&locks->second, &locks->first);
}

static int lock_in_two_orders(void *arg)
{
    struct locks locks = {.first = THRUM_MUTEX_INIT, .second = THRUM_MUTEX_INIT};
    (void)arg;
    return spawn_two(lock_forwards, lock_backwards, &locks);
}

static int lock_in_one_order(void *arg)
{
    struct locks locks = {.first = THRUM_MUTEX_INIT, .second = THRUM_MUTEX_INIT};
    (void)arg;
    return spawn_two(lock_forwards, lock_forwards, &locks);
}

/* ---- A wake that comes before the wait ---- */

struct signal {
    thrum_mutex mutex;
    thrum_cond changed;
    bool is_set, is_looked_at;
};

static int await_signal(void *arg)
{
    struct signal *signal = arg;
    int code = thrum_mutex_lock(&signal->mutex);
    if (code < 0)
        return code;
    if (!signal->is_looked_at)
        code = thrum_cond_wait(&signal->changed, &signal->mutex);
    while (code == 0 && !signal->is_set)
        code = thrum_cond_wait(&signal->changed, &signal->mutex);
    thrum_mutex_unlock(&signal->mutex);
    return code;
}

static int await_if_not_set(void *arg)
{
    struct signal *signal = arg;
    signal->is_looked_at = true;
    return await_signal(arg);
}

static int give_signal(void *arg)
{
    struct signal *signal = arg;
    int code = thrum_mutex_lock(&signal->mutex);
    if (code < 0)
        return code;
    signal->is_set = true;
    thrum_cond_signal(&signal->changed);
    thrum_mutex_unlock(&signal->mutex);
    return 0;
}

static int miss_a_wake(void *arg)
{
    struct signal signal = {.mutex = THRUM_MUTEX_INIT, .changed = THRUM_COND_INIT};
    (void)arg;
    return spawn_two(await_signal, give_signal, &signal);
}

static int see_the_wake(void *arg)
{
    struct signal signal = {.mutex = THRUM_MUTEX_INIT, .changed = THRUM_COND_INIT};
    (void)arg;
    return spawn_two(await_if_not_set, give_signal, &signal);
}

/* ---- A mistake that takes two overtakings: a task between the steps of another, which is between its own ---- */

struct plan {
    thrum_event unused;
    int made, used;
    bool is_careful;
};

static int make_in_two_steps(void *arg)
{
    struct plan *plan = arg;
    if (plan->is_careful)
        plan->used = 0;
    plan->made = 1;
    thrum_event_set(&plan->unused);
    plan->made = 2;
    thrum_event_clear(&plan->unused);
    return 0;
}

static int use_between(void *arg)
{
    struct plan *plan = arg;
    int seen = plan->made;
    thrum_event_set(&plan->unused);
    int later = plan->made;
    return !plan->is_careful && seen == 0 && later == 1 ? -EIO : 0;
}

static int be_overtaken_twice(void *arg)
{
    struct plan plan = {.unused = THRUM_EVENT_INIT};
    (void)arg;
    return spawn_two(make_in_two_steps, use_between, &plan);
}

static int mind_being_overtaken(void *arg)
{
    struct plan plan = {.unused = THRUM_EVENT_INIT, .is_careful = true};
    (void)arg;
    return spawn_two(make_in_two_steps, use_between, &plan);
}

/* ---- A spawned task that begins before its spawner is ready for it ---- */

static int use_argument(void *arg)
{
    return *(int *)arg == 1 ? 0 : -EIO;
}

static int spawn_too_early(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    int value = 0;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, use_argument, &value), 0);
    value = 1;
    return thrum_group_wait(&group);
}

static int spawn_in_time(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    int value = 1;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, use_argument, &value), 0);
    return thrum_group_wait(&group);
}

const struct race races[] = {
    {"an update lost over a yield", lose_an_update, keep_both_updates, 20, 20, false},
    {"two locks in two orders", lock_in_two_orders, lock_in_one_order, 20, 50, true},
    {"a wake before the wait", miss_a_wake, see_the_wake, 20, 20, true},
    {"a task that begins too early", spawn_too_early, spawn_in_time, 20, 20, false},
    {"two overtakings", be_overtaken_twice, mind_being_overtaken, 200, 0, false},
};
const size_t race_count = TH_COUNT_OF(races);
const struct race *const deepest_race = &races[TH_COUNT_OF(races) - 1];
