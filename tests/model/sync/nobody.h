/*
 * For models of what knows tasks and runs in none: no stack is a fiber's, so everybody is a thread, and nobody reads
 * what they wait for.
 */
#ifndef MODEL_SYNC_NOBODY_H
#define MODEL_SYNC_NOBODY_H

#include "model/model.h"

#include "fiber/stack.h"
#include "sync/lock_order.h"
#include "sched/worker.h"
#include "task/waiting.h"

struct th_stack_arena th_stack_arena;

/* Nor is anything looked for. */
th_atomic32 th_debug_wanted;

void th_order_wants(const void *lock)
{
    (void)lock;
}

void th_order_has(const void *lock)
{
    (void)lock;
}

void th_order_left(const void *lock)
{
    (void)lock;
}

void th_order_forget(const void *lock)
{
    (void)lock;
}

void th_waiting_begin(const struct th_wait_kind *kind, const void *object)
{
    (void)kind;
    (void)object;
}

void th_waiting_end(void)
{
}

void th_worker_wake(struct th_task *task)
{
    (void)task;
    th_model_fail("there is no task to wake");
}

#endif
