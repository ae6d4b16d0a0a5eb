/*
 * Futures: a result that is not there yet. Set once, by anybody; awaited by any number of tasks and threads.
 *
 *     thrum_future answer = THRUM_FUTURE_INIT;
 *     ... somebody else: thrum_future_set(&answer, value) ...
 *     void *value;
 *     int result = thrum_future_wait(&answer, &value);
 *
 * A future is pending, and then for ever done (a value, a result >= 0), failed (a result < 0), or cancelled
 * (-ECANCELED).
 * It lives in its user's memory, or is created where several share it. In either case it may go away as soon as a wait
 * for it has returned a result, or thrum_future_state has said that it is over; not while calls are pending on it.
 *
 * All of it works from foreign threads too; setting, also from tasks that were posted.
 */
#ifndef THRUM_FUTURE_H
#define THRUM_FUTURE_H

#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

enum thrum_future_state {
    THRUM_FUTURE_PENDING,
    THRUM_FUTURE_DONE,
    THRUM_FUTURE_FAILED,
    THRUM_FUTURE_CANCELLED,
};

struct th_future_wait;
struct th_future_call;

/* The fields are the library's. */
typedef struct thrum_future {
    uint32_t word_;
    int32_t result_;
    void *value_;
    struct th_future_wait *waits_;
    struct th_future_wait *last_wait_;
    struct th_future_call *calls_;
    struct th_future_call *last_call_;
    uint32_t references_;
} thrum_future;

#ifdef __cplusplus
#define THRUM_FUTURE_INIT \
    {                     \
    }
#else
#define THRUM_FUTURE_INIT \
    {                     \
        0                 \
    }
#endif

/* A future of the library's memory, pending, with one reference. 0 or -ENOMEM. Never switches. */
THRUM_API THRUM_CHECKED int thrum_future_create(thrum_future **future);

/* One more reference to a created future; each is dropped once. The last drop cancels it if it is pending still, and
 * gives its memory back. Never switch. */
THRUM_API thrum_future *thrum_future_hold(thrum_future *future);
THRUM_API void thrum_future_drop(thrum_future *future);

/* ---- Setting: 0, or -EALREADY if it is over. Who waits is woken, who asked to be called is called here and now. They
 * never switch, unless a call does. ---- */

/* Done, with a value that those who wait get; its result is 0. */
THRUM_API int thrum_future_set(thrum_future *future, void *value);

/* Done, with a result >= 0; its value is NULL. A negative one is a failure, as by thrum_future_fail. */
THRUM_API int thrum_future_set_result(thrum_future *future, int result);

/* Failed, with a result < 0 (else -EINVAL); -ECANCELED cancels. */
THRUM_API int thrum_future_fail(thrum_future *future, int failure);

/* Cancelled: those who wait get -ECANCELED. */
THRUM_API int thrum_future_cancel(thrum_future *future);

/* ---- Asking ---- */

/*
 * Waits until the future is over: its result, with its value in *value (value may be NULL). -ECANCELED, -ETIMEDOUT if a
 * scope of the caller ended first (the future stays as it is: thrum_future_state tells which of the two it was);
 * -ENOMEM. May switch; from a foreign thread it blocks the thread. May be cancelled.
 */
THRUM_API int thrum_future_wait(thrum_future *future, void **value);

/* The same until a point in time at most: -ETIMEDOUT then. */
THRUM_API int thrum_future_wait_until(thrum_future *future, void **value, thrum_time when);

/* What a wait would return, if it returned at once; else -EAGAIN. Never switches. */
THRUM_API int thrum_future_result(const thrum_future *future, void **value);

/* enum thrum_future_state. Never switches. */
THRUM_API int thrum_future_state(const thrum_future *future);

/* ---- What comes next ---- */

/*
 * Calls call(arg, result) when the future is over, at once if it is, in the order of asking. It runs wherever the
 * future is set, on a task's or a foreign thread's stack, and holds up whoever sets it: start a task in it for what
 * takes longer. 0 or -ENOMEM. Never switches, unless the call does.
 */
THRUM_API THRUM_CHECKED int thrum_future_on_done(thrum_future *future, void (*call)(void *arg, int result), void *arg);

/* A step of a chain: finds the value of the future before in *value and leaves its own there; its result becomes the
 * next future's. */
typedef int (*thrum_then_fn)(void *arg, void **value);

/*
 * Chains: once the future is done, fn runs, as a call of thrum_future_on_done does, and sets *next; a future that fails
 * or is cancelled hands that on instead. *next is created by this, with a reference for the caller. If it was cancelled
 * meanwhile, fn does not run. 0 or -ENOMEM. Never switches, unless fn does.
 */
THRUM_API THRUM_CHECKED int thrum_future_then(thrum_future *future, thrum_then_fn fn, void *arg, thrum_future **next);

#ifdef __cplusplus
}
#endif
#endif
