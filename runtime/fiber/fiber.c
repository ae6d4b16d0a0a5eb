#include "fiber/fiber.h"

#include "base/atomic.h"
#include "base/sys.h"
#include "fiber/overflow.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Numbers are handed to threads in blocks, so that giving one is plain arithmetic. */
enum { ID_BLOCK = 1 << 16 };

static th_atomic64 next_block = TH_ATOMIC_INIT(0);

/* Weak: a C program has none. (With jemalloc there always is one, its library brings the C++ runtime along.) */
extern struct th_exceptions *__cxa_get_globals(void) __attribute__((weak));

static uint64_t give_id(struct th_thread *thread)
{
    if (thread->next_id == thread->last_id) {
        thread->next_id = th_atomic64_add_relaxed(&next_block, ID_BLOCK);
        thread->last_id = thread->next_id + ID_BLOCK;
    }
    return ++thread->next_id;
}

int th_thread_init(struct th_thread *thread)
{
    memset(thread, 0, sizeof *thread);
    int code = th_overflow_arm(thread);
    if (code < 0)
        return code;
    thread->host.thread = thread;
    thread->host.slot = TH_FIBER_NO_SLOT;
    thread->current = &thread->host;
    thread->exceptions = __cxa_get_globals != NULL ? __cxa_get_globals() : NULL;
    th_annotate_host_begin(&thread->host.annotation);
    return 0;
}

void th_thread_fini(struct th_thread *thread)
{
    th_stack_cache_flush(&thread->stacks);
    th_overflow_disarm(thread);
}

int th_fiber_create(struct th_thread *thread, th_fiber_entry *entry, void *arg, struct th_fiber **fiber)
{
    uint32_t slot;
    int code = th_stack_take(&thread->stacks, &slot);
    if (code < 0)
        return code;
    uintptr_t low = th_stack_low(slot);
    struct th_fiber *created = (struct th_fiber *)th_stack_header(low, sizeof *created);
    /* The ABI wants the stack pointer at a multiple of 16; the header's size need not be one. */
    uintptr_t high = (uintptr_t)created & ~(uintptr_t)15;
    *created = (struct th_fiber){
        .context = th_context_make((void *)high, high - low, th_context_start),
        .slot = slot,
        .id = give_id(thread),
        .float_control = th_context_float_control(),
        .entry = entry,
        .arg = arg,
    };
    th_annotate_fiber_begin(&created->annotation, low, high);
    *fiber = created;
    return 0;
}

void th_fiber_drop(struct th_thread *thread, struct th_fiber *fiber)
{
    th_annotate_fiber_end(&fiber->annotation);
    th_stack_give(&thread->stacks, fiber->slot);
}

/* The last after action of a fiber: its stack is nobody's from here on. */
static void recycle(struct th_fiber *ended, void *next)
{
    th_fiber_drop(((struct th_fiber *)next)->thread, ended);
}

TH_NO_TSAN void th_fiber_end(struct th_fiber *self, struct th_fiber *next, th_fiber_after *after, void *arg)
{
    TH_ASSERT(next != self);
    th_fiber_go(self, next, after, arg, true);
    th_panic("an ended fiber was switched to");
}

TH_NORETURN void th_fiber_main(struct th_transfer arrived);

/* Called by th_context_start, the fiber's first frame. */
TH_NO_TSAN void th_fiber_main(struct th_transfer arrived)
{
    struct th_fiber *self = th_fiber_self();
    if (TH_CONTEXT_IS_NATIVE)
        th_annotate_arrive(&self->annotation);
    else
        th_fiber_arrived(self, arrived);
    struct th_fiber *next = self->entry(self->arg);
    th_fiber_end(self, next, recycle, next);
}
