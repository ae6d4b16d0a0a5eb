/* Child processes: started, talked to, waited for, killed. */
#include <signal.h>
#include <sys/wait.h>

#include "io/pairs.h"

#define COMMAND(...) ((const char *const[]){__VA_ARGS__, NULL})

static void need_pidfds(void)
{
    if (kit_is_valgrind() || kit_is_emulated())
        SKIP("it knows no pidfd, or starts no other program");
}

static int run(const char *const arguments[])
{
    int status = -1;
    CHECK_EQ(thrum_process_run(arguments, NULL, &status), 0);
    return status;
}

static int statuses(void *arg)
{
    (void)arg;
    CHECK_EQ(WEXITSTATUS(run(COMMAND("true"))), 0);
    CHECK_EQ(WEXITSTATUS(run(COMMAND("sh", "-c", "exit 7"))), 7);
    int status = run(COMMAND("sh", "-c", "kill -9 $$"));
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGKILL);
    /* Ignored here, but not in a program of its own. */
    CHECK_EQ(signal(SIGPIPE, SIG_IGN) == SIG_ERR, false);
    CHECK_EQ(WTERMSIG(run(COMMAND("sh", "-c", "kill -PIPE $$"))), SIGPIPE);
    thrum_process none;
    CHECK_EQ(thrum_process_start(&none, COMMAND("/nowhere/at/all"), NULL), -ENOENT);
    CHECK_EQ(thrum_process_start(&none, COMMAND("/etc/passwd"), NULL), -EACCES);
    return 0;
}

TEST(a_program_runs_and_its_status_is_told)
{
    need_pidfds();
    run_on_each_count(statuses);
    CHECK_EQ(statuses(NULL), 0);
}

/* What a command writes, by its output. */
static void expect_output(const char *const arguments[], const thrum_process_options *given, const char *wanted)
{
    thrum_process_options options = *given;
    thrum_process process;
    char text[512] = {0};
    int status = -1;
    options.output = THRUM_PROCESS_PIPE;
    CHECK_EQ(thrum_process_start(&process, arguments, &options), 0);
    CHECK_GE(thrum_read_full(process.output, text, sizeof text - 1), 0);
    CHECK_EQ(thrum_close(process.output), 0);
    CHECK_EQ(thrum_process_wait(&process, &status), 0);
    CHECK_EQ(status, 0);
    CHECK_STR_EQ(text, wanted);
    CHECK_EQ(thrum_process_wait(&process, &status), -ECHILD);
    CHECK_EQ(thrum_process_kill(&process, SIGTERM), -ESRCH);
}

static int surroundings(void *arg)
{
    const char *const environment[] = {"PATH=/usr/bin:/bin", "SHADE=green", NULL};
    (void)arg;
    expect_output(COMMAND("sh", "-c", "echo $SHADE"), &(thrum_process_options){.environment = environment}, "green\n");
    expect_output(COMMAND("pwd"), &(thrum_process_options){.directory = "/usr"}, "/usr\n");
    expect_output(COMMAND("cat"), &(thrum_process_options){.input = THRUM_PROCESS_NULL}, "");
    return 0;
}

TEST(a_program_has_the_surroundings_that_were_asked_for)
{
    need_pidfds();
    run_on(2, surroundings, NULL);
}

static int both_ways(void *arg)
{
    thrum_process_options options = {.input = THRUM_PROCESS_PIPE, .output = THRUM_PROCESS_PIPE};
    thrum_process cat;
    enum { BYTES = 1 << 18 };
    char *from = random_bytes(BYTES), *to = malloc(BYTES);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_process_start(&cat, COMMAND("cat"), &options), 0);
    struct sink sink = {.fd = cat.output, .to = to, .bytes = BYTES};
    CHECK_EQ(thrum_spawn(&group, read_everything, &sink), 0);
    CHECK_EQ(thrum_write_all(cat.input, from, BYTES), BYTES);
    CHECK_EQ(thrum_close(cat.input), 0);
    CHECK_EQ(thrum_group_wait(&group), 0);
    CHECK_EQ(memcmp(from, to, BYTES), 0);
    CHECK_EQ(thrum_close(cat.output), 0);
    CHECK_EQ(thrum_process_wait(&cat, NULL), 0);
    free(from);
    free(to);
    return 0;
}

TEST(bytes_go_through_a_program_and_back)
{
    need_pidfds();
    run_on_each_count(both_ways);
}

static int killed_when_late(void *arg)
{
    int status = 0;
    thrum_process process;
    (void)arg;
    THRUM_TIMEOUT(THRUM_MS(5))
    CHECK_EQ(thrum_process_run(COMMAND("sleep", "1000"), NULL, NULL), -ETIMEDOUT);
    CHECK_EQ(thrum_process_start(&process, COMMAND("sleep", "1000"), NULL), 0);
    THRUM_TIMEOUT(THRUM_MS(5))
    CHECK_EQ(thrum_process_wait(&process, &status), -ETIMEDOUT);
    CHECK_EQ(thrum_process_kill(&process, SIGTERM), 0);
    CHECK_EQ(thrum_process_wait(&process, &status), 0);
    CHECK_EQ(WTERMSIG(status), SIGTERM);
    /* One that will not hear. */
    thrum_process_options options = {.output = THRUM_PROCESS_PIPE};
    CHECK_EQ(thrum_process_start(&process, COMMAND("sh", "-c", "trap '' TERM; echo deaf; exec sleep 1000"), &options),
             0);
    char word[5];
    CHECK_EQ(thrum_read_full(process.output, word, sizeof word), 5);
    CHECK_EQ(thrum_process_end(&process, THRUM_MS(5), &status), 0);
    CHECK_EQ(WTERMSIG(status), SIGKILL);
    CHECK_EQ(thrum_close(process.output), 0);
    return 0;
}

TEST(a_program_that_takes_too_long_is_killed)
{
    need_pidfds();
    run_on_each_count(killed_when_late);
}

static int run_and_report(void *arg)
{
    int *result = arg;
    *result = thrum_process_run(COMMAND("sleep", "1000"), NULL, NULL);
    return *result;
}

static int killed_when_cancelled(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    int result = 0;
    (void)arg;
    CHECK_EQ(thrum_spawn(&group, run_and_report, &result), 0);
    thrum_yield();
    CHECK_EQ(thrum_sleep(THRUM_MS(2)), 0);
    thrum_cancel(&group);
    CHECK_EQ(thrum_group_wait(&group), -ECANCELED);
    CHECK_EQ(result, -ECANCELED);
    CHECK_EQ(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
    return 0;
}

TEST(a_cancel_kills_the_program_that_is_waited_for)
{
    need_pidfds();
    run_on_each_count(killed_when_cancelled);
}

static int may_fail(void *arg)
{
    thrum_process_options options = {
        .input = THRUM_PROCESS_PIPE, .output = THRUM_PROCESS_PIPE, .errors = THRUM_PROCESS_NULL};
    thrum_process process;
    (void)arg;
    if (thrum_process_start(&process, COMMAND("cat"), &options) < 0)
        return 0;
    CHECK_EQ(thrum_close(process.input), 0);
    CHECK_EQ(thrum_close(process.output), 0);
    while (thrum_process_wait(&process, NULL) == -ENOMEM)
        continue;
    return 0;
}

TEST(each_call_of_a_start_may_fail_and_leaves_nothing_behind)
{
    need_pidfds();
    static const char *const plans[] = {"pipe:%d:EMFILE",   "open:%d:EMFILE",       "spawn:%d:EAGAIN",
                                        "spawn:%d:ENOMEM",  "pidfd_open:%d:EMFILE", "pidfd_open:%d:ENOMEM",
                                        "waitid:%d:ECHILD", "poll:%d:ENOMEM"};
    run_on(2, may_fail, NULL);
    int open = count_open_files();
    for (size_t i = 0; i < TH_COUNT_OF(plans); i++) {
        for (int n = 1; n <= 2; n++) {
            char plan[64];
            snprintf(plan, sizeof plan, plans[i], n);
            CHECK_EQ(th_fault_plan(plan), 0);
            run_on(2, may_fail, NULL);
            CHECK_EQ(th_fault_plan(NULL), 0);
            CHECK_EQ(count_open_files(), open);
            while (waitpid(-1, NULL, 0) > 0) /* whose end the plan has made us miss */
                continue;
        }
    }
}
