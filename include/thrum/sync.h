/*
 * What tasks meet at: mutex, semaphore, event, and more.
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

/* From now on who comes waits again. Never switches. */
THRUM_API void thrum_event_clear(thrum_event *event);

/* Never switches. */
THRUM_API bool thrum_event_is_set(const thrum_event *event);

#ifdef __cplusplus
}
#endif
#endif
