/*
 * Signals, waited for in tasks.
 *
 *     while (thrum_signal_wait(SIGHUP) >= 0)
 *         read_settings();
 *
 * A caught signal is counted by a handler that does nothing else; each count is taken by one wait. Not for signals that
 * tell of a fault of the program itself (SIGSEGV, SIGBUS, SIGFPE, SIGILL), nor for those that cannot be caught.
 */
#ifndef THRUM_SIGNAL_H
#define THRUM_SIGNAL_H

#include <thrum/select.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From now on a signal is caught and counted: for a program that must not miss one before its first wait. 0, -EINVAL
 * (no such signal, or not for this), -EMFILE, -ENFILE, -ENOMEM. Never switches. */
THRUM_API THRUM_CHECKED int thrum_signal_catch(int signo);

/* Waits for a signal, which is caught from then on: how many have come since the last wait. -errno as above;
 * -ECANCELED, -ETIMEDOUT. May switch, may be cancelled; outside of tasks it blocks the thread. */
THRUM_API int thrum_signal_wait(int signo);

/* A case of a select (thrum/select.h): the signal has come. It is caught from now on. The case's result is as of
 * thrum_signal_wait; 0 if another was quicker; outside of tasks -EPERM unless it has come by then. Never switches. */
#define THRUM_SIGNAL(signo) thrum_signaled(signo)
/* What the macro is made of. Never switches. */
THRUM_API thrum_case thrum_signaled(int signo);

/* What was done with a signal before it was caught is done again; what was counted is forgotten. Never switches. */
THRUM_API void thrum_signal_release(int signo);

#ifdef __cplusplus
}
#endif
#endif
