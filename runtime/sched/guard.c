#include "sched/guard.h"

#include "base/sys.h"

bool th_guard_is_asymmetric;

/* A revoker is inside for a microsecond; longer only if the kernel took it off its core. */
enum { SPINS = 200 };

void th_guard_open(void)
{
    static bool is_open;
    if (is_open)
        return;
    is_open = true;
    th_guard_is_asymmetric = th_sys_membarrier_register() == 0;
}

/* Steps outside until the revoker has left. */
static void wait_outside(struct th_guard *guard)
{
    th_atomic32_store_release(&guard->in_op, 0); /* [D2] */
    for (uint32_t turn = 0; (th_atomic32_load_relaxed(&guard->attention) & TH_GUARD_REVOKED) != 0; turn++) {
        if (turn < SPINS)
            th_cpu_relax();
        else
            th_sys_thread_yield();
    }
}

uint32_t th_guard_settle(struct th_guard *guard, uint32_t attention)
{
    while ((attention & TH_GUARD_REVOKED) != 0) {
        wait_outside(guard);
        attention = th_guard_try(guard);
    }
    return attention;
}

/* The revoker's half of [D1]: false if the kernel could not (it wants memory for it). */
static bool fence_everybody(void)
{
    if (TH_MUTANT(force_without_fence))
        return true;
    bool is_done = !th_guard_is_asymmetric || th_sys_membarrier() == 0;
    th_fence_seqcst(); /* [D1] */
    return is_done;
}

enum th_guard_force th_guard_force(struct th_guard *guard, uint32_t asker, uint32_t patience)
{
    uint32_t seen = asker;
    /* What the last revoker did inside is seen too: the owner need not have been inside since. */
    if (!th_atomic32_cas_acquire(&guard->attention, &seen, asker | TH_GUARD_REVOKED)) /* [D3] */
        return TH_GUARD_ACCEPTED;
    if (!fence_everybody()) {
        th_guard_restore(guard);
        return TH_GUARD_BUSY;
    }
    for (uint32_t turn = 0; turn <= patience; turn++) {
        if (th_atomic32_load_acquire(&guard->in_op) == 0 || TH_MUTANT(force_without_look)) /* [D2] */
            return TH_GUARD_INSIDE;
        th_cpu_relax();
    }
    th_guard_restore(guard);
    return TH_GUARD_BUSY;
}
