/* Ctrl-C: the first cancels, the second ends the program. */
#include <signal.h>

#include "task/harness.h"

static int signal_to_raise = SIGINT;

/* Not kill: see test_io_select.c. */
static void interrupt(void)
{
    CHECK_EQ(raise(signal_to_raise), 0);
}

static int interrupt_and_wait(void *arg)
{
    (void)arg;
    interrupt();
    CHECK_EQ(thrum_sleep(THRUM_FOREVER), -ECANCELED);
    CHECK_EQ(thrum_cancel_reason(), THRUM_CANCEL_USER);
    return -ECANCELED;
}

static bool is_default(int signo)
{
    struct sigaction now;
    CHECK_EQ(sigaction(signo, NULL, &now), 0);
    return now.sa_handler == SIG_DFL;
}

/* A shell that runs tests in the background has them ignore SIGINT. */
static void ask_for_nothing(void)
{
    (void)signal(SIGINT, SIG_DFL);
    (void)signal(SIGTERM, SIG_DFL);
}

static void run_interrupted(void *arg)
{
    thrum_options options = {.workers = *(const unsigned *)arg};
    ask_for_nothing();
    /* Again in the next runtime. */
    for (int i = 0; i < 3; i++) {
        signal_to_raise = i == 0 ? SIGTERM : SIGINT;
        CHECK_EQ(thrum_run_with(&options, interrupt_and_wait, NULL), -ECANCELED);
        CHECK(is_default(SIGINT) && is_default(SIGTERM));
    }
}

TEST(the_first_interrupt_cancels_all_tasks)
{
    struct kit_outcome outcome;
    FOR_EACH_WORKER_COUNT(workers)
    {
        kit_in_child(run_interrupted, &workers, &outcome);
        CHECK_STR_EQ(outcome.errors, "");
        CHECK_EQ(outcome.signo, 0);
        CHECK_EQ(outcome.exit_code, 0);
    }
}

static int interrupt_twice(void *arg)
{
    (void)interrupt_and_wait(arg);
    interrupt();
    return 0;
}

static void run_interrupted_twice(void *arg)
{
    (void)arg;
    ask_for_nothing();
    run_on(2, interrupt_twice, NULL);
}

TEST(the_second_interrupt_ends_the_program)
{
    struct kit_outcome outcome;
    kit_in_child(run_interrupted_twice, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGINT);
}

static int catch_it(void *arg)
{
    (void)arg;
    CHECK_EQ(thrum_signal_catch(SIGINT), 0);
    return 0;
}

/* What was put aside for a task's wait comes back when the runtime it belonged to is gone. */
static void run_interrupted_behind_the_end(void *arg)
{
    (void)arg;
    ask_for_nothing();
    run_on(2, catch_it, NULL);
    thrum_signal_release(SIGINT);
    interrupt();
}

TEST(an_interrupt_behind_the_end_ends_the_program)
{
    struct kit_outcome outcome;
    if (kit_is_valgrind())
        SKIP("Valgrind runs handlers on an alternate stack that was given up");
    kit_in_child(run_interrupted_behind_the_end, NULL, &outcome);
    CHECK_EQ(outcome.signo, SIGINT);
}

static th_atomic32 heard;

static void hear(int signo)
{
    (void)signo;
    count_up(&heard);
}

static int interrupt_and_go_on(void *arg)
{
    (void)arg;
    interrupt();
    CHECK_EQ(thrum_sleep(THRUM_US(100)), 0);
    CHECK(!thrum_cancelled());
    return 0;
}

TEST(an_interrupt_is_the_programs_own_where_it_has_a_handler)
{
    struct sigaction now;
    (void)signal(SIGINT, hear);
    run_on_each_count(interrupt_and_go_on);
    CHECK_EQ(count_of(&heard), count_worker_counts());
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    CHECK(now.sa_handler == hear);
}
