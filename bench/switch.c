/*
 * What does a switch cost, and what do colours save?
 *
 * bare_jump is the floor: the library's jump between two contexts, in a loop, nothing around it.
 * lean_jump and lean_jump_control are what a switch of our own could be: it pushes the six callee-saved registers and
 * ends in an indirect jump; the second saves MXCSR and the x87 control word too, as the library does (x86-64 only).
 * switch_ping_pong is th_fiber_switch between two fibers; switch_after the same with an after action each time;
 * switch_out_of_line the same through a function call, as a public function must: the jump leaves its own call
 * behind, so the return predictor is wrong once a switch.
 * switch_ring goes round N stacks, coloured; switch_ring_uncoloured without colours: beyond some hundred stacks
 * their hot lines, and later their page table entries, no longer fit in the caches.
 */
#include "bench.h"

#include "fiber/fiber.h"

#include <stdlib.h>

static struct th_thread thread;
static struct th_fiber *host, *partner;

static void open_all(bool is_uncoloured)
{
    struct th_stack_options options = {.is_uncoloured = is_uncoloured};
    if (th_stack_open(&options) < 0 || th_thread_init(&thread) < 0)
        bench_fail("cannot open the arena");
    host = &thread.host;
}

static void close_all(void)
{
    th_thread_fini(&thread);
    th_stack_close();
}

static struct th_fiber *create(th_fiber_entry *entry, void *arg)
{
    struct th_fiber *fiber;
    if (th_fiber_create(&thread, entry, arg, &fiber) < 0)
        bench_fail("no fiber");
    return fiber;
}

/* ---- The floor ---- */

#if !defined(TH_NATIVE_SWITCH)

static th_context other;

static void jump_back(struct th_transfer arrived)
{
    for (;;)
        arrived = th_context_jump(arrived.from, NULL);
}

static void open_bare(int64_t arg)
{
    (void)arg;
    static char stack[65536] TH_ALIGNED(16);
    other = th_context_make(stack + sizeof stack, sizeof stack, jump_back);
}

static void jump_bare(int64_t count)
{
    for (; count > 0; count -= 2)
        other = th_context_jump(other, NULL).from;
}

BENCH(bare_jump, .setup = open_bare, .run = jump_bare)
#endif

/* ---- A leaner one ---- */

#if defined(__x86_64__)
/* lean_jump(save, to): leaves the stack pointer at *save, goes on at `to`. */
void lean_jump(void **save, void *to);
void lean_jump_control(void **save, void *to);

#define LEAN_SAVE    "pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15\n"
#define LEAN_RESTORE "popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp\n"

__asm__(".text\n"
        "lean_jump:\n" LEAN_SAVE "movq %rsp, (%rdi)\n"
        "movq %rsi, %rsp\n" LEAN_RESTORE "popq %rcx\n"
        "jmp *%rcx\n"
        "lean_jump_control:\n" LEAN_SAVE "subq $8, %rsp\n"
        "stmxcsr (%rsp)\n"
        "fnstcw 4(%rsp)\n"
        "movq %rsp, (%rdi)\n"
        "movq %rsi, %rsp\n"
        "ldmxcsr (%rsp)\n"
        "fldcw 4(%rsp)\n"
        "addq $8, %rsp\n" LEAN_RESTORE "popq %rcx\n"
        "jmp *%rcx\n");

static void *lean_main, *lean_other;

static void lean_answer(void)
{
    for (;;)
        lean_jump(&lean_other, lean_main);
}

static void lean_answer_control(void)
{
    for (;;)
        lean_jump_control(&lean_other, lean_main);
}

/* A stack as the switch leaves one: control words if any, six registers, where to go on. */
static void *lean_stack(void (*entry)(void), int words)
{
    static uint64_t stack[8192] TH_ALIGNED(16);
    uint64_t *top = stack + TH_COUNT_OF(stack) - 2;
    *top-- = (uint64_t)(uintptr_t)entry;
    for (int i = 0; i < 6; i++)
        *top-- = 0;
    if (words > 0)
        *top-- = 0x37f00001f80u; /* both control words as a program starts with them */
    return top + 1;
}

static void open_lean(int64_t arg)
{
    (void)arg;
    lean_other = lean_stack(lean_answer, 0);
}

static void open_lean_control(int64_t arg)
{
    (void)arg;
    lean_other = lean_stack(lean_answer_control, 1);
}

static void jump_lean(int64_t count)
{
    for (; count > 0; count -= 2)
        lean_jump(&lean_main, lean_other);
}

static void jump_lean_control(int64_t count)
{
    for (; count > 0; count -= 2)
        lean_jump_control(&lean_main, lean_other);
}

BENCH(lean_jump, .setup = open_lean, .run = jump_lean)
BENCH(lean_jump_control, .setup = open_lean_control, .run = jump_lean_control)
#endif

/* ---- Two fibers ---- */

static bool is_over;

static struct th_fiber *answer(void *arg)
{
    (void)arg;
    struct th_fiber *self = th_fiber_self();
    while (!is_over)
        th_fiber_switch(self, host, NULL, NULL);
    return host;
}

static void nothing(struct th_fiber *left, void *arg)
{
    (void)left;
    (void)arg;
}

static struct th_fiber *answer_with_action(void *arg)
{
    (void)arg;
    struct th_fiber *self = th_fiber_self();
    while (!is_over)
        th_fiber_switch(self, host, nothing, NULL);
    return host;
}

static TH_NOINLINE void switch_out_of_line(struct th_fiber *from, struct th_fiber *to)
{
    th_fiber_switch(from, to, NULL, NULL);
}

static struct th_fiber *answer_out_of_line(void *arg)
{
    (void)arg;
    struct th_fiber *self = th_fiber_self();
    while (!is_over)
        switch_out_of_line(self, host);
    return host;
}

static void open_two(int64_t arg)
{
    (void)arg;
    open_all(false);
    is_over = false;
    partner = create(answer, NULL);
}

static void open_two_with_action(int64_t arg)
{
    (void)arg;
    open_all(false);
    is_over = false;
    partner = create(answer_with_action, NULL);
}

static void open_two_out_of_line(int64_t arg)
{
    (void)arg;
    open_all(false);
    is_over = false;
    partner = create(answer_out_of_line, NULL);
}

static void end_two(void)
{
    is_over = true;
    th_fiber_switch(host, partner, NULL, NULL);
    close_all();
}

static void ping_pong(int64_t count)
{
    for (; count > 0; count -= 2)
        th_fiber_switch(host, partner, NULL, NULL);
}

static void ping_pong_with_action(int64_t count)
{
    for (; count > 0; count -= 2)
        th_fiber_switch(host, partner, nothing, NULL);
}

static void ping_pong_out_of_line(int64_t count)
{
    for (; count > 0; count -= 2)
        switch_out_of_line(host, partner);
}

BENCH(switch_ping_pong, .setup = open_two, .run = ping_pong, .teardown = end_two)
BENCH(switch_after, .setup = open_two_with_action, .run = ping_pong_with_action, .teardown = end_two)
BENCH(switch_out_of_line, .setup = open_two_out_of_line, .run = ping_pong_out_of_line, .teardown = end_two)

/* ---- A ring ---- */

struct place {
    struct th_fiber *fiber;
    struct place *next;
};

static struct place *ring;
static int64_t ring_size, hops_left;

static struct th_fiber *go_round(void *arg)
{
    struct place *next = ((struct place *)arg)->next;
    struct th_fiber *self = th_fiber_self();
    while (!is_over) {
        struct th_fiber *to = --hops_left > 0 ? next->fiber : host;
        th_fiber_switch(self, to, NULL, NULL);
    }
    return host;
}

static void open_ring(int64_t size, bool is_uncoloured)
{
    open_all(is_uncoloured);
    is_over = false;
    ring_size = size;
    ring = calloc((size_t)size, sizeof *ring);
    for (int64_t i = 0; i < size; i++) {
        ring[i].next = &ring[(i + 1) % size];
        ring[i].fiber = create(go_round, &ring[i]);
    }
    hops_left = size;
    th_fiber_switch(host, ring[0].fiber, NULL, NULL);
}

static void open_ring_coloured(int64_t size)
{
    open_ring(size, false);
}

static void open_ring_uncoloured(int64_t size)
{
    open_ring(size, true);
}

static void run_ring(int64_t count)
{
    hops_left = count;
    th_fiber_switch(host, ring[0].fiber, NULL, NULL);
}

static void end_ring(void)
{
    is_over = true;
    for (int64_t i = 0; i < ring_size; i++)
        th_fiber_switch(host, ring[i].fiber, NULL, NULL);
    free(ring);
    close_all();
}

#define RING_SIZES                                    \
    {                                                 \
        16, 64, 256, 1024, 4096, 16384, 65536, 262144 \
    }

BENCH(switch_ring, .setup = open_ring_coloured, .run = run_ring, .teardown = end_ring, .args = RING_SIZES,
      .count = 1 << 20)
BENCH(switch_ring_uncoloured, .setup = open_ring_uncoloured, .run = run_ring, .teardown = end_ring, .args = RING_SIZES,
      .count = 1 << 20)
