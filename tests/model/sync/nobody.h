/*
 * For models of what knows tasks and runs in none: no stack is a fiber's, so everybody is a thread, and nobody reads
 * what they wait for.
 */
#ifndef MODEL_SYNC_NOBODY_H
#define MODEL_SYNC_NOBODY_H

#include "fiber/stack.h"
#include "task/waiting.h"

struct th_stack_arena th_stack_arena;

void th_waiting_begin(const struct th_wait_kind *kind, const void *object)
{
    (void)kind;
    (void)object;
}

void th_waiting_end(void)
{
}

#endif
