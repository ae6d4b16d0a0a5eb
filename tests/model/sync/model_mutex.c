/*
 * sync/mutex: one at a time, whoever waits gets it in the end, however waits end, and the last unlock is the last
 * touch.
 *
 * The clock's limits are 0 here, so that an unlocker hands the lock over whenever it looks, and looks every second
 * time; each execution chooses whether the first look comes at once.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

#include <thrum/sync.h>

#include "sync/mutex.h"

static thrum_mutex mutex = THRUM_MUTEX_INIT;
static int inside; /* plain: what the lock guards */
static int taken;

static void set_up(void)
{
    mutex.patience_ = th_model_choose(2);
}

static void be_inside(void)
{
    MODEL_CHECK_EQ(++inside, 1);
    MODEL_CHECK(thrum_mutex_is_mine(&mutex));
    taken++;
    inside--;
}

static void lock_for_sure(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    wait_reuse_stack();
    be_inside();
    thrum_mutex_unlock(&mutex);
}

static void lock_twice(void *arg)
{
    lock_for_sure(arg);
    lock_for_sure(arg);
}

static void lock_firmly(void *arg)
{
    (void)arg;
    th_mutex_lock_firmly(&mutex);
    be_inside();
    thrum_mutex_unlock(&mutex);
}

static void lock_or_be_cancelled(void *arg)
{
    (void)arg;
    int code = thrum_mutex_lock(&mutex);
    wait_reuse_stack();
    MODEL_CHECK(code == 0 || code == -ECANCELED);
    if (code < 0)
        return;
    be_inside();
    thrum_mutex_unlock(&mutex);
}

static void lock_until(void *arg)
{
    int code = thrum_mutex_lock_until(&mutex, (int64_t)(intptr_t)arg);
    wait_reuse_stack();
    MODEL_CHECK(code == 0 || code == -ETIMEDOUT);
    if (code < 0)
        return;
    be_inside();
    thrum_mutex_unlock(&mutex);
}

static void try_lock(void *arg)
{
    (void)arg;
    if (thrum_mutex_try_lock(&mutex) < 0)
        return;
    be_inside();
    thrum_mutex_unlock(&mutex);
}

static void cancel_thread(void *thread)
{
    wait_cancel((int)(intptr_t)thread);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(mutex_two_lock_twice, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    set_up();
    th_model_thread(lock_twice, NULL);
    lock_twice(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(taken, 4);
    MODEL_CHECK_EQ(mutex.word_, 0);
}

MODEL(mutex_three_lock, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    set_up();
    th_model_thread(lock_for_sure, NULL);
    th_model_thread(lock_firmly, NULL);
    lock_for_sure(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(taken, 3);
    MODEL_CHECK_EQ(mutex.word_, 0);
}

/* Handed over, woken and cancelled at once: it goes to the one who waits on, and to nobody twice. */
MODEL(mutex_cancelled_waiter_passes_the_wake_on, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    set_up();
    MODEL_CHECK_EQ(thrum_mutex_try_lock(&mutex), 0);
    int cancelled = th_model_thread(lock_or_be_cancelled, NULL);
    th_model_thread(lock_for_sure, NULL);
    th_model_thread(cancel_thread, (void *)(uintptr_t)cancelled);
    be_inside();
    thrum_mutex_unlock(&mutex);
    th_model_join_all();
    MODEL_CHECK_EQ(mutex.word_, 0);
    MODEL_CHECK(mutex.line_.first_ == NULL);
}

MODEL(mutex_cancel_meets_unlock, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    set_up();
    MODEL_CHECK_EQ(thrum_mutex_try_lock(&mutex), 0);
    int cancelled = th_model_thread(lock_or_be_cancelled, NULL);
    th_model_thread(cancel_thread, (void *)(uintptr_t)cancelled);
    be_inside();
    thrum_mutex_unlock(&mutex);
    lock_for_sure(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(mutex.word_, 0);
}

MODEL(mutex_time_meets_unlock_meets_barging, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    set_up();
    MODEL_CHECK_EQ(thrum_mutex_try_lock(&mutex), 0);
    th_model_thread(lock_until, (void *)1000);
    th_model_thread(try_lock, NULL);
    be_inside();
    thrum_mutex_unlock(&mutex);
    lock_for_sure(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(mutex.word_, 0);
}

/* Whoever comes last gives the memory back: the others' unlocks are over. */
static thrum_mutex *shared;
static int users = 2; /* what it guards */

static void use_and_free(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_mutex_lock(shared), 0);
    bool is_last = --users == 0;
    thrum_mutex_unlock(shared);
    if (is_last)
        th_sys_free(shared);
}

MODEL(mutex_goes_after_the_last_unlock, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    shared = th_sys_alloc(sizeof *shared);
    *shared = (thrum_mutex)THRUM_MUTEX_INIT;
    shared->patience_ = th_model_choose(2);
    th_model_thread(use_and_free, NULL);
    use_and_free(NULL);
}

MODEL_SURVIVES("[A1]", "no stacks are opened while these threads run")
