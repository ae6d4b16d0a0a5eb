/*
 * Waiting for time to pass. Nothing here ever fires early; how late depends on the load.
 */
#ifndef THRUM_TIME_H
#define THRUM_TIME_H

#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Waits for a span, or until a point in time (a task only yields if there is none to wait). 0, -ENOMEM, or -ECANCELED
 * or -ETIMEDOUT if the caller's scope ends first. May switch; outside of tasks the thread sleeps. */
THRUM_API int thrum_sleep(thrum_time span);
THRUM_API int thrum_sleep_until(thrum_time when);

/* A periodic timer: each wait ends at a multiple of the period after the start, however long the work between took. */
typedef struct thrum_timer {
    thrum_time next;
    thrum_time period;
} thrum_timer;

/* One that starts now. Never switches. */
THRUM_API thrum_timer thrum_timer_every(thrum_time period);

/* Waits for the next multiple: how many have passed since the last wait (1; more if the work took longer than a
 * period), or -errno. May switch. */
THRUM_API int thrum_timer_wait(thrum_timer *timer);

/* A call that has been put off. */
typedef struct thrum_call thrum_call;

/*
 * Starts fn(arg) in the root group after a span, or at a point in time. The handle is for thrum_call_cancel; call may
 * be NULL. 0, -ENOMEM, -EPERM outside of tasks. What has not fired when the runtime ends is dropped. Never switches.
 */
THRUM_API THRUM_CHECKED int thrum_call_later(thrum_call **call, thrum_time span, thrum_fn fn, void *arg);
THRUM_API THRUM_CHECKED int thrum_call_at(thrum_call **call, thrum_time when, thrum_fn fn, void *arg);

/* Drops the handle and, if it has not fired yet, the call: true if it will not be made. Never switches. */
THRUM_API bool thrum_call_cancel(thrum_call *call);

/* Drops the handle; the call is made. Never switches. */
THRUM_API void thrum_call_drop(thrum_call *call);

#ifdef __cplusplus
}
#endif
#endif
