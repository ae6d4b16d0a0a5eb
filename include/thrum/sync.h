/*
 * What tasks meet at: mutex, semaphore, event, reader-writer lock, condition, barrier, once, wait group.
 *
 * All of it works in tasks and in plain threads, side by side: a task that waits lets others run, a thread blocks.
 * Each object lies in memory of your own, begins as its INIT says (or all zero, where that is what INIT is), and needs
 * no end. It may go away as soon as nobody is inside a call on it, and a call on it that has told others to go on
 * (unlock, release, set) does not look at it afterwards.
 *
 * A call that waits returns -ECANCELED or -ETIMEDOUT when a scope of the calling task has ended, and has then taken
 * nothing. Where it need not wait it does not look: a mutex that is free can be locked in a task that is cancelled. The
 * forms that end in `until` wait at most until a point in time (THRUM_FOREVER: no limit) and return -ETIMEDOUT then.
 */
#ifndef THRUM_SYNC_H
#define THRUM_SYNC_H

#include <stdbool.h>
#include <stddef.h>

#include <thrum/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Who waits for an object. The fields are the library's, as all that end in an underscore. */
struct thrum_line_ {
    struct th_place *first_;
    uint32_t lock_;
    uint32_t count_;
};

/* ---- Mutex ---- */

/*
 * One at a time. Whoever asks first does not always get it first: that costs a switch each time. But who has waited for
 * a millisecond is handed it soon, in the order of coming. It belongs to the task (or thread) that locked it, and only
 * that may unlock it. A task may wait while it holds one.
 */
typedef struct thrum_mutex {
    uint32_t word_;
    uint32_t patience_;
    void *owner_;
    void *where_;
    struct thrum_line_ line_;
    thrum_time handed_;
    thrum_time looked_;
} thrum_mutex;

#ifdef __cplusplus
#define THRUM_MUTEX_INIT \
    {                    \
    }
#else
#define THRUM_MUTEX_INIT \
    {                    \
        0                \
    }
#endif

/* Locks it. 0, -EDEADLK if the caller has it already, -ECANCELED, -ETIMEDOUT, -ENOMEM (no timer). May switch, may be
 * cancelled. */
THRUM_API THRUM_CHECKED int thrum_mutex_lock(thrum_mutex *mutex);
THRUM_API THRUM_CHECKED int thrum_mutex_lock_until(thrum_mutex *mutex, thrum_time when);

/* Locks it if it is free. 0, or -EBUSY. Never switches. */
THRUM_API THRUM_CHECKED int thrum_mutex_try_lock(thrum_mutex *mutex);

/* Unlocks it; the program ends if the caller does not have it. Never switches. */
THRUM_API void thrum_mutex_unlock(thrum_mutex *mutex);

/* True if the calling task or thread has it. Never switches. */
THRUM_API bool thrum_mutex_is_mine(const thrum_mutex *mutex);

/* Only a check: the program ends if somebody has it or waits for it. Never switches. */
THRUM_API void thrum_mutex_destroy(thrum_mutex *mutex);

/* ---- Semaphore ---- */

/* A number of permits. Who comes first gets one first. */
typedef struct thrum_semaphore {
    uint32_t word_;
    uint32_t most_;
    struct thrum_line_ line_;
} thrum_semaphore;

#ifdef __cplusplus
#define THRUM_SEMAPHORE_INIT(permits) \
    {                                 \
        (uint32_t)(permits) * 2, 0,   \
        {                             \
            nullptr, 0, 0             \
        }                             \
    }
#define THRUM_SEMAPHORE_BOUNDED(permits)    \
    {                                       \
        (uint32_t)(permits) * 2, (permits), \
        {                                   \
            nullptr, 0, 0                   \
        }                                   \
    }
#else
#define THRUM_SEMAPHORE_INIT(permits)  \
    {                                  \
        .word_ = (uint32_t)(permits)*2 \
    }
#define THRUM_SEMAPHORE_BOUNDED(permits)                   \
    {                                                      \
        .word_ = (uint32_t)(permits)*2, .most_ = (permits) \
    }
#endif

/* Takes a permit, when there is one. 0, -ECANCELED, -ETIMEDOUT, -ENOMEM (no timer). May switch, may be cancelled. */
THRUM_API THRUM_CHECKED int thrum_semaphore_acquire(thrum_semaphore *semaphore);
THRUM_API THRUM_CHECKED int thrum_semaphore_acquire_until(thrum_semaphore *semaphore, thrum_time when);

/* Takes a permit if there is one now. 0, or -EAGAIN. Never switches. */
THRUM_API THRUM_CHECKED int thrum_semaphore_try_acquire(thrum_semaphore *semaphore);

/* Gives a permit back, or one more. 0; -EOVERFLOW if there are as many already as a bounded one began with, or
 * 2^31 - 1. Never switches. */
THRUM_API int thrum_semaphore_release(thrum_semaphore *semaphore);

/* How many permits there are at the moment. Never switches. */
THRUM_API unsigned thrum_semaphore_value(const thrum_semaphore *semaphore);

/* ---- Event ---- */

/* Is set or is not; who waits goes on when it is set. */
typedef struct thrum_event {
    uint32_t word_;
    uint32_t unused_;
    struct thrum_line_ line_;
} thrum_event;

#ifdef __cplusplus
#define THRUM_EVENT_INIT \
    {                    \
    }
#else
#define THRUM_EVENT_INIT \
    {                    \
        0                \
    }
#endif

/* Waits until it is set. 0, at once if it is; -ECANCELED, -ETIMEDOUT, -ENOMEM (no timer). May switch, may be
 * cancelled. */
THRUM_API int thrum_event_wait(thrum_event *event);
THRUM_API int thrum_event_wait_until(thrum_event *event, thrum_time when);

/* Sets it: all who wait go on, and it stays set. Never switches. */
THRUM_API void thrum_event_set(thrum_event *event);

/* From now on later waiters block again. Never switches. */
THRUM_API void thrum_event_clear(thrum_event *event);

/* Never switches. */
THRUM_API bool thrum_event_is_set(const thrum_event *event);

/* ---- Reader-writer lock ---- */

/*
 * Many readers or one writer. Phases take turns: a writer that waits keeps later readers out, and when it has finished
 * all readers that have come meanwhile go in together. So neither side starves. Who reads must not ask to read again,
 * nor to write, before it has unlocked: a writer may wait in between.
 */
typedef struct thrum_rwlock {
    uint32_t word_;
    uint32_t writers_;
    void *owner_;
    struct thrum_line_ line_;
} thrum_rwlock;

#ifdef __cplusplus
#define THRUM_RWLOCK_INIT \
    {                     \
    }
#else
#define THRUM_RWLOCK_INIT \
    {                     \
        0                 \
    }
#endif

/* Locks it together with other readers. 0, -EDEADLK if the caller writes, -ECANCELED, -ETIMEDOUT, -ENOMEM (no timer).
 * May switch, may be cancelled. */
THRUM_API THRUM_CHECKED int thrum_rwlock_read_lock(thrum_rwlock *lock);
THRUM_API THRUM_CHECKED int thrum_rwlock_read_lock_until(thrum_rwlock *lock, thrum_time when);

/* Locks it alone. As for readers. */
THRUM_API THRUM_CHECKED int thrum_rwlock_write_lock(thrum_rwlock *lock);
THRUM_API THRUM_CHECKED int thrum_rwlock_write_lock_until(thrum_rwlock *lock, thrum_time when);

/* Only if that needs no waiting. 0, or -EBUSY. Never switches. */
THRUM_API THRUM_CHECKED int thrum_rwlock_try_read_lock(thrum_rwlock *lock);
THRUM_API THRUM_CHECKED int thrum_rwlock_try_write_lock(thrum_rwlock *lock);

/* Ends what was begun; the program ends if that was not begun. Never switches. */
THRUM_API void thrum_rwlock_read_unlock(thrum_rwlock *lock);
THRUM_API void thrum_rwlock_write_unlock(thrum_rwlock *lock);

/* ---- Condition ---- */

/* What is waited for is a fact that the mutex guards: look, wait, and look again. */
typedef struct thrum_cond {
    struct thrum_line_ line_;
} thrum_cond;

#ifdef __cplusplus
#define THRUM_COND_INIT \
    {                   \
    }
#else
#define THRUM_COND_INIT \
    {                   \
        {               \
            0           \
        }               \
    }
#endif

/*
 * Unlocks the mutex, waits for a signal, and locks the mutex again, however the wait ended. 0, never without a signal;
 * -ECANCELED, -ETIMEDOUT, -ENOMEM (no timer): then no signal is lost by it. The program ends if the caller does not
 * have the mutex. May switch, may be cancelled.
 */
THRUM_API int thrum_cond_wait(thrum_cond *cond, thrum_mutex *mutex);
THRUM_API int thrum_cond_wait_until(thrum_cond *cond, thrum_mutex *mutex, thrum_time when);

/* Ends the wait of who has waited longest, or of all. With the mutex or without. Never switches. */
THRUM_API void thrum_cond_signal(thrum_cond *cond);
THRUM_API void thrum_cond_broadcast(thrum_cond *cond);

/* ---- Barrier ---- */

/* So many wait for each other, again and again. */
typedef struct thrum_barrier {
    uint32_t parties_;
    uint32_t arrived_;
    uint32_t round_;
    uint32_t is_broken_;
    struct thrum_line_ line_;
} thrum_barrier;

#ifdef __cplusplus
#define THRUM_BARRIER_INIT(parties) \
    {                               \
        (parties), 0, 0, 0,         \
        {                           \
            nullptr, 0, 0           \
        }                           \
    }
#else
#define THRUM_BARRIER_INIT(parties) \
    {                               \
        .parties_ = (parties)       \
    }
#endif

/* Waits for the others. The place in the order of coming, from 0; -EPIPE if the barrier is broken; -ECANCELED,
 * -ETIMEDOUT, -ENOMEM (no timer): then the caller no longer counts as one that has come. May switch, may be
 * cancelled. */
THRUM_API int thrum_barrier_wait(thrum_barrier *barrier);
THRUM_API int thrum_barrier_wait_until(thrum_barrier *barrier, thrum_time when);

/* Breaks it: who waits and who comes gets -EPIPE, until it is reset. Never switches. */
THRUM_API void thrum_barrier_abort(thrum_barrier *barrier);

/* As new; who waits gets -EPIPE. Never switches. */
THRUM_API void thrum_barrier_reset(thrum_barrier *barrier);

/* ---- Once ---- */

/* Something that is to be done once, by whoever needs it first. */
typedef struct thrum_once {
    uint32_t state_;
    uint32_t unused_;
    void *owner_;
    struct thrum_line_ line_;
} thrum_once;

#ifdef __cplusplus
#define THRUM_ONCE_INIT \
    {                   \
    }
#else
#define THRUM_ONCE_INIT \
    {                   \
        0               \
    }
#endif

/*
 * Calls fn(arg), unless that has been done; who comes meanwhile waits for it. 0 and more: it has been done (fn's result
 * for who called it, 0 for others). A negative result of fn is returned to its caller and counts as not done: the next
 * one calls fn. -EDEADLK inside of fn; -ECANCELED or -ETIMEDOUT while waiting. May switch, may be cancelled.
 */
THRUM_API int thrum_once_call(thrum_once *once, int (*fn)(void *arg), void *arg);

/* ---- Wait group ---- */

/* A count of what is still to be done. */
typedef struct thrum_waitgroup {
    uint32_t word_;
    uint32_t unused_;
    struct thrum_line_ line_;
} thrum_waitgroup;

#ifdef __cplusplus
#define THRUM_WAITGROUP_INIT \
    {                        \
    }
#else
#define THRUM_WAITGROUP_INIT \
    {                        \
        0                    \
    }
#endif

/* So many more, below 2^31 in all. Never switches. */
THRUM_API void thrum_waitgroup_add(thrum_waitgroup *waitgroup, unsigned count);

/* One less; the program ends if there was none. Never switches. */
THRUM_API void thrum_waitgroup_done(thrum_waitgroup *waitgroup);

/* Waits until there are none. 0, at once if so; -ECANCELED, -ETIMEDOUT, -ENOMEM (no timer). May switch, may be
 * cancelled. */
THRUM_API int thrum_waitgroup_wait(thrum_waitgroup *waitgroup);
THRUM_API int thrum_waitgroup_wait_until(thrum_waitgroup *waitgroup, thrum_time when);

#ifdef __cplusplus
}
#endif
#endif
