/* sched/wait: each row of the wait word's table, and one winner of many. */
#include "kit/kit.h"
#include "sched/wait.h"

#include <pthread.h>
#include <sched.h>

static struct th_task task;

TEST(a_wake_before_the_park_is_remembered)
{
    uint32_t epoch = th_wait_begin(&task);
    CHECK_EQ(th_wait_win(&task, epoch, TH_WAKE_TIMER), TH_WAIT_EARLY);
    CHECK(!th_wait_commit(&task)); /* it does not sleep */
    CHECK_EQ(th_wait_reason(&task), TH_WAKE_TIMER);
}

TEST(a_wake_after_the_park_is_the_winners_to_carry_out)
{
    uint32_t epoch = th_wait_begin(&task);
    CHECK(th_wait_commit(&task));
    CHECK_EQ(th_wait_win(&task, epoch, TH_WAKE_CLOSE), TH_WAIT_ITS_WAKE);
    CHECK_EQ(th_wait_win(&task, epoch, TH_WAKE_CANCEL), TH_WAIT_LOST);
    CHECK_EQ(th_wait_reason(&task), TH_WAKE_CLOSE);
}

TEST(a_wake_for_an_earlier_or_a_later_wait_is_lost)
{
    uint32_t first = th_wait_begin(&task);
    CHECK_EQ(th_wait_win(&task, first, TH_WAKE_PLAIN), TH_WAIT_EARLY);
    uint32_t second = th_wait_begin(&task);
    CHECK_NE(first, second);
    CHECK_EQ(th_wait_win(&task, first, TH_WAKE_PLAIN), TH_WAIT_LOST);
    CHECK_EQ(th_wait_win(&task, second + 1, TH_WAKE_PLAIN), TH_WAIT_LOST);
    CHECK(th_wait_commit(&task));
    CHECK_EQ(th_wait_win(&task, first, TH_WAKE_PLAIN), TH_WAIT_LOST);
    CHECK_EQ(th_wait_win(&task, second, TH_WAKE_PLAIN), TH_WAIT_ITS_WAKE);
}

TEST(an_abandoned_wait_can_not_be_won)
{
    uint32_t epoch = th_wait_begin(&task);
    th_wait_abandon(&task);
    CHECK_EQ(th_wait_win(&task, epoch, TH_WAKE_PLAIN), TH_WAIT_LOST);
    CHECK_EQ(th_wait_begin(&task), epoch + 1);
}

TEST(epochs_run_over_without_harm)
{
    th_atomic64_store_relaxed(&task.wait, th_wait_word(UINT32_MAX, 0, TH_WAIT_IDLE));
    uint32_t epoch = th_wait_begin(&task);
    CHECK_EQ(epoch, 0);
    CHECK(th_wait_commit(&task));
    CHECK_EQ(th_wait_win(&task, epoch, TH_WAKE_PLAIN), TH_WAIT_ITS_WAKE);
}

/* ---- Many at once ---- */

enum { WINNERS = 4 };
static const int rounds = 20000;
static th_atomic32 round_now, done, its_wakes, early;

static void *try_to_win(void *arg)
{
    (void)arg;
    for (uint32_t round = 1; round <= (uint32_t)rounds; round++) {
        while (th_atomic32_load_acquire(&round_now) < round)
            sched_yield();
        switch (th_wait_win(&task, round, TH_WAKE_PLAIN)) {
        case TH_WAIT_ITS_WAKE:
            (void)th_atomic32_add_relaxed(&its_wakes, 1);
            break;
        case TH_WAIT_EARLY:
            (void)th_atomic32_add_relaxed(&early, 1);
            break;
        case TH_WAIT_LOST:
            break;
        }
        (void)th_atomic32_add_acqrel(&done, 1);
    }
    return NULL;
}

TEST(of_many_who_try_one_wins)
{
    pthread_t threads[WINNERS];
    th_atomic64_store_relaxed(&task.wait, 0);
    for (int i = 0; i < WINNERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, try_to_win, NULL), 0);
    uint32_t asleep = 0, awake = 0;
    for (int round = 1; round <= rounds; round++) {
        uint32_t epoch = th_wait_begin(&task);
        CHECK_EQ(epoch, round);
        th_atomic32_store_release(&round_now, epoch);
        if (th_wait_commit(&task))
            asleep++;
        else
            awake++;
        while (th_atomic32_load_acquire(&done) < (uint32_t)round * WINNERS)
            sched_yield();
        CHECK_EQ(th_atomic32_load_relaxed(&its_wakes), asleep);
        CHECK_EQ(th_atomic32_load_relaxed(&early), awake);
    }
    for (int i = 0; i < WINNERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}
