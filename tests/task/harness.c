/* The ledger of a whole process: what a runtime itself counts it has checked when it ended. */
#include "task/harness.h"

/* Every runtime has ended and given its stacks back: the arena closes with the last. */
static void no_runtime_is_left(void)
{
    CHECK_EQ(th_atomic64_load_relaxed(&th_stack_arena.bytes), 0);
}

__attribute__((constructor)) static void check_at_the_end(void)
{
    kit_at_end(no_runtime_is_left);
}
