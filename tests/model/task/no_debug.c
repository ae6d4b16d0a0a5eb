/* For models of what waits: nothing is looked for (base/debug.h), so nothing looks. */
#include "base/debug.h"
#include "task/cycle.h"

th_atomic32 th_debug_wanted;

void th_cycle_note(struct th_fiber *self, const struct th_wait_kind *kind, const void *object)
{
    (void)self;
    (void)kind;
    (void)object;
}
