/* The initialisers and calls as a C++ program writes them. */
#include <thrum/sync.h>

#include "kit/kit.h"

static thrum_mutex mutex = THRUM_MUTEX_INIT;
static thrum_semaphore semaphore = THRUM_SEMAPHORE_INIT(1), bounded = THRUM_SEMAPHORE_BOUNDED(2);
static thrum_event event = THRUM_EVENT_INIT;
static thrum_rwlock rwlock = THRUM_RWLOCK_INIT;
static thrum_cond cond = THRUM_COND_INIT;
static thrum_barrier barrier = THRUM_BARRIER_INIT(1);
static thrum_once once = THRUM_ONCE_INIT;
static thrum_waitgroup waitgroup = THRUM_WAITGROUP_INIT;

static int succeed(void *arg)
{
    ++*static_cast<int *>(arg);
    return 0;
}

TEST(sync_objects_are_initialised_in_cxx)
{
    int calls = 0;
    CHECK_EQ(thrum_mutex_lock(&mutex), 0);
    thrum_cond_signal(&cond);
    thrum_mutex_unlock(&mutex);
    CHECK_EQ(thrum_semaphore_acquire(&semaphore), 0);
    CHECK_EQ(thrum_semaphore_value(&bounded), 2);
    CHECK_EQ(thrum_semaphore_release(&bounded), -75); /* EOVERFLOW */
    thrum_event_set(&event);
    CHECK_EQ(thrum_event_wait(&event), 0);
    CHECK_EQ(thrum_rwlock_write_lock(&rwlock), 0);
    thrum_rwlock_write_unlock(&rwlock);
    CHECK_EQ(thrum_barrier_wait(&barrier), 0);
    CHECK_EQ(thrum_once_call(&once, succeed, &calls), 0);
    CHECK_EQ(thrum_once_call(&once, succeed, &calls), 0);
    CHECK_EQ(calls, 1);
    thrum_waitgroup_add(&waitgroup, 1);
    thrum_waitgroup_done(&waitgroup);
    CHECK_EQ(thrum_waitgroup_wait(&waitgroup), 0);
}
