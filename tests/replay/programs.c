#include "replay/programs.h"

#include <sys/socket.h>

enum { TASKS = 5, ROUNDS = 4 };

/* ---- Tasks and groups ---- */

static int yield_some(void *arg)
{
    for (intptr_t left = (intptr_t)arg; left > 0; left--)
        thrum_yield();
    return 0;
}

static int spawn_and_yield(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (intptr_t i = 0; i < TASKS; i++)
        CHECK_EQ(thrum_spawn(&group, yield_some, (void *)i), 0);
    return thrum_group_wait(&group);
}

static int spawn_a_tree(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 2 && depth > 0; i++)
        CHECK_EQ(thrum_spawn(&group, spawn_a_tree, (void *)(depth - 1)), 0);
    return thrum_group_wait(&group);
}

static int grow_a_tree(void *arg)
{
    (void)arg;
    return spawn_a_tree((void *)4);
}

static int join_handles(void *arg)
{
    thrum_task *tasks[TASKS];
    int result;
    (void)arg;
    for (intptr_t i = 0; i < TASKS; i++)
        CHECK_EQ(thrum_task_start(&tasks[i], NULL, NULL, yield_some, (void *)i), 0);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(thrum_join(tasks[i], &result), 0);
    return 0;
}

/* ---- Cancels and deadlines ---- */

static int sleep_long(void *arg)
{
    (void)arg;
    return thrum_sleep(THRUM_SEC(3600));
}

static int cancel_sleepers(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(thrum_spawn(&group, sleep_long, NULL), 0);
    CHECK_EQ(thrum_sleep(THRUM_MS(3)), 0);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    return 0;
}

static int miss_deadlines(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++)
        THRUM_TIMEOUT(THRUM_MS(i + 1))
        {
            CHECK_EQ(thrum_sleep(THRUM_SEC(1)), -ETIMEDOUT);
        }
    return 0;
}

static int leave_tasks_behind(void *arg)
{
    (void)arg;
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(thrum_spawn(NULL, sleep_long, NULL), 0);
    return thrum_sleep(THRUM_MS(1));
}

/* ---- Channels and select ---- */

static int send_some(void *arg)
{
    thrum_chan *chan = arg;
    for (int i = 0; i < ROUNDS; i++)
        CHECK_EQ(thrum_chan_send(chan, &i), 0);
    return 0;
}

static int pass_items(void *arg)
{
    thrum_chan *chan;
    thrum_group group = THRUM_GROUP_INIT;
    int item;
    (void)arg;
    CHECK_EQ(thrum_chan_create(&chan, sizeof item, 1), 0);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(thrum_spawn(&group, send_some, chan), 0);
    for (int i = 0; i < TASKS * ROUNDS; i++)
        CHECK_EQ(thrum_chan_receive(chan, &item), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_chan_destroy(chan);
    return 0;
}

static int select_items(void *arg)
{
    thrum_chan *chans[2];
    thrum_group group = THRUM_GROUP_INIT;
    int items[2], received = 0;
    (void)arg;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(thrum_chan_create(&chans[i], sizeof items[i], 2), 0);
        CHECK_EQ(thrum_spawn(&group, send_some, chans[i]), 0);
    }
    while (received < 2 * ROUNDS) {
        thrum_case cases[] = {THRUM_RECEIVE(chans[0], &items[0]), THRUM_RECEIVE(chans[1], &items[1]),
                              THRUM_AFTER(THRUM_US(1))};
        received += thrum_select(cases, 3) < 2;
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    for (int i = 0; i < 2; i++)
        thrum_chan_destroy(chans[i]);
    return 0;
}

/* ---- Locks and their kin ---- */

struct shared {
    thrum_mutex mutex;
    thrum_cond changed;
    thrum_semaphore few;
    thrum_rwlock rwlock;
    thrum_event begun;
    int value;
};

static int use_locks(void *arg)
{
    struct shared *shared = arg;
    CHECK_EQ(thrum_event_wait(&shared->begun), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(thrum_semaphore_acquire(&shared->few), 0);
        CHECK_EQ(thrum_mutex_lock(&shared->mutex), 0);
        int seen = shared->value;
        thrum_yield();
        shared->value = seen + 1;
        thrum_cond_signal(&shared->changed);
        thrum_mutex_unlock(&shared->mutex);
        CHECK_EQ(thrum_semaphore_release(&shared->few), 0);
        CHECK_EQ(i % 2 == 0 ? thrum_rwlock_read_lock(&shared->rwlock) : thrum_rwlock_write_lock(&shared->rwlock), 0);
        if (i % 2 == 0)
            thrum_rwlock_read_unlock(&shared->rwlock);
        else
            thrum_rwlock_write_unlock(&shared->rwlock);
    }
    return 0;
}

static int contend(void *arg)
{
    struct shared shared = {.few = THRUM_SEMAPHORE_INIT(2)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(thrum_spawn(&group, use_locks, &shared), 0);
    thrum_event_set(&shared.begun);
    CHECK_EQ(thrum_mutex_lock(&shared.mutex), 0);
    while (shared.value < TASKS * ROUNDS)
        CHECK_EQ(thrum_cond_wait(&shared.changed, &shared.mutex), 0);
    thrum_mutex_unlock(&shared.mutex);
    return thrum_group_wait(&group);
}

/* ---- Time ---- */

static int sleep_a_little(void *arg)
{
    return thrum_sleep(THRUM_US((intptr_t)arg));
}

/* Some of them for the same time. */
static int sleep_in_turn(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    thrum_timer beat = thrum_timer_every(THRUM_US(2));
    (void)arg;
    for (intptr_t i = 0; i < 2 * TASKS; i++)
        CHECK_EQ(thrum_spawn(&group, sleep_a_little, (void *)(1 + i / 2)), 0);
    for (int i = 0; i < ROUNDS; i++)
        CHECK_GE(thrum_timer_wait(&beat), 1);
    return thrum_group_wait(&group);
}

/* ---- Futures ---- */

static int await_future(void *arg)
{
    return thrum_future_wait(arg, NULL);
}

static int set_future(void *arg)
{
    thrum_future future = THRUM_FUTURE_INIT;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(thrum_spawn(&group, await_future, &future), 0);
    CHECK_EQ(thrum_future_set(&future, NULL), 0);
    return thrum_group_wait(&group);
}

/* ---- File descriptors ---- */

static int answer(void *arg)
{
    int fd = *(int *)arg;
    char byte;
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(thrum_read(fd, &byte, 1), 1);
        CHECK_EQ(thrum_write(fd, &byte, 1), 1);
    }
    return 0;
}

static int ask_a_peer(void *arg)
{
    int fds[2];
    char byte = 'x';
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    CHECK_EQ(thrum_spawn(&group, answer, &fds[1]), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(thrum_write(fds[0], &byte, 1), 1);
        CHECK_EQ(thrum_read(fds[0], &byte, 1), 1);
    }
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_close(fds[0]), 0);
    return thrum_close(fds[1]);
}

const struct program programs[] = {
    {"spawn_and_yield", spawn_and_yield},
    {"grow_a_tree", grow_a_tree},
    {"join_handles", join_handles},
    {"cancel_sleepers", cancel_sleepers},
    {"miss_deadlines", miss_deadlines},
    {"leave_tasks_behind", leave_tasks_behind},
    {"pass_items", pass_items},
    {"select_items", select_items},
    {"contend", contend},
    {"sleep_in_turn", sleep_in_turn},
    {"set_future", set_future},
    {"ask_a_peer", ask_a_peer},
};
const size_t program_count = TH_COUNT_OF(programs);
