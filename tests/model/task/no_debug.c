/* For models of what waits: nothing is looked for (base/debug.h), so nothing looks. */
#include "base/debug.h"
#include "base/origins.h"
#include "task/cycle.h"

th_atomic32 th_debug_wanted;

void th_cycle_note(struct th_fiber *self, const struct th_wait_kind *kind, const void *object)
{
    (void)self;
    (void)kind;
    (void)object;
}

void th_origin_note_slowly(enum th_origin_kind kind, uint64_t number, int (*fn)(void *), const char *name)
{
    (void)kind;
    (void)number;
    (void)fn;
    (void)name;
}

void th_origin_forget_slowly(enum th_origin_kind kind, uint64_t number)
{
    (void)kind;
    (void)number;
}
