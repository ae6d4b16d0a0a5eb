#include "fiber/overflow.h"

#include "base/lock.h"
#include "base/panic.h"
#include "base/sys.h"
#include "fiber/fiber.h"

#include <execinfo.h>
#include <stdio.h>
#include <ucontext.h>

enum {
    /* The report's own frames, the unwinder's, and the kernel's signal frame, of which one may nest. */
    ALTERNATE_BYTES_LEAST = 64 << 10,
    ALTERNATE_FRAMES = 4,
};

static const int signals[] = {SIGSEGV, SIGBUS};

static struct {
    struct th_lock lock;
    unsigned users;                                /* l */
    struct sigaction before[TH_COUNT_OF(signals)]; /* l; read by the handler, constant while users > 0 */
} handlers = {.lock = TH_LOCK_INIT};

static uintptr_t stack_pointer_of(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RSP];
#else
    return (uintptr_t)context->uc_mcontext.sp;
#endif
}

/* The fiber whose stack is used up, or NULL: this fault is about something else. */
static struct th_fiber *overflown(const siginfo_t *info, const ucontext_t *context)
{
    uintptr_t fault = (uintptr_t)info->si_addr, sp = stack_pointer_of(context);
    if (th_stack_contains(fault) && fault < th_stack_low(th_stack_slot_of(fault)))
        return th_fiber_at(fault);
    /* The kernel could not push a signal's frame: it names no address, and sp is as it was before. */
    if (info->si_code == SI_KERNEL && th_stack_contains(sp) &&
        sp < th_stack_low(th_stack_slot_of(sp)) + th_sys_signal_frame_bytes() + th_sys_page_bytes())
        return th_fiber_at(sp);
    return NULL;
}

bool (*th_fiber_identify)(const struct th_fiber *fiber, struct th_identity *identity);

static struct th_identity identity_of(const struct th_fiber *fiber)
{
    struct th_identity identity = {.kind = "fiber", .id = fiber->id};
    if (th_fiber_identify == NULL || !th_fiber_identify(fiber, &identity))
        (void)snprintf(identity.name, sizeof identity.name, "%s", fiber->name != NULL ? fiber->name : "no name");
    return identity;
}

static void explain(const struct th_fiber *fiber, const siginfo_t *info)
{
    struct th_identity who = identity_of(fiber);
    size_t bytes = (size_t)1 << th_stack_arena.slot_shift;
    th_report("stack overflow: %s %lu (%s) used all of its %zu KiB (fault at %p, stack %p to %p); "
              "THRUM_STACK_SIZE=%zuK gives twice as much",
              who.kind, (unsigned long)who.id, who.name, bytes >> 10, info->si_addr, (void *)th_stack_low(fiber->slot),
              (const void *)fiber, bytes >> 9);
    th_report_backtrace(1);
    if (th_panic_rest != NULL)
        th_panic_rest();
}

/* The program dies of it, and without this says no more than that. */
static void tell_whose(int signo, const siginfo_t *info, const ucontext_t *context)
{
    uintptr_t sp = stack_pointer_of(context);
    if (!th_stack_contains(sp))
        return;
    struct th_identity who = identity_of(th_fiber_at(sp));
    th_report("%s %lu (%s) dies of %s at address %p", who.kind, (unsigned long)who.id, who.name,
              signo == SIGSEGV ? "SIGSEGV" : "SIGBUS", info->si_addr);
    th_report_backtrace(1);
}

static void pass_on(int signo, siginfo_t *info, void *context, const struct sigaction *before)
{
    if ((before->sa_flags & SA_SIGINFO) != 0) {
        before->sa_sigaction(signo, info, context);
    } else if (before->sa_handler != SIG_DFL && before->sa_handler != SIG_IGN) {
        before->sa_handler(signo);
    } else {
        /* Back to the faulting instruction, which now ends the program. */
        struct sigaction standard = {.sa_handler = SIG_DFL};
        (void)th_sys_sigaction(signo, &standard, NULL);
        tell_whose(signo, info, context);
    }
}

static void on_fault(int signo, siginfo_t *info, void *context)
{
    struct th_fiber *fiber = overflown(info, context);
    if (fiber != NULL) {
        explain(fiber, info);
        struct sigaction standard = {.sa_handler = SIG_DFL};
        (void)th_sys_sigaction(signo, &standard, NULL);
        return;
    }
    for (size_t i = 0; i < TH_COUNT_OF(signals); i++) {
        if (signals[i] == signo)
            pass_on(signo, info, context, &handlers.before[i]);
    }
}

/* The second line of a panic. */
static void tell_who_runs(void)
{
    const struct th_fiber *fiber = th_fiber_self();
    if (fiber == NULL)
        return;
    struct th_identity who = identity_of(fiber);
    th_report("in %s %lu (%s)", who.kind, (unsigned long)who.id, who.name);
}

/* Puts back what was there, unless somebody put his own over ours meanwhile. */
static void uninstall(void)
{
    for (size_t i = 0; i < TH_COUNT_OF(signals); i++) {
        struct sigaction now;
        if (th_sys_sigaction(signals[i], NULL, &now) == 0 && (now.sa_flags & SA_SIGINFO) != 0 &&
            now.sa_sigaction == on_fault)
            (void)th_sys_sigaction(signals[i], &handlers.before[i], NULL);
    }
}

static int install(void)
{
    /* The unwinder's library is loaded now, not in a handler on a small stack. */
    void *frame;
    (void)backtrace(&frame, 1);
    th_panic_context = tell_who_runs;
    struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    for (size_t i = 0; i < TH_COUNT_OF(signals); i++) {
        int code = th_sys_sigaction(signals[i], &act, &handlers.before[i]);
        if (code < 0) {
            uninstall();
            return code;
        }
    }
    return 0;
}

static int arm_process(void)
{
    th_lock_take(&handlers.lock);
    int code = handlers.users == 0 ? install() : 0;
    handlers.users += code == 0;
    th_lock_leave(&handlers.lock);
    return code;
}

static void disarm_process(void)
{
    th_lock_take(&handlers.lock);
    if (--handlers.users == 0)
        uninstall();
    th_lock_leave(&handlers.lock);
}

int th_overflow_arm(struct th_thread *thread)
{
    int code = arm_process();
    if (code < 0)
        return code;
    size_t page = th_sys_page_bytes();
    size_t bytes = th_sys_signal_frame_bytes() * ALTERNATE_FRAMES;
    if (bytes < ALTERNATE_BYTES_LEAST)
        bytes = ALTERNATE_BYTES_LEAST;
    bytes = (bytes + page - 1) / page * page + page;
    code = th_sys_map(bytes, &thread->alternate);
    if (code < 0) {
        disarm_process();
        return code;
    }
    thread->alternate_bytes = bytes;
    /* Its own lowest page is a guard too; without one it works as well. */
    (void)th_sys_protect_none(thread->alternate, page);
    stack_t stack = {.ss_sp = (char *)thread->alternate + page, .ss_size = bytes - page};
    code = th_sys_sigaltstack(&stack, &thread->alternate_before);
    if (code < 0) {
        (void)th_sys_unmap(thread->alternate, bytes);
        disarm_process();
    }
    return code;
}

void th_overflow_disarm(struct th_thread *thread)
{
    stack_t now;
    /* Somebody else's may stand there by now. */
    if (th_sys_sigaltstack(NULL, &now) == 0 && (char *)now.ss_sp >= (char *)thread->alternate &&
        (char *)now.ss_sp < (char *)thread->alternate + thread->alternate_bytes)
        (void)th_sys_sigaltstack(&thread->alternate_before, NULL);
    (void)th_sys_unmap(thread->alternate, thread->alternate_bytes);
    disarm_process();
}
