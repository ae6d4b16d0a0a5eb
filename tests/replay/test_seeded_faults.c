/* Faults that the seed chooses. */
#include "replay/races.h"

#include "sched/seeded.h"

#include <fcntl.h>
#include <sys/socket.h>

enum { ROUNDS = 32, WORD_BYTES = 4 };

/* Which of the rounds failed, a bit each. */
static uint32_t failed;

static int read_words(void *arg)
{
    int fds[2];
    char word[WORD_BYTES] = "abc";
    (void)arg;
    failed = 0;
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_EQ(thrum_write(fds[0], word, WORD_BYTES), WORD_BYTES);
        if (thrum_read(fds[1], word, WORD_BYTES) != WORD_BYTES)
            failed |= 1u << i;
        (void)thrum_recv(fds[1], word, WORD_BYTES, MSG_DONTWAIT); /* what is left of it */
    }
    CHECK_EQ(thrum_close(fds[0]), 0);
    return thrum_close(fds[1]);
}

static struct th_ledger run_with_faults(uint64_t seed, const char *plan, thrum_fn main_task)
{
    thrum_options options = {.seed = seed};
    CHECK_EQ(setenv("THRUM_FAULTS", plan, 1), 0);
    CHECK_EQ(thrum_run_with(&options, main_task, NULL), 0);
    CHECK_EQ(unsetenv("THRUM_FAULTS"), 0);
    return *th_seeded_ledger;
}

TEST(a_seed_makes_the_same_calls_fail_each_time)
{
    uint32_t seen[8];
    for (uint64_t seed = 1; seed <= TH_COUNT_OF(seen); seed++) {
        struct th_ledger first = run_with_faults(seed, "recv:%20:EIO", read_words);
        seen[seed - 1] = failed;
        struct th_ledger again = run_with_faults(seed, "recv:%20:EIO", read_words);
        CHECK_EQ(failed, seen[seed - 1]);
        CHECK_EQ(first.events, again.events);
        CHECK_EQ(first.hash, again.hash);
        for (uint64_t other = 1; other < seed; other++)
            CHECK_NE(seen[other - 1], seen[seed - 1]);
    }
}

TEST(a_fault_is_an_event_of_its_own)
{
    struct th_ledger without = run_with_faults(2, "", read_words);
    CHECK_EQ(failed, 0);
    struct th_ledger with = run_with_faults(2, "recv:3:EIO", read_words);
    CHECK_EQ(failed, 2);
    CHECK_NE(with.hash, without.hash);
}

TEST(when_a_run_is_over_nothing_fails_any_more)
{
    (void)run_with_faults(1, "recv:*:EIO", return_zero);
    run_on(1, read_words, NULL);
    CHECK_EQ(failed, 0);
}

static void run_in_child(void *plan)
{
    thrum_options options = {.seed = 3};
    CHECK_EQ(setenv("THRUM_FAULTS", plan, 1), 0);
    CHECK_EQ(thrum_run_with(&options, return_zero, NULL), -EINVAL);
}

TEST(a_bad_plan_is_no_run)
{
    struct kit_outcome outcome;
    char plan[] = "recv:%20:ENOTHING";
    CHECK_EQ(unsetenv("THRUM_FAULTS"), 0);
    kit_in_child(run_in_child, plan, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "bad rule `recv:%20:ENOTHING`");
}

/* ---- The trace ---- */

static void read_trace(const char *path, char *to, size_t capacity)
{
    int fd = open(path, O_RDONLY);
    CHECK_GE(fd, 0);
    ssize_t length = read(fd, to, capacity - 1);
    CHECK_GT(length, 0);
    to[length] = '\0';
    CHECK_EQ(close(fd), 0);
    CHECK_EQ(unlink(path), 0);
}

TEST(a_trace_names_faults_and_has_none_itself)
{
    static char text[1 << 16];
    char path[] = "/tmp/thrum-trace-XXXXXX";
    struct th_ledger untold = run_with_faults(4, "write:%50:EIO,recv:5:ECONNRESET", read_words);
    CHECK_EQ(close(mkstemp(path)), 0);
    CHECK_EQ(setenv("THRUM_SEED_TRACE", path, 1), 0);
    struct th_ledger told = run_with_faults(4, "write:%50:EIO,recv:5:ECONNRESET", read_words);
    read_trace(path, text, sizeof text);
    CHECK_STR_HAS(text, "\nfault recv -104\n");
    CHECK_EQ(told.events, untold.events);
    CHECK_EQ(told.hash, untold.hash);
}

/* ---- Exploring ---- */

/* The mistake: a read may give less than was asked for. */
static int trust_a_read(void *arg)
{
    return read_words(arg) < 0 || failed != 0 ? -EIO : 0;
}

TEST(a_mistake_that_only_a_short_read_shows_is_found)
{
    thrum_explored found;
    thrum_explore_options options = {.runs = 20, .is_quiet = true, .faults = "recv:%2:short=1"};
    if (kit_is_valgrind() || kit_is_emulated())
        SKIP("no pidfd_open here");
    CHECK_EQ(thrum_explore(trust_a_read, NULL, &options, &found), 1);
    CHECK_EQ(found.result, -EIO);
    CHECK(found.is_replayed);
    options.faults = NULL;
    CHECK_EQ(thrum_explore(trust_a_read, NULL, &options, &found), 0);
}

static void explore_badly(void *arg)
{
    thrum_explore_options options = {.faults = arg};
    CHECK_EQ(thrum_explore(return_zero, NULL, &options, NULL), -EINVAL);
}

TEST(exploring_with_a_bad_plan_is_refused_once)
{
    struct kit_outcome outcome;
    char plan[] = "recv";
    kit_in_child(explore_badly, plan, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_EQ(lines_of(outcome.errors), 1);
    CHECK_STR_HAS(outcome.errors, "bad rule `recv`");
}
