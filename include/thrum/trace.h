/*
 * Traces: what the workers of this process did last, for https://ui.perfetto.dev or chrome://tracing.
 *
 * Always recorded, at below two hundredths of the cost of a switch, is what is rare: who looks for work, sleeps, steals
 * or is replaced, and one dispatch in some dozens. THRUM_DEBUG=events, or THRUM_TRACE=FILE, records each dispatch,
 * spawn and wake, which makes these several times as dear. THRUM_TRACE=FILE also writes a trace into that file when a
 * runtime ends, at SIGQUIT (where that dumps), and at a panic.
 */
#ifndef THRUM_TRACE_H
#define THRUM_TRACE_H

#include <thrum/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes the last events of all workers of all runtimes, some thousand of each, or some ten thousand where each event
 * is recorded, as JSON in Chrome's trace event format: a process for each runtime, a thread for each worker, a slice
 * for each run of a task, with an arrow from who woke or spawned it. Nothing is stopped and no lock is taken. 0, or
 * -errno: of the first write that failed; -ENOMEM; -EBUSY while another trace is being written. Any thread, also in a
 * signal handler. Blocks its thread while the descriptor does. Never switches; a cancel does not end it.
 */
THRUM_API int thrum_trace(int fd);

#ifdef __cplusplus
}
#endif
#endif
