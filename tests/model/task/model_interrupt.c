/* task/interrupt: a handler that runs while its runtime ends posts before that, or not at all. */
#include "model/model.h"

#include "task/interrupt.h"
#include "task/scope.h"

#include <thrum/task.h>

static struct thrum_runtime *runtime;
static int posts; /* plain: in the runtime's memory, so to speak */

int thrum_post(struct thrum_runtime *to, thrum_fn fn, void *arg)
{
    (void)fn;
    (void)arg;
    MODEL_CHECK(to == runtime);
    MODEL_CHECK(posts >= 0);
    posts++;
    return 0;
}

void th_scope_cancel_root(struct thrum_runtime *of, uint32_t reason)
{
    (void)of;
    (void)reason;
}

static void interrupt_now(void *arg)
{
    (void)arg;
    th_interrupt_handle(SIGINT);
}

MODEL(interrupt_meets_the_end, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 3)
{
    runtime = (struct thrum_runtime *)(void *)&posts;
    posts = 0;
    th_interrupt_begin(runtime);
    th_model_thread(interrupt_now, NULL);
    th_interrupt_end(runtime);
    posts = -1;
    th_model_join_all();
}

MODEL(interrupt_finds_the_runtime_whole, .modes = MODEL_SC | MODEL_TSO | MODEL_WEAK, .preemptions = 3)
{
    runtime = (struct thrum_runtime *)(void *)&posts;
    th_model_thread(interrupt_now, NULL);
    posts = 0;
    th_interrupt_begin(runtime);
    th_model_join_all();
    th_interrupt_end(runtime);
}
