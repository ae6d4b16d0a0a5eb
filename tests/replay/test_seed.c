/* Runs with a seed: the same each time, on a clock of their own. */
#include "replay/programs.h"

#include "sched/worker.h"

#include <fcntl.h>

/* ---- The same again ---- */

static struct th_ledger run_with_seed(uint64_t seed, thrum_fn main_task, int wanted)
{
    thrum_options options = {.seed = seed};
    CHECK_EQ(thrum_run_with(&options, main_task, NULL), wanted);
    return *th_seeded_ledger;
}

static bool is_same(struct th_ledger a, struct th_ledger b)
{
    return a.events == b.events && a.hash == b.hash;
}

TEST(a_seed_replays_its_run_event_for_event)
{
    uint64_t seeds = (uint64_t)fewer(24, 4);
    for (size_t i = 0; i < program_count; i++) {
        for (uint64_t seed = 1; seed <= seeds; seed++) {
            struct th_ledger first = run_with_seed(seed, programs[i].main_task, 0);
            struct th_ledger again = run_with_seed(seed, programs[i].main_task, 0);
            CHECK_GT(first.events, 0);
            if (!is_same(first, again))
                FAIL("%s, seed %lu: %lu events, then %lu", programs[i].name, seed, first.events, again.events);
        }
    }
}

TEST(other_seeds_are_other_runs)
{
    enum { SEEDS = 16 };
    struct th_ledger seen[SEEDS];
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        seen[seed - 1] = run_with_seed(seed, programs[0].main_task, 0);
        for (uint64_t other = 1; other < seed; other++)
            CHECK(!is_same(seen[other - 1], seen[seed - 1]));
    }
}

/* Somebody else's choice: by a generator that knows nothing of the seed. */
static int choose_by_oneself(void *arg)
{
    thrum_yield();
    th_random_init(&th_worker_of(th_fiber_self())->random, kit_seed() + (uintptr_t)arg);
    return programs[0].main_task(NULL);
}

static int choose_otherwise(void *arg)
{
    (void)arg;
    return choose_by_oneself((void *)1);
}

TEST(a_choice_that_is_not_the_seeds_is_noticed)
{
    struct th_ledger first = run_with_seed(1, choose_by_oneself, 0);
    CHECK(is_same(first, run_with_seed(1, choose_by_oneself, 0)));
    CHECK(!is_same(first, run_with_seed(1, choose_otherwise, 0)));
}

static size_t read_whole(const char *path, char *to, size_t capacity)
{
    int fd = open(path, O_RDONLY);
    CHECK_GE(fd, 0);
    ssize_t length = read(fd, to, capacity);
    CHECK_GT(length, 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink(path), 0);
    return (size_t)length;
}

TEST(traces_of_a_seed_are_equal)
{
    static char traces[2][1 << 16];
    char path[] = "/tmp/thrum-trace-XXXXXX";
    size_t lengths[2];
    int fd = mkstemp(path);
    CHECK_GE(fd, 0);
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(setenv("THRUM_SEED_TRACE", path, 1), 0);
    for (int i = 0; i < 2; i++) {
        (void)run_with_seed(7, programs[0].main_task, 0);
        lengths[i] = read_whole(path, traces[i], sizeof traces[i] - 1);
    }
    CHECK_EQ(lengths[0], lengths[1]);
    CHECK_EQ(memcmp(traces[0], traces[1], lengths[0]), 0);
    CHECK_STR_HAS(traces[0], "ready 0\npick 0 of 1\n");
}

/* ---- What is chosen ---- */

static int note_order(void *arg)
{
    char *order = *(char **)arg;
    order[strlen(order)] = (char)('0' + thrum_self_id() % 10);
    return 0;
}

static int run_three(void *arg)
{
    char *order = arg;
    thrum_group group = THRUM_GROUP_INIT;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_spawn_copy(&group, note_order, &order, sizeof order), 0);
    return thrum_group_wait(&group);
}

TEST(three_tasks_run_in_each_of_the_six_orders)
{
    char seen[6][8] = {{0}};
    size_t count = 0;
    for (uint64_t seed = 1; seed <= 400 && count < 6; seed++) {
        char order[8] = {0};
        thrum_options options = {.seed = seed};
        CHECK_EQ(thrum_run_with(&options, run_three, order), 0);
        /* Numbers go on from run to run: what counts is how they lie. */
        char shape[8] = {(char)('0' + (order[0] > order[1])), (char)('0' + (order[0] > order[2])),
                         (char)('0' + (order[1] > order[2]))};
        size_t at = 0;
        while (at < count && strcmp(seen[at], shape) != 0)
            at++;
        if (at == count)
            strcpy(seen[count++], shape);
    }
    CHECK_EQ(count, 6);
}

static int select_one_of_two(void *arg)
{
    thrum_chan *chans[2];
    int item = 1;
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(thrum_chan_create(&chans[i], sizeof item, 1), 0);
        CHECK_EQ(thrum_chan_send(chans[i], &item), 0);
    }
    thrum_case cases[] = {THRUM_RECEIVE(chans[0], &item), THRUM_RECEIVE(chans[1], &item)};
    *(int *)arg |= 1 << thrum_select(cases, 2);
    for (int i = 0; i < 2; i++)
        thrum_chan_destroy(chans[i]);
    return 0;
}

TEST(a_select_takes_either_case_under_some_seed)
{
    int taken = 0;
    for (uint64_t seed = 1; seed <= 100 && taken != 3; seed++) {
        thrum_options options = {.seed = seed};
        CHECK_EQ(thrum_run_with(&options, select_one_of_two, &taken), 0);
    }
    CHECK_EQ(taken, 3);
}

/* ---- Time ---- */

static int sleep_a_year(void *arg)
{
    thrum_time began = thrum_now(), year = THRUM_SEC(365 * 24 * 3600);
    (void)arg;
    CHECK_EQ(thrum_sleep(year), 0);
    CHECK_GE(thrum_now(), began + year);
    return 0;
}

TEST(a_sleep_of_a_year_is_over_at_once)
{
    (void)run_with_seed(1, sleep_a_year, 0);
}

static int spin_until_later(void *arg)
{
    thrum_time until = thrum_now() + THRUM_MS(1);
    (void)arg;
    while (thrum_now() < until)
        continue;
    return 0;
}

TEST(who_spins_until_a_time_gets_there)
{
    (void)run_with_seed(1, spin_until_later, 0);
}

static int look_at_clock(void *arg)
{
    *(thrum_time *)arg = thrum_now();
    return 0;
}

TEST(the_clock_is_the_runs_own_and_ends_with_it)
{
    thrum_time inside[2], before = thrum_now();
    thrum_options options = {.seed = 3};
    for (int i = 0; i < 2; i++)
        CHECK_EQ(thrum_run_with(&options, look_at_clock, &inside[i]), 0);
    CHECK_EQ(inside[0], inside[1]);
    CHECK_GE(thrum_now(), before);
}

/* ---- What has a thread elsewhere ---- */

static int wait_aside(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_blocking(return_value, (void *)5), 5);
    CHECK_EQ(thrum_nomigrate_begin(), 0);
    thrum_yield();
    thrum_nomigrate_end();
    CHECK_EQ(thrum_workers(), 1);
    return 0;
}

TEST(there_is_one_thread_and_what_blocks_runs_there)
{
    thrum_options options = {.workers = 4, .seed = 2};
    CHECK_EQ(thrum_run_with(&options, wait_aside, NULL), 0);
}

static void *run_beside(void *arg)
{
    thrum_options options = {.seed = *(uint64_t *)arg, .workers = 1};
    CHECK_EQ(thrum_run_with(&options, return_zero, NULL), -EBUSY);
    return NULL;
}

static int run_others_beside(void *arg)
{
    for (uint64_t seed = 0; seed <= *(uint64_t *)arg; seed++)
        CHECK_EQ(pthread_join(start_thread(run_beside, &seed), NULL), 0);
    return 0;
}

static void try_two_runs(void *arg)
{
    uint64_t seed = 1;
    (void)arg;
    thrum_options options = {.seed = seed};
    CHECK_EQ(thrum_run_with(&options, run_others_beside, &seed), 0);
    CHECK_EQ(thrum_run(return_zero, NULL), 0);
}

TEST(a_run_with_a_seed_is_alone_in_its_process)
{
    struct kit_outcome outcome;
    kit_in_child(try_two_runs, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_EQ(lines_of(outcome.errors), 2);
    CHECK_STR_HAS(outcome.errors, "one clock in a process");
}

/* ---- What is said ---- */

struct attempt {
    const char *seed;
    thrum_fn main_task;
    int wanted;
};

static void make_attempt(void *arg)
{
    const struct attempt *attempt = arg;
    CHECK_EQ(setenv("THRUM_SEED", attempt->seed, 1), 0);
    CHECK_EQ(thrum_run(attempt->main_task, NULL), attempt->wanted);
}

static void check_attempt(struct attempt attempt, const char *line)
{
    struct kit_outcome outcome;
    kit_in_child(make_attempt, &attempt, &outcome);
    CHECK_STR_HAS(outcome.errors, line);
}

TEST(a_bad_seed_is_named)
{
    check_attempt((struct attempt){"0", return_zero, -EINVAL}, "thrum: THRUM_SEED=0: want a whole number from 1 to ");
    check_attempt((struct attempt){"seven", return_zero, -EINVAL}, "thrum: THRUM_SEED=seven: want a whole number");
    check_attempt((struct attempt){"", return_zero, 0}, "");
}

static int fail(void *arg)
{
    (void)arg;
    return -EIO;
}

static int give_up_a_group(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0);
    return 0; /* a panic: it was not waited for */
}

TEST(a_failure_says_how_to_have_it_again)
{
    check_attempt((struct attempt){"17", fail, -EIO}, "thrum: the same run again: THRUM_SEED=17 ");
    check_attempt((struct attempt){"18", give_up_a_group, 0}, "thrum: the same run again: THRUM_SEED=18 ");
}

static int wait_for_never(void *arg)
{
    (void)arg;
    thrum_future never = THRUM_FUTURE_INIT;
    CHECK_EQ(thrum_future_wait(&never, NULL), -ECANCELED);
    return 0;
}

TEST(a_deadlock_is_told_with_its_seed)
{
    if (TH_TSAN || kit_is_emulated())
        SKIP("the process has a thread that is not the runtime's");
    check_attempt((struct attempt){"19", wait_for_never, -EDEADLK}, "deadlock: all tasks wait");
    check_attempt((struct attempt){"19", wait_for_never, -EDEADLK}, "THRUM_SEED=19 ");
}
