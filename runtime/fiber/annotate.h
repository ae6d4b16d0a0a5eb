/*
 * What sanitizers and Valgrind must be told about stacks and switches, in one place; nothing in other builds.
 *
 * AddressSanitizer keeps a shadow of each stack and, for use-after-return, a fake stack per fiber; it is told before
 * and after each switch. ThreadSanitizer keeps a state per fiber. LeakSanitizer scans the stacks it is told of: each
 * slot is a root from its first use on, which is why guards under ASan are real mappings (it would read into a guard
 * that only the page tables know). Valgrind tells a switch of stacks from a large frame by its list of stacks.
 *
 *   prepare   a slot is used for the first time        rest    its fiber has ended
 *   wake      a fiber begins in it                     retire  the arena closes
 */
#ifndef TH_FIBER_ANNOTATE_H
#define TH_FIBER_ANNOTATE_H

#include "base/compiler.h"

#include <pthread.h>
#include <stdbool.h>

#if TH_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if TH_TSAN
#include <sanitizer/tsan_interface.h>
#endif
#if defined(TH_VALGRIND)
#include <valgrind/valgrind.h>
#endif

#define TH_ANNOTATE_NEEDS_MPROTECT TH_ASAN

/* Tools that look through all that is mapped at a program's end want little of it. */
TH_INLINE size_t th_annotate_slots_most(size_t slots)
{
#if TH_ASAN
    return slots < 16384 ? slots : 16384;
#elif defined(TH_VALGRIND)
    return RUNNING_ON_VALGRIND && slots > 4096 ? 4096 : slots;
#else
    return slots;
#endif
}

/* A fiber's part of it; a field of no size in other builds. */
struct th_annotation {
#if TH_ASAN
    void *fake_stack;
    const void *low;
    size_t bytes;
#endif
#if TH_TSAN
    void *state;
#endif
#if !TH_ASAN && !TH_TSAN
    char nothing[0];
#endif
};

TH_INLINE void th_annotate_stack_prepare(uintptr_t low, size_t bytes)
{
    (void)low;
    (void)bytes;
#if TH_ASAN
    __lsan_register_root_region((const void *)low, bytes);
    ASAN_POISON_MEMORY_REGION((void *)low, bytes);
#endif
#if defined(TH_VALGRIND)
    (void)VALGRIND_STACK_REGISTER(low, low + bytes);
#endif
}

TH_INLINE void th_annotate_stack_wake(uintptr_t low, size_t bytes)
{
    (void)low;
    (void)bytes;
#if TH_ASAN
    ASAN_UNPOISON_MEMORY_REGION((void *)low, bytes);
#endif
}

TH_INLINE void th_annotate_stack_rest(uintptr_t low, size_t bytes)
{
    (void)low;
    (void)bytes;
#if TH_ASAN
    ASAN_POISON_MEMORY_REGION((void *)low, bytes);
#endif
}

TH_INLINE void th_annotate_stack_retire(uintptr_t low, size_t bytes)
{
    (void)low;
    (void)bytes;
#if TH_ASAN
    ASAN_UNPOISON_MEMORY_REGION((void *)low, bytes);
    __lsan_unregister_root_region((const void *)low, bytes);
#endif
}

/* A fiber on a stack of ours begins its life, or ends it (told from another stack). */
TH_INLINE void th_annotate_fiber_begin(struct th_annotation *fiber, uintptr_t low, uintptr_t high)
{
    (void)fiber;
    (void)low;
    (void)high;
#if TH_ASAN
    fiber->fake_stack = NULL;
    fiber->low = (const void *)low;
    fiber->bytes = high - low;
#endif
#if TH_TSAN
    fiber->state = __tsan_create_fiber(0);
#endif
}

TH_INLINE void th_annotate_fiber_end(struct th_annotation *fiber)
{
    (void)fiber;
#if TH_TSAN
    __tsan_destroy_fiber(fiber->state);
#endif
}

/* The stack that the system gave a thread. */
TH_INLINE void th_annotate_host_begin(struct th_annotation *host)
{
    (void)host;
#if TH_ASAN
    pthread_attr_t attributes;
    void *low = NULL;
    size_t bytes = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) == 0) {
        (void)pthread_attr_getstack(&attributes, &low, &bytes);
        (void)pthread_attr_destroy(&attributes);
    }
    host->fake_stack = NULL;
    host->low = low;
    host->bytes = bytes;
#endif
#if TH_TSAN
    host->state = __tsan_get_current_fiber();
#endif
}

/* Immediately before the jump, on the stack that is left; `ends` if it is never entered again. */
TH_INLINE void th_annotate_leave(struct th_annotation *from, struct th_annotation *to, bool ends)
{
    (void)from;
    (void)to;
    (void)ends;
#if TH_ASAN
    __sanitizer_start_switch_fiber(ends ? NULL : &from->fake_stack, to->low, to->bytes);
#endif
#if TH_TSAN
    /* 0: what this thread did before the switch happens before what the fiber does after it, as it truly does. */
    __tsan_switch_to_fiber(to->state, 0);
#endif
}

/* Immediately after it, on the stack that is entered. */
TH_INLINE void th_annotate_arrive(struct th_annotation *self)
{
    (void)self;
#if TH_ASAN
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
#endif
}

#endif
