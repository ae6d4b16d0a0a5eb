#include "sched/registry.h"

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sys.h"

/* A debugger finds them by this name. */
static th_atomicptr th_registry[TH_REGISTRY_MOST];
static th_atomic32 looks = TH_ATOMIC_INIT(0);

void th_registry_add(struct thrum_runtime *runtime)
{
    for (uint32_t i = 0; i < TH_REGISTRY_MOST; i++) {
        void *nobody = NULL;
        if (th_atomicptr_cas_release(&th_registry[i], &nobody, runtime)) /* [RG3] */
            return;
    }
}

/* Rare, and short but for a dump into a pipe that nobody reads. */
static void await_lookers(void)
{
    while (th_atomic32_load_seqcst(&looks) != 0) /* [RG1] [RG2] */
        th_sys_thread_yield();
}

void th_registry_remove(struct thrum_runtime *runtime)
{
    for (uint32_t i = 0; i < TH_REGISTRY_MOST; i++) {
        if (th_atomicptr_load_relaxed(&th_registry[i]) == runtime)
            th_atomicptr_store_seqcst(&th_registry[i], NULL); /* [RG1] */
    }
    if (!TH_MUTANT(remove_without_wait))
        await_lookers();
}

void th_registry_enter(void)
{
    (void)th_atomic32_add_seqcst(&looks, 1); /* [RG1] */
}

void th_registry_leave(void)
{
    (void)th_atomic32_sub_release(&looks, 1); /* [RG2] */
}

struct thrum_runtime *th_registry_at(uint32_t place)
{
    return th_atomicptr_load_seqcst(&th_registry[place]); /* [RG1] [RG3] */
}
