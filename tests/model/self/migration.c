/*
 * Fibers that switch stacks inside modelled threads and move from one to another, as the runtime's do: who runs is
 * the checker's knowledge, not a stack's. The switch is Boost's, called by modelled code.
 */
#include "model/model.h"

#include "base/mutant.h"
#include "base/sys.h"

struct transfer {
    void *context;
    void *data;
};
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *stack_top, size_t bytes, void (*entry)(struct transfer));

enum { STACK_BYTES = 16384 };

struct fiber {
    void *context; /* plain: whoever was handed the fiber has it alone */
    int turns;
};

static struct fiber fiber;
static th_atomicptr ready; /* the fiber, when it waits to be run */
static th_atomic32 finished;
static void *worker_contexts[MODEL_THREADS];
static __thread int worker;

/* A function, so that the thread-local's address is not kept over a switch. */
static TH_NOINLINE int worker_here(void)
{
    return worker;
}

/* Runs on the fiber: back to whichever worker it is on now. */
static void fiber_yield(void)
{
    struct transfer from = jump_fcontext(worker_contexts[worker_here()], NULL);
    worker_contexts[worker_here()] = from.context;
}

static void fiber_body(struct transfer from)
{
    worker_contexts[worker_here()] = from.context;
    for (int i = 0; i < 3; i++) {
        fiber.turns++;
        fiber_yield();
    }
    th_atomic32_store_release(&finished, 1); /* [FB2] */
    for (;;)
        fiber_yield();
}

/* One turn of a worker: take the fiber if it is there, run it, hand it on. */
static void worker_turn(void)
{
    struct fiber *taken = th_atomicptr_exchange_acquire(&ready, NULL); /* [FB1] */
    if (taken == NULL)
        return;
    if (TH_MUTANT(publish_before_the_switch))
        th_atomicptr_store_release(&ready, taken);
    struct transfer back = jump_fcontext(taken->context, NULL);
    taken->context = back.context;
    if (!TH_MUTANT(publish_before_the_switch))
        th_atomicptr_store_release(&ready, taken); /* [FB1] */
}

static void worker_body(void *arg)
{
    worker = (int)(uintptr_t)arg;
    while (th_atomic32_load_acquire(&finished) == 0) { /* [FB2] */
        worker_turn();
        MODEL_CHECK_EQ(worker_here(), (int)(uintptr_t)arg);
    }
}

MODEL(fiber_moves_between_workers, .preemptions = 1)
{
    void *stack;
    MODEL_CHECK_EQ(th_sys_map_stacks(STACK_BYTES, &stack), 0);
    fiber.context = make_fcontext((char *)stack + STACK_BYTES, STACK_BYTES, fiber_body);
    th_atomicptr_store_relaxed(&ready, &fiber);
    th_model_thread(worker_body, (void *)(uintptr_t)1);
    th_model_thread(worker_body, (void *)(uintptr_t)2);
    th_model_join_all();
    MODEL_CHECK_EQ(fiber.turns, 3);
}

MODEL_SURVIVES("fiber_body#1", "nothing plain is read behind it but after the join")
MODEL_SURVIVES("worker_body#1", "nothing plain is read behind it but after the join")
