/*
 * sync/rwlock: a writer is alone, phases follow each other whatever becomes of who waits, and nobody is left behind.
 */
#include "model/sync/nobody.h"
#include "model/sync/waits.h"

#include <thrum/sync.h>

static thrum_rwlock lock = THRUM_RWLOCK_INIT;
static int guarded; /* plain: what the lock guards; odd while a writer is inside */

static void write_it(void)
{
    MODEL_CHECK_EQ(guarded % 2, 0);
    guarded++;
    guarded++;
    thrum_rwlock_write_unlock(&lock);
}

static void read_it(void)
{
    MODEL_CHECK_EQ(guarded % 2, 0);
    thrum_rwlock_read_unlock(&lock);
}

static void write_for_sure(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_rwlock_write_lock(&lock), 0);
    wait_reuse_stack();
    write_it();
}

static void read_for_sure(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_rwlock_read_lock(&lock), 0);
    wait_reuse_stack();
    read_it();
}

static void write_or_be_cancelled(void *arg)
{
    (void)arg;
    int code = thrum_rwlock_write_lock(&lock);
    wait_reuse_stack();
    MODEL_CHECK(code == 0 || code == -ECANCELED);
    if (code == 0)
        write_it();
}

static void read_or_be_cancelled(void *arg)
{
    (void)arg;
    int code = thrum_rwlock_read_lock(&lock);
    wait_reuse_stack();
    MODEL_CHECK(code == 0 || code == -ECANCELED);
    if (code == 0)
        read_it();
}

static void cancel_thread(void *thread)
{
    wait_cancel((int)(intptr_t)thread);
}

static void check_free(void)
{
    th_model_join_all();
    MODEL_CHECK_EQ(lock.word_, 0);
    MODEL_CHECK_EQ(lock.writers_, 0);
    MODEL_CHECK(lock.line_.first_ == NULL);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(rwlock_writer_meets_reader, .modes = ALL, .preemptions = 3, .stale = 2, .spurious = MODEL_NONE)
{
    th_model_thread(read_for_sure, NULL);
    write_for_sure(NULL);
    write_for_sure(NULL);
    check_free();
}

MODEL(rwlock_phases_follow_each_other, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    th_model_thread(read_for_sure, NULL);
    th_model_thread(write_for_sure, NULL);
    th_model_thread(read_for_sure, NULL);
    write_for_sure(NULL);
    check_free();
}

/* A reader waits behind a writer that gives up while another reads: nobody else would let it in. */
MODEL(rwlock_reader_behind_a_writer_that_gives_up, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    int writer = th_model_thread(write_or_be_cancelled, NULL);
    th_model_thread(cancel_thread, (void *)(intptr_t)writer);
    th_model_thread(read_for_sure, NULL);
    write_for_sure(NULL);
    MODEL_CHECK_EQ(thrum_rwlock_read_lock(&lock), 0);
    read_it();
    check_free();
}

/* The reader that is inside lets nobody in by its leaving: it stays until the other one is in too. */
static th_atomic32 is_in;

static void read_and_say_so(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(thrum_rwlock_read_lock(&lock), 0);
    MODEL_CHECK_EQ(guarded % 2, 0);
    th_atomic32_store_release(&is_in, 1);
    thrum_rwlock_read_unlock(&lock);
}

MODEL(rwlock_readers_go_in_when_the_last_writer_gives_up, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE)
{
    int writer = th_model_thread(write_or_be_cancelled, NULL);
    th_model_thread(cancel_thread, (void *)(intptr_t)writer);
    th_model_thread(read_and_say_so, NULL);
    write_for_sure(NULL);
    MODEL_CHECK_EQ(thrum_rwlock_read_lock(&lock), 0);
    if (th_model_choose(2) == 0) {
        while (th_atomic32_load_acquire(&is_in) == 0)
            th_model_yield();
    }
    thrum_rwlock_read_unlock(&lock);
    check_free();
}

MODEL(rwlock_cancelled_reader_meets_the_writers_end, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    int reader = th_model_thread(read_or_be_cancelled, NULL);
    th_model_thread(cancel_thread, (void *)(intptr_t)reader);
    write_for_sure(NULL);
    check_free();
}

MODEL_SURVIVES("[A1]", "no stacks are opened while these threads run")
MODEL_SURVIVES("lock_contended#1", "who waits has looked at the word before, and a futex call is a full fence here")
MODEL_SURVIVES("end_readers#1",
               "it wakes a thread by a futex call before it leaves the line; to wake a task is no fence")
