/* thrum_trace: what the workers did, in its order; while they go on, and when much more was done than is kept. */
#include "observe/written.h"

#include <fcntl.h>
#include <signal.h>

static void record_all(void)
{
    CHECK_EQ(setenv("THRUM_DEBUG", "events", 1), 0);
}

/* The text behind the next place of `part`, from `at` on. */
static const char *next(const char *at, const char *part)
{
    CHECK_STR_HAS(at, part);
    return strstr(at, part) + strlen(part);
}

static int count_in_text(const char *part)
{
    int count = 0;
    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        count++;
    return count;
}

/* ---- What is said ---- */

struct table {
    thrum_semaphore to, fro;
};

static int answer(void *arg)
{
    struct table *table = arg;
    int code = thrum_semaphore_acquire(&table->to);
    thrum_semaphore_release(&table->fro);
    return code;
}

static int play(void *arg)
{
    (void)arg;
    struct table table = {THRUM_SEMAPHORE_INIT(0), THRUM_SEMAPHORE_INIT(0)};
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, answer, &table), 0);
    /* It begins, and waits; is woken, and ends. */
    thrum_yield();
    thrum_semaphore_release(&table.to);
    CHECK_EQ(thrum_semaphore_acquire(&table.fro), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return text_of(thrum_trace);
}

TEST(a_trace_tells_who_ran_when_and_why_they_stopped)
{
    record_all();
    run_on(1, play, NULL);
    const char *at = next(text, "\"name\":\"process_name\",\"args\":{\"name\":\"thrum runtime 0\"}");
    at = next(at, "\"name\":\"thread_name\",\"args\":{\"name\":\"worker 0\"}");
    at = next(at, "\"ph\":\"s\"");
    at = next(at, "\"name\":\"main\"");
    at = next(at, "\"then\":\"yielded\"");
    at = next(at, "\"name\":\"answer\"");
    at = next(at, "\"then\":\"waits for semaphore\"");
    at = next(at, "\"name\":\"main\"");
    at = next(at, "\"then\":\"waits for semaphore\"");
    at = next(at, "\"name\":\"answer\"");
    at = next(at, "\"then\":\"ended\"");
    (void)next(at, "\"name\":\"main\"");
    /* Arrows: to main, to the other, to it again, and back. */
    CHECK_EQ(count_in_text("\"ph\":\"s\""), 4);
    CHECK_EQ(count_in_text("\"ph\":\"f\""), 5); /* one for the yield, which nobody ended */
}

static int run_in_place(void *arg)
{
    (void)arg;
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return text_of(thrum_trace);
}

TEST(a_trace_has_tasks_that_ran_on_top_of_who_waits_for_them)
{
    record_all();
    run_on(1, run_in_place, NULL);
    const char *at = next(text, "\"name\":\"return_zero\"");
    (void)next(at, "\"name\":\"main\"");
    CHECK_EQ(count_in_text("\"name\":\"main\""), 1);
}

static int sleep_until_that_is_seen(void *arg)
{
    (void)arg;
    /* A thread that is held up finds its time over before it has slept: once more then. */
    do {
        CHECK_EQ(thrum_sleep(THRUM_MS(1)), 0);
        CHECK_EQ(text_of(thrum_trace), 0);
    } while (!text_has("\"name\":\"asleep\"") || !text_has("\"name\":\"timers fired\"") ||
             !text_has("\"name\":\"main\""));
    return 0;
}

TEST(what_is_rare_is_always_recorded)
{
    run_on(1, sleep_until_that_is_seen, NULL);
    CHECK_EQ(count_in_text("\"ph\":\"s\""), 0);
}

/* ---- More than is kept ---- */

enum { KEPT_OF_ALL = 1 << 15 };

static int yield_often(void *arg)
{
    int64_t *left = arg;
    while ((*left)-- > 0)
        thrum_yield();
    return 0;
}

static int last_words(void *arg)
{
    int64_t often[] = {KEPT_OF_ALL / 2, KEPT_OF_ALL / 2};
    (void)arg;
    thrum_group group = THRUM_GROUP_INIT;
    CHECK_EQ(thrum_spawn(&group, yield_often, &often[0]), 0);
    CHECK_EQ(thrum_spawn(&group, yield_often, &often[1]), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(thrum_spawn(&group, return_zero, NULL), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    return text_of(thrum_trace);
}

TEST(a_full_ring_has_the_last_events)
{
    record_all();
    run_on(1, last_words, NULL);
    CHECK_STR_HAS(text, "\"name\":\"return_zero\"");
    CHECK_GT(lines_of(text), 100);
    CHECK_LE(lines_of(text), KEPT_OF_ALL + 16);
}

static int into_nothing(int fd)
{
    (void)fd;
    int null = open("/dev/null", O_WRONLY);
    int code = thrum_trace(null);
    CHECK_EQ(close(null), 0);
    return code;
}

static void *trace_until_told(void *arg)
{
    do
        CHECK_EQ(into_nothing(-1), 0);
    while (!flag_is_set(arg));
    return NULL;
}

static int churn(void *arg)
{
    (void)arg;
    for (int round = fewer(50, 5); round > 0; round--) {
        thrum_group group = THRUM_GROUP_INIT;
        th_atomic32 done = TH_ATOMIC_INIT(0);
        for (int i = 0; i < 200; i++)
            CHECK_EQ(thrum_spawn(&group, yield_and_count_me, &done), 0);
        CHECK_EQ(thrum_group_wait(&group), 0);
    }
    return 0;
}

TEST(traces_are_written_while_workers_record_and_runtimes_come_and_go)
{
    record_all();
    th_atomic32 is_over = TH_ATOMIC_INIT(0);
    pthread_t writer = start_thread(trace_until_told, &is_over);
    run_on_each_count(churn);
    flag_set(&is_over);
    CHECK_EQ(pthread_join(writer, NULL), 0);
}

TEST(a_trace_says_what_could_not_be_written)
{
    CHECK_EQ(thrum_trace(-1), -EBADF);
}

/* ---- Into a file ---- */

static void skip_without_python(void)
{
    struct kit_outcome outcome;
    kit_command((const char *const[]){"python3", "-c", "import json", NULL}, &outcome);
    if (outcome.exit_code != 0)
        SKIP("no python3");
}

static const char *file_of_mine(void)
{
    static char path[64];
    (void)snprintf(path, sizeof path, "trace-of-test-%d.json", (int)getpid());
    return path;
}

static void check_command(const char *const argv[])
{
    struct kit_outcome outcome;
    kit_command(argv, &outcome);
    CHECK_STR_EQ(outcome.errors, "");
    CHECK_EQ(outcome.exit_code, 0);
}

/* Whether the file is a whole trace, and has slices with this name, if one is given. */
static void check_file(const char *path, const char *name)
{
    check_command((const char *const[]){TRACE_IS_WHOLE, path, name, NULL});
    CHECK_EQ(unlink(path), 0);
}

TEST(a_trace_of_a_run_is_in_a_file_at_its_end)
{
    skip_without_python();
    const char *path = file_of_mine();
    CHECK_EQ(setenv("THRUM_TRACE", path, 1), 0);
    run_on(2, churn, NULL);
    check_file(path, "yield_and_count_me");
}

static int unlock_too_often(void *arg)
{
    (void)arg;
    thrum_mutex mutex = THRUM_MUTEX_INIT;
    thrum_yield();
    thrum_mutex_unlock(&mutex);
    return 0;
}

static void panic_traced(void *path)
{
    CHECK_EQ(setenv("THRUM_TRACE", path, 1), 0);
    run_on(1, unlock_too_often, NULL);
}

TEST(a_panic_leaves_a_trace)
{
    skip_without_python();
    char path[64];
    (void)snprintf(path, sizeof path, "%s", file_of_mine());
    struct kit_outcome outcome;
    kit_in_child(panic_traced, path, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    check_file(path, "main");
}

static int quit_and_go_on(void *arg)
{
    const char *path = ((const char **)arg)[0], *kept = ((const char **)arg)[1];
    CHECK_EQ(raise(SIGQUIT), 0);
    while (rename(path, kept) < 0)
        thrum_yield();
    return 0;
}

static void quit_traced(void *arg)
{
    CHECK_EQ(setenv("THRUM_TRACE", ((char **)arg)[0], 1), 0);
    run_on(1, quit_and_go_on, arg);
}

TEST(sigquit_leaves_a_trace_and_so_does_the_end)
{
    skip_without_python();
    char kept[80];
    const char *paths[] = {file_of_mine(), kept};
    (void)snprintf(kept, sizeof kept, "%s.kept", paths[0]);
    struct kit_outcome outcome;
    kit_in_child(quit_traced, paths, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    check_file(kept, "main");
    check_file(paths[0], "main");
}

TEST(a_picture_is_drawn_of_a_trace)
{
    skip_without_python();
    static const char draw[] = "python3 \"$0\" \"$1\" >\"$1.svg\" && grep -q '<title>answer ' \"$1.svg\" &&"
                               " python3 -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' \"$1.svg\"";
    const char *path = file_of_mine();
    char picture[80];
    (void)snprintf(picture, sizeof picture, "%s.svg", path);
    CHECK_EQ(setenv("THRUM_TRACE", path, 1), 0);
    run_on(1, play, NULL);
    check_command((const char *const[]){"sh", "-c", draw, TRACE_PICTURE, path, NULL});
    CHECK_EQ(unlink(picture), 0);
    check_file(path, "answer");
}

/* ---- Whole, also while everything goes on and rings are full ---- */

struct turmoil {
    th_atomic32 is_full, is_over;
};

static int go_round_and_round(void *arg)
{
    struct turmoil *turmoil = arg;
    CHECK_EQ(last_words(NULL), 0);
    flag_set(&turmoil->is_full);
    while (!flag_is_set(&turmoil->is_over))
        CHECK_EQ(churn(NULL), 0);
    return 0;
}

static void *keep_traces(void *arg)
{
    struct turmoil *turmoil = arg;
    const char *path = file_of_mine();
    flag_wait(&turmoil->is_full);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK_EQ(thrum_trace(fd), 0);
    CHECK_EQ(close(fd), 0);
    check_file(path, NULL);
    flag_set(&turmoil->is_over);
    return NULL;
}

static void keep_traces_of_a_turmoil(void)
{
    struct turmoil turmoil = {TH_ATOMIC_INIT(0), TH_ATOMIC_INIT(0)};
    pthread_t keeper = start_thread(keep_traces, &turmoil);
    run_on(2, go_round_and_round, &turmoil);
    CHECK_EQ(pthread_join(keeper, NULL), 0);
}

TEST(a_trace_is_whole_while_workers_record_and_rings_are_full)
{
    skip_without_python();
    keep_traces_of_a_turmoil();
    record_all();
    keep_traces_of_a_turmoil();
}
