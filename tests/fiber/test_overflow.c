#include "base/random.h"
#include "fixture.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static struct th_thread thread;

static volatile int depth_most = INT32_MAX; /* so that the compiler cannot see that it is endless */

static TH_NOINLINE int recurse(int depth, volatile char *before)
{
    volatile char frame[256];
    frame[0] = before[0];
    if (depth == depth_most)
        return 0;
    int below = recurse(depth + 1, frame);
    return below + frame[depth % 256];
}

static TH_NOINLINE int take_a_frame(size_t bytes)
{
    volatile char *frame = __builtin_alloca(bytes);
    frame[0] = 1;
    return frame[0] + frame[bytes - 1];
}

static struct th_fiber *overflow_by_recursion(void *arg)
{
    (void)arg;
    volatile char first[1] = {1};
    recurse(0, first);
    return &thread.host;
}

static struct th_fiber *overflow_by_a_frame(void *arg)
{
    take_a_frame((size_t)arg);
    return &thread.host;
}

/* Deep, but not too deep: a stack of 256 KiB holds it. */
static struct th_fiber *nearly_overflow(void *arg)
{
    take_a_frame((size_t)arg);
    return &thread.host;
}

static void handle_by_recursion(int signo)
{
    volatile char first[1] = {(char)signo};
    recurse(0, first);
}

static struct th_fiber *overflow_in_a_handler(void *arg)
{
    (void)arg;
    /* No SA_ONSTACK: the handler runs on the fiber's stack. */
    struct sigaction act = {.sa_handler = handle_by_recursion};
    CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
    raise(SIGUSR1);
    return &thread.host;
}

static void ignore_it(int signo)
{
    (void)signo;
}

/* Leaves less than a signal frame's room, then lets one come. */
static TH_NOINLINE int raise_at_the_edge(int depth)
{
    volatile char frame[16];
    frame[0] = (char)depth;
    if (th_stack_pointer() > th_stack_low(th_fiber_self()->slot) + 1024)
        return raise_at_the_edge(depth + 1) + frame[0];
    raise(SIGUSR1);
    return frame[0];
}

static struct th_fiber *overflow_by_a_signal_frame(void *arg)
{
    (void)arg;
    struct sigaction act = {.sa_handler = ignore_it};
    CHECK_EQ(sigaction(SIGUSR1, &act, NULL), 0);
    raise_at_the_edge(0);
    return &thread.host;
}

struct scene {
    th_fiber_entry *entry;
    void *arg;
    char name[32];
    uint64_t ids_before; /* the fiber that overflows is number ids_before + 1 */
};

static void play(void *arg)
{
    const struct scene *scene = arg;
    struct th_fiber *fiber;
    fixture_open(&thread);
    for (uint64_t i = 0; i < scene->ids_before; i++) {
        CHECK_EQ(th_fiber_create(&thread, scene->entry, scene->arg, &fiber), 0);
        th_fiber_drop(&thread, fiber);
    }
    CHECK_EQ(th_fiber_create(&thread, scene->entry, scene->arg, &fiber), 0);
    fiber->name = scene->name;
    th_fiber_switch(&thread.host, fiber, NULL, NULL);
}

static void check_named(const struct scene *scene)
{
    static struct kit_outcome outcome;
    char wanted[128];
    kit_in_child(play, (void *)(uintptr_t)scene, &outcome);
    snprintf(wanted, sizeof wanted, "thrum: stack overflow: fiber %" PRIu64 " (%s) used all of its 256 KiB",
             scene->ids_before + 1, scene->name);
    CHECK_STR_HAS(outcome.errors, wanted);
    CHECK_EQ(outcome.signo, SIGSEGV);
    /* A backtrace follows: at least the program's name. */
    CHECK_STR_HAS(strstr(outcome.errors, wanted), "test_fiber");
}

TEST(every_overflow_is_named)
{
    if (kit_is_emulated())
        SKIP("there are no guards under the emulator");
    static const struct {
        th_fiber_entry *entry;
        size_t arg;
        const char *name;
    } kinds[] = {
        {overflow_by_recursion, 0, "recursion"},
        {overflow_by_a_frame, 300 << 10, "a frame of 300 KiB"},
        {overflow_by_a_frame, 8 << 20, "a frame of 8 MiB"},
        {overflow_in_a_handler, 0, "in a signal handler"},
        {overflow_by_a_signal_frame, 0, "no room for a signal"},
    };
    struct th_random random;
    th_random_init(&random, kit_seed());
    int repeats = kit_is_slow() ? 2 : 60;
    for (int i = 0; i < repeats * (int)TH_COUNT_OF(kinds); i++) {
        size_t kind = (size_t)i % TH_COUNT_OF(kinds);
        /* ThreadSanitizer and Valgrind run handlers later or elsewhere than the kernel would. */
        if ((TH_TSAN || kit_is_valgrind()) &&
            (kinds[kind].entry == overflow_in_a_handler || kinds[kind].entry == overflow_by_a_signal_frame))
            continue;
        struct scene scene = {
            .entry = kinds[kind].entry, .arg = (void *)kinds[kind].arg, .ids_before = th_random_below(&random, 200)};
        strncpy(scene.name, kinds[kind].name, sizeof scene.name - 1);
        check_named(&scene);
    }
}

TEST(a_deep_stack_that_fits_is_left_alone)
{
    static struct kit_outcome outcome;
    struct scene scene = {.entry = nearly_overflow, .arg = (void *)(size_t)(200 << 10), .name = "fits"};
    kit_in_child(play, &scene, &outcome);
    CHECK_STR_EQ(outcome.errors, "");
    CHECK_EQ(outcome.exit_code, 0);
}

static struct th_fiber *fault_elsewhere(void *arg)
{
    *(volatile int *)arg = 1;
    return &thread.host;
}

TEST(another_fault_is_not_called_an_overflow_and_told_with_its_fiber)
{
    static struct kit_outcome outcome;
    struct scene scene = {.entry = fault_elsewhere, .arg = (void *)8, .name = "wild"};
    kit_in_child(play, &scene, &outcome);
    CHECK_PTR_EQ(strstr(outcome.errors, "stack overflow: fiber"), NULL);
    CHECK_NE(outcome.exit_code, 0);
    CHECK(outcome.signo == SIGSEGV || kit_is_slow());
    /* The sanitizers have a handler of their own. */
    if (!TH_ASAN && !TH_TSAN)
        CHECK_STR_HAS(outcome.errors, "(wild) dies of SIGSEGV at address 0x8");
}

static void handle_fault(int signo, siginfo_t *info, void *context)
{
    (void)signo;
    (void)context;
    _exit(info->si_addr == (void *)8 ? 42 : 43);
}

static void play_with_own_handler(void *arg)
{
    struct sigaction act = {.sa_sigaction = handle_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &act, NULL);
    play(arg);
}

TEST(the_programs_own_handler_still_gets_its_faults)
{
    static struct kit_outcome outcome;
    struct scene scene = {.entry = fault_elsewhere, .arg = (void *)8, .name = "wild"};
    kit_in_child(play_with_own_handler, &scene, &outcome);
    if (kit_is_valgrind())
        SKIP("Valgrind turns the fault into its own exit code");
    CHECK_EQ(outcome.exit_code, 42);
}

TEST(handlers_and_signal_stack_are_put_back)
{
    struct sigaction before, after;
    stack_t stack_before, stack_after;
    CHECK_EQ(sigaction(SIGSEGV, NULL, &before), 0);
    CHECK_EQ(sigaltstack(NULL, &stack_before), 0);
    for (int i = 0; i < 3; i++) {
        fixture_open(&thread);
        CHECK_EQ(sigaction(SIGSEGV, NULL, &after), 0);
        CHECK((void *)after.sa_sigaction != (void *)before.sa_sigaction);
        fixture_close(&thread);
    }
    CHECK_EQ(sigaction(SIGSEGV, NULL, &after), 0);
    CHECK_EQ(sigaltstack(NULL, &stack_after), 0);
    CHECK_PTR_EQ((void *)after.sa_sigaction, (void *)before.sa_sigaction);
    CHECK_EQ(stack_after.ss_flags, stack_before.ss_flags);
    if ((stack_before.ss_flags & SS_DISABLE) == 0)
        CHECK_PTR_EQ(stack_after.ss_sp, stack_before.ss_sp);
}

static struct th_fiber *panic_in_a_fiber(void *arg)
{
    th_panic("%s", (const char *)arg);
}

TEST(a_panic_says_in_which_fiber)
{
    static struct kit_outcome outcome;
    struct scene scene = {.entry = panic_in_a_fiber, .arg = (void *)(uintptr_t) "enough", .name = "worried"};
    kit_in_child(play, &scene, &outcome);
    CHECK_EQ(outcome.signo, SIGABRT);
    CHECK_STR_HAS(outcome.errors, "thrum: enough\nthrum: in fiber 1 (worried)\n");
}
