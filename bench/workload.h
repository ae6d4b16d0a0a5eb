/*
 * What the workload programs in C and C++ share: the command line, the clock, the sizes, the arithmetic that tasks
 * do, the checks, and the one JSON line at the end. The programs in Go, Rust and Python repeat these definitions in
 * their own words; bench/README.md describes them all.
 *
 *     static void run_fib(struct bench *bench)
 *     {
 *         int n = bench_fib_n(bench);
 *         bench_start(bench);
 *         uint64_t result = fib(n);
 *         bench_stop(bench);
 *         bench_check(bench, "fib", result, bench_fib_result(n));
 *         bench_report_ms(bench, bench_fib_share(n));
 *     }
 *
 * One thread calls these functions, or, in a runtime that moves its main task about, one task.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    BENCH_BATCH = 1000, /* tasks that spawn_join and spawn_yield have in flight at once */
    BENCH_SKYNET_CHILDREN = 10,
    BENCH_CHANNEL_CAPACITY = 128, /* chan_mpmc */
    BENCH_CHANNEL_SIDES = 8,      /* chan_mpmc: so many producers, and so many consumers */
    BENCH_SELECT_CASES = 8,       /* select_ready */
    BENCH_MUTEX_TASKS = 64,
    BENCH_CRITICAL_STEPS = 10, /* bench_spin steps under the lock: about 20 ns */
};

/* Sizes at scale 1. */
#define BENCH_SWITCHES    4000000 /* yields, both tasks together */
#define BENCH_SPAWNS      1000000
#define BENCH_LEAVES      1000000
#define BENCH_ROUND_TRIPS 500000
#define BENCH_MESSAGES    4000000
#define BENCH_SELECTS     1000000
#define BENCH_TIMEOUTS    1000000
#define BENCH_LOCKS       100000 /* by each of the tasks */
#define BENCH_SLEEPERS    1000000
#define BENCH_PARKED      1000000
#define BENCH_SUM_TASKS   10000
#define BENCH_SUM_STEPS   100000 /* of bench_spin, for the average task */

#define BENCH_SEED UINT64_C(88172645463325252)

struct bench;

struct bench_workload {
    const char *name;
    void (*run)(struct bench *bench);
    int workers_max;  /* 0: any number */
    double scale_max; /* 0: full size; else the largest part of it that ends within seconds and gigabytes */
};

struct bench {
    const char *peer;
    const struct bench_workload *workload;
    int workers;
    double scale;
    uint64_t started_ns, took_ns;
    double started_cpu_s, took_cpu_s;
    char fields[512]; /* further JSON members, each with its leading comma */
};

/* Reads the command line `WORKLOAD WORKERS [--scale S]`. Does --list, --version and --help itself, and ends the
   program after them, as it does after a mistake. `workloads` ends with an entry without a name. */
void bench_open(struct bench *bench, int argc, char **argv, const char *peer, const char *version,
                const struct bench_workload *workloads);

/* `full` operations at the scale asked for; at least one. */
uint64_t bench_count(const struct bench *bench, uint64_t full);

/* Around the part that is measured: wall clock and CPU time of the process. */
void bench_start(struct bench *bench);
void bench_stop(struct bench *bench);

/* A wrong result ends the program with 1 and says what was wrong. */
void bench_check(const struct bench *bench, const char *what, uint64_t got, uint64_t expected);
void bench_fail(const struct bench *bench, const char *why) __attribute__((noreturn));

/* A further member of the report. Before the report. */
void bench_field(struct bench *bench, const char *name, double value);

/* The JSON line. Once, last. `share` is how much of the full size was run: the time is scaled up to the full size. */
void bench_report_ns(struct bench *bench, uint64_t operations);
void bench_report_ms(struct bench *bench, double share);
void bench_report(struct bench *bench, double value, const char *unit);

uint64_t bench_now_ns(void);
double bench_rss_bytes(void);

/* skynet: a power of ten. */
uint64_t bench_skynet_leaves(const struct bench *bench);

/* fib: 32 at full size; smaller n have their share of its calls. */
int bench_fib_n(const struct bench *bench);
uint64_t bench_fib_result(int n);
double bench_fib_share(int n);

/* sleep_many: 1..1000 ms, the same sequence everywhere. `late_us` is sorted in place and reported. */
uint64_t bench_random(uint64_t *state);
uint32_t bench_sleep_ms(uint64_t *state);
void bench_lateness(struct bench *bench, uint32_t late_us[], size_t n);

/* parallel_sum: the steps of each of `tasks` tasks, a power law, shuffled. Result i is bench_spin(BENCH_SEED + i,
   steps[i]). The check computes a sample again. */
uint64_t *bench_sum_steps(const struct bench *bench, uint64_t tasks);
void bench_sum_check(const struct bench *bench, const uint64_t steps[], const uint64_t results[], uint64_t tasks);

/* Work that no compiler folds: a chain of xorshift steps, about 2 ns each. */
static inline uint64_t bench_spin(uint64_t x, uint64_t steps)
{
    for (uint64_t i = 0; i < steps; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
    }
    return x;
}

#ifdef __cplusplus
}
#endif

#endif
