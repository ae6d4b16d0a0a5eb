/*
 * Benchmarks in C over Google Benchmark: bench.cc is the only C++ file and registers what stands in the others.
 *
 *     static void run(int64_t count) { while (count-- > 0) ... }
 *     BENCH(switch_ping_pong, .run = run, .setup = open_two, .teardown = close_two)
 *
 * run does `count` operations and is what is timed; the figure is time per operation. setup and teardown stand
 * around each measurement. With args, the benchmark runs once for each and setup gets it. report names further
 * figures, with bench_counter, after the measurement and before teardown.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { BENCH_ARGS_MAX = 12 };

struct bench {
    const char *name;
    void (*run)(int64_t count);
    void (*setup)(int64_t arg);
    void (*report)(void);
    void (*teardown)(void);
    int64_t args[BENCH_ARGS_MAX]; /* ended by 0 */
    int64_t count;                /* operations in one call of run; 0: 10,000 */
    int is_once;                  /* one call of run is the measurement */
    struct bench *next;
};

void bench_register(struct bench *bench);
void bench_counter(const char *name, double value);
/* Ends the program with a message: a benchmark whose result is wrong has no figure. */
__attribute__((noreturn)) void bench_fail(const char *what);

#define BENCH(bench_name, ...)                                                   \
    static struct bench bench_##bench_name = {.name = #bench_name, __VA_ARGS__}; \
    __attribute__((constructor)) static void bench_add_##bench_name(void)        \
    {                                                                            \
        bench_register(&bench_##bench_name);                                     \
    }

#ifdef __cplusplus
}
#endif
#endif
