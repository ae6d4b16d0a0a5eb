/* sched/registry: who looks at a runtime that it has found touches it before the runtime's end goes on. */
#include "model/model.h"

#include "sched/registry.h"

#include "base/atomic.h"

static int runtime; /* plain: the end writes it when nobody looks any more */

static struct thrum_runtime *the_runtime(void)
{
    return (struct thrum_runtime *)(void *)&runtime;
}

static void look(void *arg)
{
    (void)arg;
    th_registry_enter();
    struct thrum_runtime *found = th_registry_at(0);
    if (found != NULL)
        MODEL_CHECK_EQ(*(int *)(void *)found, 1);
    th_registry_leave();
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(registry_keeps_what_is_looked_at, .modes = ALL)
{
    runtime = 1;
    th_registry_add(the_runtime());
    th_model_thread(look, NULL);
    th_registry_remove(the_runtime());
    runtime = 2;
}

/* What the opener wrote before is seen by who finds it. */
static void open_and_close(void *arg)
{
    (void)arg;
    runtime = 1;
    th_registry_add(the_runtime());
    th_registry_remove(the_runtime());
    runtime = 2;
}

MODEL(registry_shows_whole_runtimes, .modes = ALL)
{
    th_model_thread(open_and_close, NULL);
    look(NULL);
}
