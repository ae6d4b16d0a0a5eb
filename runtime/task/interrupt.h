/*
 * Ctrl-C, and SIGTERM: the first cancels all tasks of the root group, so that a program ends in order; the second ends
 * it. Only where the program has no idea of its own about the signal, and for the runtime that was there first.
 *
 * The handler may run on any thread, while the runtime ends:
 *
 *   handler    counts itself in, reads which runtime, posts, counts itself out
 *   the end    takes the runtime away, then waits until no handler is in
 *
 *   [NT1] seq-cst count in before the read of the runtime -> seq-cst runtime taken away before the look at the count:
 *         the handler finds none, or the end waits for it
 *   [NT2] release count out -> acquire of the end's look: it has touched all it will
 *   [NT3] release runtime -> acquire in the handler: it is whole
 *
 * Explored by tests/model (model_interrupt).
 */
#ifndef TH_TASK_INTERRUPT_H
#define TH_TASK_INTERRUPT_H

#include "sched/runtime.h"

/* A runtime begins, and ends: no handler knows of it any more. */
void th_interrupt_begin(struct thrum_runtime *runtime);
void th_interrupt_end(struct thrum_runtime *runtime);

/* The handler in between. */
void th_interrupt_handle(int signo);

#endif
