/* Ctrl-C: the first cancels, the second ends the program. */
#include <signal.h>

#include "task/harness.h"

/* ThreadSanitizer hands a signal on when the thread makes a call that it knows. */
static void interrupt(void)
{
    CHECK_EQ(raise(SIGINT), 0);
    (void)usleep(1);
}

static int interrupt_and_wait(void *arg)
{
    (void)arg;
    interrupt();
    CHECK_EQ(thrum_sleep(THRUM_FOREVER), -ECANCELED);
    CHECK_EQ(thrum_cancel_reason(), THRUM_CANCEL_USER);
    return -ECANCELED;
}

static void run_interrupted(void *arg)
{
    thrum_options options = {.workers = *(const unsigned *)arg};
    (void)signal(SIGINT, SIG_DFL);
    /* Again in the next runtime. */
    for (int i = 0; i < 3; i++)
        CHECK_EQ(thrum_run_with(&options, interrupt_and_wait, NULL), -ECANCELED);
    struct sigaction now;
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_DFL);
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
    (void)signal(SIGINT, SIG_DFL);
    run_on(2, interrupt_twice, NULL);
}

TEST(the_second_interrupt_ends_the_program)
{
    struct kit_outcome outcome;
    kit_in_child(run_interrupted_twice, NULL, &outcome);
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
    CHECK_EQ(count_of(&heard), TH_COUNT_OF(worker_counts));
    CHECK_EQ(sigaction(SIGINT, NULL, &now), 0);
    CHECK(now.sa_handler == hear);
}
