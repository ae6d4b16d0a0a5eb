#include "task/waiting.h"

#include "fiber/fiber.h"

void th_waiting_begin(const struct th_wait_kind *kind, const void *object)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL)
        return;
    th_atomicptr_store_relaxed(&self->waits_for, (void *)(uintptr_t)object);
    th_atomicptr_store_relaxed(&self->waits_as, (void *)(uintptr_t)kind);
}

void th_waiting_end(void)
{
    struct th_fiber *self = th_fiber_self();
    if (self != NULL)
        th_atomicptr_store_relaxed(&self->waits_as, NULL);
}

struct th_waiting th_waiting_of(const struct th_fiber *fiber)
{
    return (struct th_waiting){
        .kind = th_atomicptr_load_relaxed(&fiber->waits_as),
        .object = th_atomicptr_load_relaxed(&fiber->waits_for),
    };
}
