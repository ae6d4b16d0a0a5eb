/*
 * The three assertions, and the end of the program.
 *
 *   THRUM_CHECK(condition, "what the user did wrong and what to do")   always on: the user's mistake
 *   TH_ASSERT(condition)                                               our belief: debug and test builds
 *   TH_AUDIT(expression)                                               walks a structure: audit builds
 *
 * None has side effects. A panic prints one line (`thrum: ` and the text), then what the running fiber is, then a
 * backtrace, and aborts. It uses no allocation and no stdio, so that it works on a small or damaged stack.
 */
#ifndef TH_BASE_PANIC_H
#define TH_BASE_PANIC_H

#include "base/compiler.h"

TH_NORETURN TH_COLD TH_PRINTF(1, 2) void th_panic(const char *format, ...);

/* One line on stderr, cut at 512 bytes; safe in a signal handler for %s %d %u %ld %lu %zu %lx %p. */
TH_COLD TH_PRINTF(1, 2) void th_report(const char *format, ...);

/* The stack of the caller, symbolised, on stderr. Frames below `skip` are left out. */
TH_COLD void th_report_backtrace(int skip);

/* One address of code, symbolised, on stderr. */
TH_COLD void th_report_place(const void *address);

/* The function at an address, if the program lets its symbols be seen, or the address itself; cut. */
enum { TH_SYMBOL_BYTES = 64 };
TH_COLD void th_report_symbol(const void *address, char text[TH_SYMBOL_BYTES]);

/* How to have a run with a seed again: the variable and the program's own command, on stderr. */
TH_COLD void th_report_seed(uint64_t seed);

/* The seed of the run that is under way, 0: none. A panic says it. */
extern uint64_t th_panic_seed;

/* Says who was running, for a panic's second line. fiber/ sets it; base/ knows no fibers. */
extern void (*th_panic_context)(void);

/* Says what all others do, at the end of a panic, of an overflow's report and of a deadlock's; observe/ sets it. */
extern void (*th_panic_rest)(void);

#define THRUM_CHECK(condition, ...)    \
    do {                               \
        if (TH_UNLIKELY(!(condition))) \
            th_panic(__VA_ARGS__);     \
    } while (0)

#if defined(TH_DEBUG)
#define TH_ASSERT(condition)                                                                    \
    do {                                                                                        \
        if (TH_UNLIKELY(!(condition)))                                                          \
            th_panic("%s:%d: %s: belief broken: %s", __FILE__, __LINE__, __func__, #condition); \
    } while (0)
#else
#define TH_ASSERT(condition) ((void)sizeof(condition))
#endif

#if defined(TH_AUDITS)
#define TH_AUDIT(expression) (expression)
#else
#define TH_AUDIT(expression) ((void)0)
#endif

#endif
