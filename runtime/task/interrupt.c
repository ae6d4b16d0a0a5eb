#include "task/interrupt.h"

#include <thrum/task.h>

#include "base/mutant.h"
#include "base/sys.h"
#include "task/scope.h"

static th_atomicptr interrupted; /* struct thrum_runtime; NULL: none */
static th_atomic32 handlers;     /* that are under way */

static int cancel_all(void *arg)
{
    th_scope_cancel_root(arg, THRUM_CANCEL_USER);
    return 0;
}

static const struct sigaction ends_program = {.sa_handler = SIG_DFL};

void th_interrupt_handle(int signo)
{
    (void)th_sys_sigaction(signo, &ends_program, NULL);
    if (!TH_MUTANT(handler_uncounted))
        (void)th_atomic32_add_seqcst(&handlers, 1);                         /* [NT1] */
    struct thrum_runtime *runtime = th_atomicptr_load_seqcst(&interrupted); /* [NT1] [NT3] */
    /* Where there is no post to spare nothing is cancelled, and the second still ends the program. */
    int posted = runtime != NULL ? thrum_post(runtime, cancel_all, runtime) : 0;
    (void)posted;
    if (!TH_MUTANT(handler_uncounted))
        (void)th_atomic32_sub_release(&handlers, 1); /* [NT2] */
}

static bool is_default(const struct sigaction *action)
{
    return (action->sa_flags & SA_SIGINFO) == 0 && action->sa_handler == SIG_DFL;
}

void th_interrupt_begin(struct thrum_runtime *runtime)
{
    struct sigaction before, action = {.sa_handler = th_interrupt_handle, .sa_flags = SA_RESTART | SA_ONSTACK};
    void *nobody = NULL;
    if (th_sys_sigaction(SIGINT, NULL, &before) < 0 || !is_default(&before))
        return;
    if (th_atomicptr_cas_release(&interrupted, &nobody, runtime)) /* [NT3] */
        (void)th_sys_sigaction(SIGINT, &action, NULL);
}

void th_interrupt_end(struct thrum_runtime *runtime)
{
    struct sigaction now;
    if (th_atomicptr_load_relaxed(&interrupted) != runtime)
        return;
    if (th_sys_sigaction(SIGINT, NULL, &now) == 0 && now.sa_handler == th_interrupt_handle)
        (void)th_sys_sigaction(SIGINT, &ends_program, NULL);
    th_atomicptr_store_seqcst(&interrupted, NULL);                                  /* [NT1] */
    while (th_atomic32_load_seqcst(&handlers) != 0 && !TH_MUTANT(end_without_wait)) /* [NT1] [NT2] */
        th_sys_thread_yield();
}
