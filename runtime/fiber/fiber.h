/*
 * Fibers: a stack with a saved context. No queue, no state, no policy; sched/ has those.
 *
 * A fiber's structure sits at the top of its stack (fiber/stack.h), so th_fiber_self() needs no thread-local state
 * and stays right when the fiber goes on on another thread. A thread that runs fibers has a th_thread, whose `host`
 * is a fiber too: the stack that the system gave the thread.
 *
 * A switch goes directly from one fiber to another and runs one *after action* on the new stack, once the old
 * context is saved:
 *
 *     th_fiber_switch(self, next, publish, arg);
 *
 * Note [Publish after save]: a fiber may become visible to other threads only in its after action. Before the jump
 * its registers are still in the processor; a thread that found it then would run it on a stack in use. After the
 * action has made it visible, neither `from` nor its stack may be touched: it may be running elsewhere, or be gone.
 *
 * Key: c constant from create on, r the running fiber or whoever switches to it, p published with the fiber
 * (whoever gets hold of a parked fiber got it through a release/acquire edge of his own).
 */
#ifndef TH_FIBER_FIBER_H
#define TH_FIBER_FIBER_H

#include "base/panic.h"
#include "fiber/annotate.h"
#include "fiber/context.h"
#include "fiber/stack.h"

#include <signal.h>

struct th_fiber;
struct th_task;
struct th_thread;

/* The body of a fiber: returns the fiber to go on with; its own stack is recycled from there. */
typedef struct th_fiber *th_fiber_entry(void *arg);

/* Runs on the stack that was switched to. */
typedef void th_fiber_after(struct th_fiber *left, void *arg);

/* What the C++ runtime keeps per thread and means per call stack: exceptions being handled. Layout of the Itanium
 * C++ ABI's __cxa_eh_globals. */
struct th_exceptions {
    void *caught;
    uintptr_t uncaught_count;
};

struct th_fiber {
    th_context context;              /* p: where it goes on */
    struct th_thread *thread;        /* r: the thread it runs on; set by whoever switches to it */
    struct th_task *task;            /* r: sched/'s: the task that runs on it now */
    th_fiber_after *after;           /* r */
    void *after_arg;                 /* r */
    struct th_exceptions exceptions; /* p */
    uint64_t float_control;          /* p: aarch64's FPCR; x86-64 keeps its in the context */
    uint32_t slot;                   /* c: TH_FIBER_NO_SLOT for a host */
    uint64_t id;                     /* c: never reused */
    const char *name;                /* r: may be NULL */
    th_fiber_entry *entry;           /* c */
    void *arg;                       /* c */
    th_atomicptr waits_as;           /* a: task/waiting.h: how its task waits, for reports; NULL: it does not */
    th_atomicptr waits_for;          /* a: and for what */
    const void *call_waits_as;       /* r: the same of a call that waits by other calls; NULL: none does */
    const void *call_waits_for;      /* r */
    int64_t parked_at;               /* r: about when its task last parked; for reports */
    struct th_annotation annotation; /* p */
};

enum { TH_FIBER_NO_SLOT = 0xffffffffu };

struct th_thread {
    struct th_fiber host;
    struct th_fiber *current;         /* owner: what runs on it, host or not; others may peek (base/sys.h) */
    struct th_exceptions *exceptions; /* c: the C++ runtime's, NULL without one */
    struct th_stack_cache stacks;     /* owner */
    uint64_t next_id, last_id;        /* owner: numbers it may still give */
    void *alternate;                  /* c: the signal stack, with its guard */
    size_t alternate_bytes;           /* c */
    stack_t alternate_before;         /* c: the one that the thread had */
};

/* Makes the calling thread able to run fibers: host, C++ state, signal stack. The arena must be open. 0 or -errno. */
int th_thread_init(struct th_thread *thread);
void th_thread_fini(struct th_thread *thread);

/* Who a fiber is, for reports: what runs on it now, where an upper layer knows better than the fiber. */
struct th_identity {
    const char *kind; /* "fiber", "task" */
    const char *name; /* may be NULL */
    uint64_t id;
};

/* Set by the layer that knows, before any fiber runs; safe in a signal handler. NULL: nobody does. */
extern bool (*th_fiber_identify)(const struct th_fiber *fiber, struct th_identity *identity);

/* A fiber that will run entry(arg) when it is first switched to. 0, -EAGAIN or -ENOMEM (th_stack_take). */
int th_fiber_create(struct th_thread *thread, th_fiber_entry *entry, void *arg, struct th_fiber **fiber);

/* Gives back a fiber that was never switched to. */
void th_fiber_drop(struct th_thread *thread, struct th_fiber *fiber);

/* The fiber whose stack this is: NULL on a thread's own stack. Read afresh at each call, so it may be used anywhere;
 * the result stays right for as long as the code stands on this stack. */
TH_INLINE struct th_fiber *th_fiber_at(uintptr_t address)
{
    if (!th_stack_contains(address))
        return NULL;
    return (struct th_fiber *)th_stack_header(address, sizeof(struct th_fiber));
}

TH_INLINE struct th_fiber *th_fiber_self(void)
{
    return th_fiber_at(th_stack_pointer());
}

/* Both threads' C++ state: the leaver's is put away, the comer's is put in. */
TH_INLINE void th_fiber_swap_exceptions(struct th_exceptions *current, struct th_fiber *from, struct th_fiber *to)
{
    if (current == NULL)
        return;
    from->exceptions = *current;
    *current = to->exceptions;
}

/* The rest of a switch, on the stack that was switched to. */
TH_INLINE void th_fiber_arrived(struct th_fiber *self, struct th_transfer arrived)
{
    struct th_fiber *left = arrived.data;
    th_annotate_arrive(&self->annotation);
    th_context_set_float_control(self->float_control);
    left->context = arrived.from;
    if (left->after != NULL)
        left->after(left, left->after_arg);
}

/* What both switches do; `ends`: from is never entered again. */
TH_NO_TSAN TH_INLINE void th_fiber_go(struct th_fiber *from, struct th_fiber *to, th_fiber_after *after, void *arg,
                                      bool ends)
{
    struct th_thread *thread = from->thread;
    TH_ASSERT(from != to && thread != NULL);
    th_fiber_swap_exceptions(thread->exceptions, from, to);
    to->thread = thread;
    thread->current = to;
    th_annotate_leave(&from->annotation, &to->annotation, ends);
    if (TH_CONTEXT_IS_NATIVE) {
        th_context_switch(from, to, after, arg);
        th_annotate_arrive(&from->annotation);
    } else {
        from->after = after;
        from->after_arg = arg;
        from->float_control = th_context_float_control();
        th_fiber_arrived(from, th_context_jump(to->context, from));
    }
}

/*
 * Leaves `from`, which runs, and goes on with `to`, which must not; returns when somebody switches back to `from`,
 * perhaps on another thread. Inlined: what a caller knows to be constant (no action) then costs nothing, and the
 * jump's return is predicted at each place by itself.
 */
TH_NO_TSAN TH_INLINE void th_fiber_switch(struct th_fiber *from, struct th_fiber *to, th_fiber_after *after, void *arg)
{
    th_fiber_go(from, to, after, arg, false);
}

/* The last switch of a fiber. Its after action gives the stack back, with th_fiber_drop. */
TH_NORETURN void th_fiber_end(struct th_fiber *self, struct th_fiber *next, th_fiber_after *after, void *arg);

#endif
