/* File descriptors and signals as cases of a select. */
#include <signal.h>

#include "io/pairs.h"

static int write_a_byte(void *arg)
{
    const struct pair *pair = arg;
    CHECK_EQ(thrum_write(pair->fds[1], "x", 1), 1);
    return 0;
}

static int readable(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int kind = 0; kind < PAIR_KINDS; kind++) {
        struct pair pair = open_pair(kind);
        thrum_case cases[] = {THRUM_READABLE(pair.fds[0]), THRUM_AFTER(THRUM_MS(1)), THRUM_READABLE(-1)};
        CHECK_EQ(thrum_select(cases, 3), 1);
        cases[1] = THRUM_AFTER(THRUM_FOREVER);
        for (int i = 0; i < 20; i++) {
            char byte;
            CHECK_EQ(thrum_spawn(&group, write_a_byte, &pair), 0);
            if (i % 2 == 0)
                thrum_yield();
            CHECK_EQ(thrum_select(cases, 3), 0);
            CHECK_EQ(cases[0].result, 0);
            CHECK_EQ(thrum_read(pair.fds[0], &byte, 1), 1);
            CHECK_EQ(thrum_group_wait(&group), 0);
        }
        /* The end is something to read. */
        CHECK_EQ(thrum_close(pair.fds[1]), 0);
        CHECK_EQ(thrum_select(cases, 3), 0);
        CHECK_EQ(thrum_close(pair.fds[0]), 0);
        CHECK_EQ(thrum_select(cases, 3), 0);
        CHECK_EQ(cases[0].result, -EBADF);
    }
    return 0;
}

TEST(a_select_waits_for_something_to_read)
{
    run_on_each_count(readable);
}

static int drain(void *arg)
{
    const struct pair *pair = arg;
    char *to = malloc(PLENTY);
    ssize_t all = 0, got;
    while ((got = thrum_recv(pair->fds[0], to, PLENTY, MSG_DONTWAIT)) > 0)
        all += got;
    CHECK_GT(all, 0);
    free(to);
    return 0;
}

static int writable(void *arg)
{
    struct pair pair = open_pair(PAIR_UNIX);
    thrum_case cases[] = {THRUM_WRITABLE(pair.fds[1]), THRUM_AFTER(0)};
    thrum_group group = THRUM_GROUP_INIT;
    char bytes[4096] = {0};
    (void)arg;
    CHECK_EQ(thrum_select(cases, 2), 0);
    while (thrum_send(pair.fds[1], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
        continue;
    CHECK_EQ(thrum_select(cases, 2), 1);
    CHECK_EQ(thrum_spawn(&group, drain, &pair), 0);
    cases[1] = THRUM_AFTER(THRUM_FOREVER);
    CHECK_EQ(thrum_select(cases, 2), 0);
    CHECK_EQ(cases[0].result, 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    close_pair(&pair);
    return 0;
}

TEST(a_select_waits_for_room_to_write)
{
    run_on_each_count(writable);
}

static int select_ebadf(void *arg)
{
    const struct pair *pair = arg;
    thrum_case cases[] = {THRUM_READABLE(pair->fds[0]), THRUM_WRITABLE(-1)};
    CHECK_EQ(thrum_select(cases, 2), 0);
    CHECK_EQ(cases[0].result, -EBADF);
    return 0;
}

static int closed_meanwhile(void *arg)
{
    struct pair pair = open_pair(PAIR_PIPE);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, select_ebadf, &pair), 0);
    wait_for_waiters(pair.fds[0], 1);
    CHECK_EQ(thrum_close(pair.fds[0]), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(fcntl(pair.fds[0], F_GETFD), -1); /* and the select has let go of it */
    return thrum_close(pair.fds[1]);
}

TEST(a_close_ends_a_select_with_ebadf)
{
    run_on_each_count(closed_meanwhile);
}

/* Descriptors and a channel, all busy: exactly one takes effect each time, nothing is lost. */
enum { ROUNDS_OF_BOTH = 500 };

struct both {
    struct pair pair;
    thrum_chan *chan;
    thrum_event go_on;
};

static int send_items(void *arg)
{
    const struct both *both = arg;
    for (int i = 0; i < ROUNDS_OF_BOTH; i++)
        CHECK_EQ(thrum_chan_send(both->chan, &i), 0);
    return 0;
}

static int send_bytes(void *arg)
{
    const struct both *both = arg;
    for (int i = 0; i < ROUNDS_OF_BOTH; i++)
        CHECK_EQ(thrum_write(both->pair.fds[1], "x", 1), 1);
    return 0;
}

static int takes_from_both(void *arg)
{
    struct both both = {.pair = open_pair(PAIR_UNIX)};
    thrum_group group = THRUM_GROUP_INIT;
    int item, items = 0, bytes = 0;
    char byte;
    (void)arg;
    CHECK_EQ(thrum_chan_create(&both.chan, sizeof item, 0), 0);
    CHECK_EQ(thrum_spawn(&group, send_items, &both), 0);
    CHECK_EQ(thrum_spawn(&group, send_bytes, &both), 0);
    thrum_case cases[] = {THRUM_RECEIVE(both.chan, &item), THRUM_READABLE(both.pair.fds[0])};
    while (items + bytes < 2 * ROUNDS_OF_BOTH) {
        if (thrum_select(cases, 2) == 0) {
            CHECK_EQ(item, items++);
        } else {
            CHECK_EQ(thrum_recv(both.pair.fds[0], &byte, 1, MSG_DONTWAIT), 1);
            bytes++;
        }
    }
    CHECK_EQ(items, ROUNDS_OF_BOTH);
    CHECK_EQ(thrum_group_wait(&group), 0);
    thrum_chan_destroy(both.chan);
    close_pair(&both.pair);
    return 0;
}

TEST(a_select_takes_from_a_channel_and_a_socket)
{
    run_on_each_count(takes_from_both);
}

static int raise_it(void *arg)
{
    (void)arg;
    /* Not kill: ThreadSanitizer holds a handler back while its thread sleeps in a system call that it does not know. */
    CHECK_EQ(raise(SIGUSR1), 0);
    return 0;
}

static int a_signal(void *arg)
{
    thrum_case cases[] = {THRUM_AFTER(0), THRUM_SIGNAL(SIGUSR1)};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_select(cases, 2), 0);
    cases[0] = THRUM_AFTER(THRUM_FOREVER);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(thrum_spawn(&group, raise_it, NULL), 0);
        if (i % 2 == 0)
            thrum_yield();
        CHECK_EQ(thrum_select(cases, 2), 1);
        CHECK_EQ(cases[1].result, 1);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    thrum_case bad[] = {THRUM_SIGNAL(SIGKILL)};
    CHECK_EQ(thrum_select(bad, 1), 0);
    CHECK_EQ(bad[0].result, -EINVAL);
    return 0;
}

TEST(a_select_waits_for_a_signal)
{
    run_on_each_count(a_signal);
}

static int without_memory(void *arg)
{
    struct pair *pair = arg;
    thrum_case cases[] = {THRUM_READABLE(pair->fds[0])};
    CHECK_EQ(thrum_select(cases, 1), 0);
    CHECK(cases[0].result == -ENOMEM || cases[0].result == -EMFILE);
    return 0;
}

TEST(a_select_that_cannot_wait_for_a_file_says_why)
{
    static const char *const plans[] = {"epoll_ctl:2:ENOMEM", "epoll_create:1:EMFILE", "poll:2:ENOMEM"};
    for (size_t i = 0; i < TH_COUNT_OF(plans); i++) {
        struct pair pair = open_pair(PAIR_PIPE);
        CHECK_EQ(th_fault_plan(plans[i]), 0);
        run_on(1, without_memory, &pair);
        CHECK_EQ(th_fault_plan(NULL), 0);
        close_pair(&pair);
    }
}

TEST(a_thread_selects_what_is_ready_at_once)
{
    struct pair pair = open_pair(PAIR_PIPE);
    thrum_case cases[] = {THRUM_READABLE(pair.fds[0])};
    CHECK_EQ(thrum_select(cases, 1), 0);
    CHECK_EQ(cases[0].result, -EPERM);
    CHECK_EQ(write(pair.fds[1], "x", 1), 1);
    CHECK_EQ(thrum_select(cases, 1), 0);
    CHECK_EQ(cases[0].result, 0);
    close_pair(&pair);
}
