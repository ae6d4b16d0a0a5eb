/* Signals, waited for in tasks. */
#include <signal.h>

#include "io/pairs.h"

static int wait_for_one(void *arg)
{
    th_atomic32 *taken = arg;
    int count = thrum_signal_wait(SIGUSR1);
    CHECK_GE(count, 1);
    (void)th_atomic32_add_acqrel(taken, (uint32_t)count);
    return 0;
}

static int waits(void *arg)
{
    th_atomic32 taken = TH_ATOMIC_INIT(0);
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    CHECK_EQ(thrum_signal_catch(SIGUSR1), 0);
    /* One before anybody waits is not lost. */
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(wait_for_one(&taken), 0);
    CHECK_EQ(count_of(&taken), 1);
    for (uint32_t i = 1; i <= 20; i++) {
        CHECK_EQ(thrum_spawn(&group, wait_for_one, &taken), 0);
        if (i % 2 == 0)
            thrum_yield();
        CHECK_EQ(raise(SIGUSR1), 0); /* not kill: see test_io_select.c */
        CHECK_EQ(thrum_group_wait(&group), 0);
        CHECK_EQ(count_of(&taken), 1 + i);
    }
    THRUM_TIMEOUT(THRUM_MS(1))
    CHECK_EQ(thrum_signal_wait(SIGUSR1), -ETIMEDOUT);
    return 0;
}

TEST(a_signal_wakes_a_task_and_none_is_lost)
{
    run_on_each_count(waits);
}

TEST(a_thread_waits_for_a_signal_too)
{
    th_atomic32 taken = TH_ATOMIC_INIT(0);
    CHECK_EQ(thrum_signal_catch(SIGUSR1), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(wait_for_one(&taken), 0);
    CHECK_EQ(count_of(&taken), 2);
}

TEST(a_released_signal_does_again_what_it_did)
{
    struct sigaction now;
    CHECK_EQ(sigaction(SIGUSR2, &(struct sigaction){.sa_handler = SIG_IGN}, NULL), 0);
    CHECK_EQ(thrum_signal_catch(SIGUSR2), 0);
    CHECK_EQ(raise(SIGUSR2), 0);
    thrum_signal_release(SIGUSR2);
    CHECK_EQ(sigaction(SIGUSR2, NULL, &now), 0);
    CHECK(now.sa_handler == SIG_IGN);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(thrum_signal_catch(SIGUSR2), 0);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(thrum_signal_wait(SIGUSR2), 1);
    thrum_signal_release(SIGUSR2);
    thrum_signal_release(SIGUSR2);
}

TEST(faults_and_what_cannot_be_caught_are_refused)
{
    static const int bad[] = {0, -1, 65, SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    for (size_t i = 0; i < TH_COUNT_OF(bad); i++) {
        CHECK_EQ(thrum_signal_catch(bad[i]), -EINVAL);
        CHECK_EQ(thrum_signal_wait(bad[i]), -EINVAL);
        thrum_signal_release(bad[i]);
    }
    CHECK_EQ(th_fault_plan("eventfd:1:EMFILE"), 0);
    CHECK_EQ(thrum_signal_catch(SIGWINCH), -EMFILE);
    CHECK_EQ(th_fault_plan("sigaction:1:EINVAL"), 0);
    CHECK_EQ(thrum_signal_catch(SIGWINCH), -EINVAL);
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(thrum_signal_catch(SIGWINCH), 0);
    thrum_signal_release(SIGWINCH);
}
