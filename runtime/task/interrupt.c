#include "task/interrupt.h"

#include <thrum/task.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "task/scope.h"

#include <errno.h>

static th_atomicptr interrupted; /* struct thrum_runtime; NULL: none */
static th_atomic32 handlers;     /* that are under way */

static int cancel_all(void *arg)
{
    th_scope_cancel_root(arg, THRUM_CANCEL_USER);
    return 0;
}

static const int signals[] = {SIGINT, SIGTERM};

static void catch_one(int signo)
{
    struct sigaction before, action = {.sa_handler = th_interrupt_handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    if (th_sys_sigaction(signo, NULL, &before) == 0 && (before.sa_flags & SA_SIGINFO) == 0 &&
        before.sa_handler == SIG_DFL)
        (void)th_sys_sigaction(signo, &action, NULL);
}

/* From now on they end the program, but where it has got a handler of its own meanwhile. */
static void give_back(void)
{
    struct sigaction now, ends_program = {.sa_handler = SIG_DFL};
    for (size_t i = 0; i < TH_COUNT_OF(signals); i++) {
        if (th_sys_sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == th_interrupt_handle)
            (void)th_sys_sigaction(signals[i], &ends_program, NULL);
    }
}

void th_interrupt_handle(int signo)
{
    give_back();
    if (!TH_MUTANT(handler_uncounted))
        (void)th_atomic32_add_seqcst(&handlers, 1);                         /* [NT1] */
    struct thrum_runtime *runtime = th_atomicptr_load_seqcst(&interrupted); /* [NT1] [NT3] */
    /* Where there is nothing to cancel, or no way to, the first ends the program too. */
    if (runtime == NULL || thrum_post(runtime, cancel_all, runtime) == -EAGAIN)
        th_sys_raise(signo);
    if (!TH_MUTANT(handler_uncounted))
        (void)th_atomic32_sub_release(&handlers, 1); /* [NT2] */
}

void th_interrupt_begin(struct thrum_runtime *runtime)
{
    void *nobody = NULL;
    if (!th_atomicptr_cas_release(&interrupted, &nobody, runtime)) /* [NT3] */
        return;
    for (size_t i = 0; i < TH_COUNT_OF(signals); i++)
        catch_one(signals[i]);
}

void th_interrupt_end(struct thrum_runtime *runtime)
{
    if (th_atomicptr_load_relaxed(&interrupted) != runtime)
        return;
    give_back();
    th_atomicptr_store_seqcst(&interrupted, NULL);                                  /* [NT1] */
    while (th_atomic32_load_seqcst(&handlers) != 0 && !TH_MUTANT(end_without_wait)) /* [NT1] [NT2] */
        th_sys_thread_yield();
}
