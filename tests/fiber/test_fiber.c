#include "fixture.h"

#include "base/fault.h"
#include "base/random.h"

#include <errno.h>
#include <execinfo.h>
#include <fenv.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct th_thread thread;
static struct th_fiber *host;

static void open_all(void)
{
    fixture_open(&thread);
    host = &thread.host;
}

static struct th_fiber *create(th_fiber_entry *entry, void *arg)
{
    struct th_fiber *fiber;
    CHECK_EQ(th_fiber_create(&thread, entry, arg, &fiber), 0);
    return fiber;
}

static struct th_fiber *add_one(void *arg)
{
    ++*(int *)arg;
    return host;
}

TEST(a_fiber_runs_ends_and_its_stack_comes_back)
{
    open_all();
    int count = 0;
    for (int i = 0; i < 1000; i++)
        th_fiber_switch(host, create(add_one, &count), NULL, NULL);
    CHECK_EQ(count, 1000);
    struct th_stack_counts counts;
    th_stack_count(&counts);
    if (!TH_ASAN)
        CHECK_EQ(counts.slots_used, TH_STACK_BATCH);
    fixture_close(&thread);
}

static struct th_fiber *ping_self;
static int turns;

static struct th_fiber *ping(void *arg)
{
    struct th_fiber *self = th_fiber_self();
    CHECK_PTR_EQ(self, ping_self);
    for (int i = 0; i < 1000; i++) {
        ++*(int *)arg;
        th_fiber_switch(self, host, NULL, NULL);
        CHECK_PTR_EQ(th_fiber_self(), self);
    }
    return host;
}

TEST(switching_forth_and_back_keeps_each_place)
{
    open_all();
    ping_self = create(ping, &turns);
    for (int i = 1; i <= 1000; i++) {
        CHECK_PTR_EQ(th_fiber_self(), NULL);
        th_fiber_switch(host, ping_self, NULL, NULL);
        CHECK_EQ(turns, i);
    }
    th_fiber_switch(host, ping_self, NULL, NULL);
    fixture_close(&thread);
}

struct ring {
    struct th_fiber *next;
    int *turns;
};

static struct th_fiber *go_round(void *arg)
{
    struct ring *place = arg;
    while (*place->turns > 0) {
        --*place->turns;
        th_fiber_switch(th_fiber_self(), place->next, NULL, NULL);
    }
    return host;
}

TEST(fibers_switch_directly_to_each_other)
{
    enum { PLACES = 50 };
    open_all();
    static struct ring ring[PLACES];
    static struct th_fiber *fibers[PLACES];
    int left = 100000;
    for (int i = 0; i < PLACES; i++) {
        ring[i].turns = &left;
        fibers[i] = create(go_round, &ring[i]);
    }
    for (int i = 0; i < PLACES; i++)
        ring[i].next = fibers[(i + 1) % PLACES];
    th_fiber_switch(host, fibers[0], NULL, NULL);
    CHECK_EQ(left, 0);
    /* One has ended; the others stand inside their switch and end when they are let. */
    for (int i = 0; i < PLACES; i++) {
        if (i != 100000 % PLACES)
            th_fiber_switch(host, fibers[i], NULL, NULL);
    }
    fixture_close(&thread);
}

static struct th_fiber *left_fiber;
static bool was_saved;

/* Runs on the stack switched to; the left fiber's context must be complete by now. */
static void note_left(struct th_fiber *left, void *arg)
{
    left_fiber = left;
    was_saved = left->context != arg;
    CHECK_PTR_NE(th_fiber_self(), left);
}

static struct th_fiber *leave_with_action(void *arg)
{
    (void)arg;
    struct th_fiber *self = th_fiber_self();
    th_fiber_switch(self, host, note_left, self->context);
    return host;
}

TEST(the_after_action_runs_on_the_new_stack_with_the_old_one_saved)
{
    open_all();
    struct th_fiber *fiber = create(leave_with_action, NULL);
    th_fiber_switch(host, fiber, NULL, NULL);
    CHECK_PTR_EQ(left_fiber, fiber);
    CHECK(was_saved);
    th_fiber_switch(host, fiber, NULL, NULL);
    fixture_close(&thread);
}

TEST(a_fiber_never_entered_is_dropped)
{
    open_all();
    for (int i = 0; i < 100; i++)
        th_fiber_drop(&thread, create(add_one, NULL));
    fixture_close(&thread);
}

TEST(ids_are_never_given_twice)
{
    open_all();
    uint64_t last = 0;
    for (int i = 0; i < 200000; i++) {
        struct th_fiber *fiber = create(add_one, NULL);
        CHECK_GT(fiber->id, last);
        last = fiber->id;
        th_fiber_drop(&thread, fiber);
    }
    struct th_thread other;
    fixture_open(&other);
    struct th_fiber *fiber;
    CHECK_EQ(th_fiber_create(&other, add_one, NULL, &fiber), 0);
    CHECK_GT(fiber->id, last);
    th_fiber_drop(&other, fiber);
    fixture_close(&other);
    fixture_close(&thread);
}

TEST(creation_reports_a_refused_stack)
{
    open_all();
    struct th_fiber *fiber;
    struct th_stack_counts counts;
    th_stack_count(&counts);
    CHECK_EQ(th_fault_plan(counts.is_guarded_by_mprotect ? "mprotect:1:ENOMEM" : "madvise:1:ENOMEM"), 0);
    CHECK_EQ(th_fiber_create(&thread, add_one, NULL, &fiber), -ENOMEM);
    CHECK_EQ(th_fiber_create(&thread, add_one, NULL, &fiber), 0);
    th_fiber_drop(&thread, fiber);
    fixture_close(&thread);
}

TEST(a_thread_that_cannot_be_set_up_leaves_nothing_behind)
{
    struct th_stack_options options = {0};
    static const char *const plans[] = {"sigaction:1:EINVAL", "sigaltstack:1:ENOMEM", "mmap:1:ENOMEM"};
    static const int wanted[] = {-EINVAL, -ENOMEM, -ENOMEM};
    CHECK_EQ(th_stack_open(&options), 0);
    for (size_t i = 0; i < TH_COUNT_OF(plans); i++) {
        CHECK_EQ(th_fault_plan(plans[i]), 0);
        CHECK_EQ(th_thread_init(&thread), wanted[i]);
    }
    CHECK_EQ(th_fault_plan(NULL), 0);
    CHECK_EQ(th_thread_init(&thread), 0);
    fixture_close(&thread);
}

/* Callee-saved registers and 16-byte alignment, as the compiler relies on them. */
static struct th_fiber *use_aligned_locals(void *arg)
{
    struct th_fiber *self = th_fiber_self();
    _Alignas(16) volatile float lanes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    CHECK_EQ((uintptr_t)lanes % 16, 0);
    double sum = 0;
    for (int i = 0; i < 100; i++) {
        th_fiber_switch(self, host, NULL, NULL);
        for (int k = 0; k < 8; k++)
            sum += (double)lanes[k];
    }
    *(double *)arg = sum;
    return host;
}

TEST(registers_and_alignment_survive)
{
    open_all();
    double sum = 0;
    struct th_fiber *fiber = create(use_aligned_locals, &sum);
    for (int i = 0; i < 101; i++)
        th_fiber_switch(host, fiber, NULL, NULL);
    CHECK_EQ(sum, 3600);
    fixture_close(&thread);
}

static struct th_fiber *first_word(void *arg)
{
    char text[64] = "on a stack of its own";
    char *copy = malloc(64);
    memcpy(copy, text, sizeof text);
    *(char **)arg = copy; /* reachable from the host's stack only while it stands there */
    char *volatile held = copy;
    th_fiber_switch(th_fiber_self(), host, NULL, NULL);
    CHECK_STR_EQ(held, "on a stack of its own");
    free(held);
    return host;
}

TEST(memory_held_by_a_parked_fiber_is_no_leak)
{
    /* LeakSanitizer, where it is on, must find the pointer on the parked fiber's stack: it exits non-zero otherwise. */
    open_all();
    char *copy = NULL;
    struct th_fiber *fiber = create(first_word, &copy);
    th_fiber_switch(host, fiber, NULL, NULL);
    copy = NULL;
#if TH_ASAN
    CHECK_EQ(__lsan_do_recoverable_leak_check(), 0);
#endif
    th_fiber_switch(host, fiber, NULL, NULL);
    fixture_close(&thread);
}

/* ---- Migration ---- */

enum { MOVERS = 16, HOPS = 2000 };

static th_atomic32 arrivals;

/* A parked fiber in a one-place box between two threads: whoever empties it runs it. */
static th_atomicptr box[MOVERS];

static void put_in_box(struct th_fiber *left, void *arg)
{
    th_atomicptr_store_release((th_atomicptr *)arg, left); /* see Note [Publish after save] */
}

static struct th_fiber *hop(void *arg)
{
    th_atomicptr *mine = arg;
    struct th_fiber *self = th_fiber_self();
    uint64_t id = self->id;
    int round = (int)(id % 4), modes[] = {FE_TONEAREST, FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO};
    CHECK_EQ(fesetround(modes[round]), 0);
    for (int i = 0; i < (kit_is_slow() ? HOPS / 20 : HOPS); i++) {
        th_fiber_switch(self, &self->thread->host, put_in_box, mine);
        CHECK_PTR_EQ(th_fiber_self(), self);
        CHECK_EQ(self->id, id);
        CHECK_EQ(fegetround(), modes[round]);
    }
    th_atomic32_add_release(&arrivals, 1);
    return &self->thread->host;
}

static void *run_boxes(void *arg)
{
    (void)arg;
    struct th_thread runner;
    struct th_random random;
    fixture_open(&runner);
    th_random_init(&random, kit_seed());
    while (th_atomic32_load_acquire(&arrivals) < MOVERS) {
        th_atomicptr *from = &box[th_random_below(&random, MOVERS)];
        struct th_fiber *fiber = th_atomicptr_exchange_acqrel(from, NULL);
        if (fiber != NULL)
            th_fiber_switch(&runner.host, fiber, NULL, NULL);
        CHECK_EQ(fegetround(), FE_TONEAREST);
    }
    fixture_close(&runner);
    return NULL;
}

TEST(identity_and_rounding_mode_go_with_the_fiber_over_threads)
{
    pthread_t threads[4];
    open_all();
    (void)kit_seed();
    for (int i = 0; i < MOVERS; i++) {
        struct th_fiber *fiber = create(hop, &box[i]);
        th_atomicptr_store_release(&box[i], fiber);
    }
    for (int i = 0; i < 4; i++)
        CHECK_EQ(th_sys_thread_start(&threads[i], 0, run_boxes, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(th_sys_thread_join(threads[i]), 0);
    fixture_close(&thread);
}

TEST(forty_thousand_fibers_live_at_once)
{
    enum { MANY = 40000 };
    if (TH_ASAN)
        SKIP("guards under ASan are mappings, of which there are too few");
    static struct th_fiber *fibers[MANY];
    static int counts[MANY];
    open_all();
    int many = kit_is_valgrind() ? MANY / 10 : MANY;
    for (int i = 0; i < many; i++)
        fibers[i] = create(ping, &counts[i]);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < many; i++) {
            ping_self = fibers[i];
            th_fiber_switch(host, fibers[i], NULL, NULL);
            CHECK_EQ(counts[i], round);
        }
    }
    /* Abandoned in the middle, as at the end of a program. */
    for (int i = 0; i < many; i++)
        th_fiber_drop(&thread, fibers[i]);
    fixture_close(&thread);
}

/* ---- Debuggers ---- */

static void *frames[64];
static int depth;

static TH_NOINLINE void count_frames(int more)
{
    if (more > 0) {
        count_frames(more - 1);
        th_fence_compiler();
        return;
    }
    depth = backtrace(frames, 64);
}

static struct th_fiber *trace(void *arg)
{
    (void)arg;
    count_frames(5);
    return host;
}

TEST(a_backtrace_stops_at_the_bottom_of_the_fiber)
{
    open_all();
    th_fiber_switch(host, create(trace, NULL), NULL, NULL);
    /* count_frames six times, trace, th_fiber_main - and th_context_start is the last that there is. */
    CHECK_GE(depth, 9);
    CHECK_LT(depth, 64);
    uintptr_t last = (uintptr_t)frames[depth - 1], start = (uintptr_t)th_context_start;
    CHECK_GT(last, start);
    CHECK_LT(last, start + 32);
    fixture_close(&thread);
}
