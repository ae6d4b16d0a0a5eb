/*
 * sync/cond: no signal that is given after the fact changed is missed, none is lost to a wait that ends otherwise, and
 * who comes back has the mutex.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

#include <thrum/sync.h>

static thrum_mutex mutex = THRUM_MUTEX_INIT;
static thrum_cond cond = THRUM_COND_INIT;
static int items; /* plain, guarded by the mutex */

static void put(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    items++;
    thrum_mutex_unlock(&mutex);
    thrum_cond_signal(&cond);
}

static void put_two(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    items += 2;
    thrum_cond_broadcast(&cond);
    thrum_mutex_unlock(&mutex);
}

static void get(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    while (items == 0) {
        MODEL_CHECK_EQ(thrum_cond_wait(&cond, &mutex), 0);
        wait_reuse_stack();
        MODEL_CHECK(thrum_mutex_is_mine(&mutex));
    }
    items--;
    thrum_mutex_unlock(&mutex);
}

static void get_or_be_cancelled(void *arg)
{
    (void)arg;
    int code = thrum_mutex_lock(&mutex);
    if (code < 0)
        return;
    while (items == 0 && code == 0) {
        code = thrum_cond_wait(&cond, &mutex);
        wait_reuse_stack();
        MODEL_CHECK(code == 0 || code == -ECANCELED);
        MODEL_CHECK(thrum_mutex_is_mine(&mutex));
    }
    if (items > 0) {
        items--;
        /* It may have been cancelled and have taken what another was signalled for: who takes tells. */
        if (items > 0)
            thrum_cond_signal(&cond);
    }
    thrum_mutex_unlock(&mutex);
}

static void cancel_thread(void *thread)
{
    wait_cancel((int)(intptr_t)thread);
}

MODEL(cond_signal_meets_wait, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 2, .stale = 1,
      .spurious = MODEL_NONE)
{
    th_model_thread(put, NULL);
    get(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(items, 0);
}

MODEL(cond_broadcast_reaches_both, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    th_model_thread(get, NULL);
    th_model_thread(put_two, NULL);
    get(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(items, 0);
}

/* One signal, two who wait, one of whom is cancelled: the other gets the item or there is none left. */
MODEL(cond_signal_is_not_lost_to_a_cancelled_wait, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE, .seconds = 20)
{
    int cancelled = th_model_thread(get_or_be_cancelled, NULL);
    th_model_thread(put_two, NULL);
    th_model_thread(cancel_thread, (void *)(intptr_t)cancelled);
    get(NULL);
    th_model_join_all();
    MODEL_CHECK(items == 0 || items == 1);
}

/* Of two that wait one is cancelled while one is signalled: the signal ends a wait, whichever. */
static th_atomic32 waiting, signalled;

static void wait_for_a_signal(void *arg)
{
    (void)arg;
    if (thrum_mutex_lock(&mutex) < 0)
        return;
    (void)th_atomic32_add_release(&waiting, 1);
    if (thrum_cond_wait(&cond, &mutex) == 0)
        th_atomic32_store_relaxed(&signalled, 1);
    thrum_mutex_unlock(&mutex);
}

MODEL(cond_signal_goes_to_the_one_that_waits_on, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    int cancelled = th_model_thread(wait_for_a_signal, NULL);
    int other = th_model_thread(wait_for_a_signal, NULL);
    while (th_atomic32_load_acquire(&waiting) < 2)
        th_model_yield();
    /* Who holds the mutex after both: both are in line. */
    MODEL_CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    th_model_thread(cancel_thread, (void *)(intptr_t)cancelled);
    thrum_cond_signal(&cond);
    thrum_mutex_unlock(&mutex);
    th_model_join(cancelled);
    cancel_thread((void *)(intptr_t)other);
    th_model_join_all();
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&signalled), 1);
}

MODEL_SURVIVES("[A1]", "no stacks are opened while these threads run")
