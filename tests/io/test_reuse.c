/* Numbers that come back: closed and opened again by us, by foreign code, by dup, under the eyes of who waits. */
#include "io/pairs.h"

#include <sys/syscall.h>

/* ---- By us ---- */

enum { SLOTS = 8, ROUNDS_OF_REUSE = 3000 };

struct slot {
    struct th_lock lock;
    int fds[2];
    uint64_t cookie;
};

struct reuse {
    struct slot slots[SLOTS];
    th_atomic32 is_over, wrong, read;
    th_atomic64 cookies;
};

/* Under a number that was another file's a moment ago, too. */
static struct pair open_pair_or_dup(struct th_random *random)
{
    struct pair pair = open_pair(PAIR_UNIX);
    if (th_random_below(random, 4) == 0) {
        int other = thrum_dup(pair.fds[0]);
        CHECK_GE(other, 0);
        CHECK_EQ(thrum_close(pair.fds[0]), 0);
        pair.fds[0] = other;
    }
    return pair;
}

/* A pair with a cookie in it, sometimes; a reader that gets another's cookie has been woken for the wrong file. */
static int open_and_close(void *arg)
{
    struct reuse *reuse = arg;
    struct th_random random;
    th_random_init(&random, kit_seed() ^ thrum_self_id());
    for (int i = kit_rounds(fewer(ROUNDS_OF_REUSE, ROUNDS_OF_REUSE / 10)); i > 0; i--) {
        struct slot *slot = &reuse->slots[th_random_below(&random, SLOTS)];
        struct pair pair = open_pair_or_dup(&random);
        uint64_t cookie = th_atomic64_add_relaxed(&reuse->cookies, 1) + 1;
        th_lock_take(&slot->lock);
        int old[2] = {slot->fds[0], slot->fds[1]};
        slot->fds[0] = pair.fds[0];
        slot->fds[1] = pair.fds[1];
        slot->cookie = cookie;
        th_lock_leave(&slot->lock);
        if (th_random_below(&random, 2) == 0)
            thrum_yield();
        if (old[0] >= 0) {
            CHECK_EQ(thrum_close(old[0]), 0);
            CHECK_EQ(thrum_close(old[1]), 0);
        }
        /* Whoever has taken the pair from the slot may have closed it by now; then another owns the number. So only the
         * slot's owner writes, under the lock that the owner before closed behind. */
        th_lock_take(&slot->lock);
        if (slot->cookie == cookie)
            CHECK_EQ(send(slot->fds[1], &cookie, sizeof cookie, MSG_DONTWAIT), (ssize_t)sizeof cookie);
        th_lock_leave(&slot->lock);
    }
    (void)th_atomic32_add_release(&reuse->is_over, 1);
    return 0;
}

static int read_cookies(void *arg)
{
    struct reuse *reuse = arg;
    struct th_random random;
    th_random_init(&random, kit_seed() ^ thrum_self_id());
    while (count_of(&reuse->is_over) < 2) {
        struct slot *slot = &reuse->slots[th_random_below(&random, SLOTS)];
        th_lock_take(&slot->lock);
        int fd = slot->fds[0];
        uint64_t wanted = slot->cookie, got = 0;
        th_lock_leave(&slot->lock);
        if (fd < 0) {
            thrum_yield();
            continue;
        }
        /* By then the number may be another pair's, whose cookie is newer; an older one is wrong, and so is a wake for
         * nothing. Or a thread of the runtime has a file or a directory there, of which other failures tell. */
        ssize_t bytes = -ETIMEDOUT;
        THRUM_TIMEOUT(THRUM_MS(2))
        bytes = thrum_read(fd, &got, sizeof got);
        if (bytes == (ssize_t)sizeof got && got >= wanted)
            count_up(&reuse->read);
        else if (bytes == (ssize_t)sizeof got || bytes == -EAGAIN)
            count_up(&reuse->wrong);
    }
    return 0;
}

static int reuses_numbers(void *arg)
{
    struct reuse reuse = {.slots = {{.cookie = 0}}};
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    for (int i = 0; i < SLOTS; i++)
        reuse.slots[i].fds[0] = reuse.slots[i].fds[1] = -1;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(thrum_spawn(&group, read_cookies, &reuse), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_spawn(&group, open_and_close, &reuse), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(count_of(&reuse.wrong), 0);
    CHECK_GT(count_of(&reuse.read), 0);
    printf("%u workers: %" PRIu64 " pairs opened and closed, %u cookies read, none of another's\n", thrum_workers(),
           th_atomic64_load_relaxed(&reuse.cookies), count_of(&reuse.read));
    for (int i = 0; i < SLOTS; i++) {
        if (reuse.slots[i].fds[0] >= 0)
            close_pair(&(struct pair){.fds = {reuse.slots[i].fds[0], reuse.slots[i].fds[1]}});
    }
    return 0;
}

TEST(no_reader_is_woken_for_a_number_that_is_anothers_now)
{
    if (TH_TSAN)
        SKIP("a reader with a number that may be another's by now is the race that this sanitizer reports");
    run_on_each_count(reuses_numbers);
}

/* ---- By foreign code ---- */

static int read_byte(void *arg)
{
    struct pair *pair = arg;
    CHECK_EQ(thrum_read(pair->fds[0], &pair->got, 1), 1);
    return 0;
}

static int outlast(void *arg)
{
    const thrum_time *until = arg;
    while (thrum_now() < *until)
        thrum_yield();
    return 0;
}

/* A pause in which another worker than the caller's is the last to go to sleep, in the poll and without end. */
static void fall_asleep(void)
{
    thrum_time until = thrum_now() + 3 * th_poller_sweep_ns;
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(thrum_spawn(&group, outlast, &until), 0);
    CHECK_EQ(thrum_sleep(4 * th_poller_sweep_ns), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
}

/* The library knows the number as registered; plain close and plain socketpair have made it another file. Whoever
 * sleeps in the poll has to be told that there is a wait now that may have to be healed. */
static int a_number_comes_back(void *arg)
{
    struct pair before = open_pair(PAIR_UNIX), now;
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, read_byte, &before), 0);
    wait_for_waiters(before.fds[0], 1);
    CHECK_EQ(thrum_write(before.fds[1], "a", 1), 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(close(before.fds[0]), 0);
    CHECK_EQ(close(before.fds[1]), 0);
    /* A thread of the runtime that reads a file may have the number for a moment. */
    while ((now = open_pair(PAIR_UNIX)).fds[0] != before.fds[0]) {
        CHECK_EQ(close(now.fds[0]), 0);
        CHECK_EQ(close(now.fds[1]), 0);
    }
    fall_asleep();
    CHECK_EQ(thrum_spawn(&group, read_byte, &now), 0);
    wait_for_waiters(now.fds[0], 1);
    CHECK_EQ(write(now.fds[1], "b", 1), 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(now.got, 'b');
    close_pair(&now);
    return 0;
}

TEST(a_registration_that_a_foreign_close_took_away_heals)
{
    th_poller_sweep_ns = THRUM_MS(30);
    run_on_each_count(a_number_comes_back);
}

static int read_ebadf(void *arg)
{
    struct pair *pair = arg;
    CHECK_EQ(thrum_read(pair->fds[0], &pair->got, 1), -EBADF);
    return 0;
}

/* As foreign code closes, behind the back of ThreadSanitizer too: it takes a close for a write to the number, and would
 * call what this test is about a race with the sweep, which asks the kernel about every number that is waited for. */
static void close_in_the_dark(int fd)
{
    CHECK_EQ(syscall(SYS_close, fd), 0);
}

static int closed_under_a_waiter(void *arg)
{
    struct pair pair = open_pair(PAIR_PIPE);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, read_ebadf, &pair), 0);
    wait_for_waiters(pair.fds[0], 1);
    close_in_the_dark(pair.fds[0]);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(close(pair.fds[1]), 0);
    return 0;
}

TEST(who_waits_for_a_number_that_foreign_code_closes_gets_ebadf)
{
    run_on(2, closed_under_a_waiter, NULL);
}

/* Of two numbers of one file one is closed: the other goes on, and events of the first wake nobody. */
static int dup_and_close(void *arg)
{
    struct pair pair = open_pair(PAIR_TCP);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    struct pair other = {.fds = {thrum_dup(pair.fds[0]), pair.fds[1]}};
    CHECK_EQ(fcntl(other.fds[0], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(thrum_spawn(&group, read_ebadf, &pair), 0);
    CHECK_EQ(thrum_spawn(&group, read_byte, &other), 0);
    wait_for_waiters(pair.fds[0], 1);
    wait_for_waiters(other.fds[0], 1);
    CHECK_EQ(thrum_close(pair.fds[0]), 0);
    wait_for_waiters(other.fds[0], 1);
    CHECK_EQ(thrum_write(other.fds[1], "d", 1), 1);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(other.got, 'd');
    close_pair(&other);
    return 0;
}

TEST(of_two_numbers_of_one_file_each_has_its_own_life)
{
    run_on_each_count(dup_and_close);
}

/* ---- Two runtimes ---- */

static void *read_in_a_runtime(void *arg)
{
    /* The fd is the other's too, the byte is not. */
    struct pair own = *(const struct pair *)arg;
    run_on(2, read_byte, &own);
    return NULL;
}

TEST(runtimes_side_by_side_wait_for_one_file_after_the_other)
{
    struct pair pair = open_pair(PAIR_TCP);
    for (int i = 0; i < 20; i++) {
        pthread_t threads[2] = {start_thread(read_in_a_runtime, &pair), start_thread(read_in_a_runtime, &pair)};
        CHECK_EQ(write(pair.fds[1], "xy", 2), 2);
        for (int t = 0; t < 2; t++)
            CHECK_EQ(pthread_join(threads[t], NULL), 0);
    }
    close_pair(&pair);
}
