/*
 * OpenMP tasks of GCC's libgomp. They are stackless: a task runs to its end on the stack of whoever takes it, so
 * there is no task that sleeps, parks or yields here. With one thread libgomp runs each task at once, in place.
 */
#include "workload.h"

#include <omp.h>
#include <stdlib.h>

#define VERSION_TEXT_OF(x) #x
#define VERSION_TEXT(x)    VERSION_TEXT_OF(x)

static uint64_t fib(int n)
{
    if (n < 2)
        return (uint64_t)n;
    uint64_t x, y;
#pragma omp task shared(x)
    x = fib(n - 1);
    y = fib(n - 2);
#pragma omp taskwait
    return x + y;
}

static uint64_t skynet(uint64_t number, uint64_t leaves)
{
    if (leaves == 1)
        return number;
    uint64_t results[BENCH_SKYNET_CHILDREN], sum = 0, below = leaves / BENCH_SKYNET_CHILDREN;
    for (unsigned i = 0; i < BENCH_SKYNET_CHILDREN; i++) {
#pragma omp task shared(results)
        results[i] = skynet(number + i * below, below);
    }
#pragma omp taskwait
    for (unsigned i = 0; i < BENCH_SKYNET_CHILDREN; i++)
        sum += results[i];
    return sum;
}

static void run_spawn_join(struct bench *bench)
{
    uint64_t batches = bench_count(bench, BENCH_SPAWNS / BENCH_BATCH), ran = 0;
    bench_start(bench);
    for (uint64_t batch = 0; batch < batches; batch++) {
        for (int i = 0; i < BENCH_BATCH; i++) {
#pragma omp task
            __asm__ volatile("");
        }
#pragma omp taskwait
        ran += BENCH_BATCH;
    }
    bench_stop(bench);
    bench_report_ns(bench, ran);
}

static void run_fib(struct bench *bench)
{
    int n = bench_fib_n(bench);
    bench_start(bench);
    uint64_t result = fib(n);
    bench_stop(bench);
    bench_check(bench, "fib", result, bench_fib_result(n));
    bench_report_ms(bench, bench_fib_share(n));
}

static void run_skynet(struct bench *bench)
{
    uint64_t leaves = bench_skynet_leaves(bench);
    bench_start(bench);
    uint64_t sum = skynet(0, leaves);
    bench_stop(bench);
    bench_check(bench, "sum", sum, leaves * (leaves - 1) / 2);
    bench_report_ms(bench, (double)leaves / BENCH_LEAVES);
}

static void run_parallel_sum(struct bench *bench)
{
    uint64_t tasks = bench_count(bench, BENCH_SUM_TASKS);
    uint64_t *steps = bench_sum_steps(bench, tasks), *results = calloc(tasks, sizeof *results);
    if (!results)
        bench_fail(bench, "no memory");
    bench_start(bench);
    for (uint64_t i = 0; i < tasks; i++) {
#pragma omp task
        results[i] = bench_spin(BENCH_SEED + i, steps[i]);
    }
#pragma omp taskwait
    bench_stop(bench);
    bench_sum_check(bench, steps, results, tasks);
    bench_report_ms(bench, (double)tasks / BENCH_SUM_TASKS);
}

int main(int argc, char **argv)
{
    static const struct bench_workload workloads[] = {
        {.name = "spawn_join", .run = run_spawn_join},
        {.name = "skynet", .run = run_skynet},
        {.name = "fib", .run = run_fib},
        {.name = "parallel_sum", .run = run_parallel_sum},
        {0},
    };
    struct bench bench;
    bench_open(&bench, argc, argv, "openmp", "libgomp of GCC " __VERSION__ ", OpenMP " VERSION_TEXT(_OPENMP),
               workloads);
    omp_set_num_threads(bench.workers);
#pragma omp parallel
#pragma omp single
    bench.workload->run(&bench);
    return 0;
}
