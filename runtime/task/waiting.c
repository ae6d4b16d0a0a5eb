#include "task/waiting.h"

#include "base/debug.h"
#include "fiber/fiber.h"
#include "task/cycle.h"

void th_waiting_begin(const struct th_wait_kind *kind, const void *object)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return;
    if (self->call_waits_as != NULL) {
        kind = self->call_waits_as;
        object = self->call_waits_for;
    }
    if (th_debug_is_on(TH_DEBUG_DEADLOCK))
        th_cycle_note(self, kind, object);
    else
        th_waiting_note(self, kind, object);
}

void th_waiting_end(void)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return;
    if (th_debug_is_on(TH_DEBUG_DEADLOCK))
        th_cycle_note(self, NULL, NULL);
    else
        th_atomicptr_store_relaxed(&self->waits_as, NULL);
}

void th_waiting_name(const struct th_wait_kind *kind, const void *object)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return;
    self->call_waits_as = kind;
    self->call_waits_for = object;
}

void th_waiting_unname(void)
{
    th_waiting_name(NULL, NULL);
}

struct th_waiting th_waiting_of(const struct th_fiber *fiber)
{
    return (struct th_waiting){
        .kind = th_atomicptr_load_relaxed(&fiber->waits_as),
        .object = th_atomicptr_load_relaxed(&fiber->waits_for),
    };
}
