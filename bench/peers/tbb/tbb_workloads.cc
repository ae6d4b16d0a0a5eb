// oneTBB's task_group. Its tasks are stackless closures: one runs to its end on the stack of whoever takes it, so
// there is no task that sleeps, parks or yields here.
#include "workload.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#include <tbb/version.h>

#include <array>
#include <numeric>
#include <vector>

static uint64_t fib(int n)
{
    if (n < 2)
        return static_cast<uint64_t>(n);
    uint64_t x, y;
    tbb::task_group group;
    group.run([&x, n] { x = fib(n - 1); });
    y = fib(n - 2);
    group.wait();
    return x + y;
}

static uint64_t skynet(uint64_t number, uint64_t leaves)
{
    if (leaves == 1)
        return number;
    uint64_t below = leaves / BENCH_SKYNET_CHILDREN;
    std::array<uint64_t, BENCH_SKYNET_CHILDREN> results;
    tbb::task_group group;
    for (size_t i = 0; i < results.size(); i++)
        group.run([&results, i, number, below] { results[i] = skynet(number + i * below, below); });
    group.wait();
    return std::accumulate(results.begin(), results.end(), uint64_t{0});
}

static void run_spawn_join(struct bench *bench)
{
    uint64_t batches = bench_count(bench, BENCH_SPAWNS / BENCH_BATCH);
    bench_start(bench);
    for (uint64_t batch = 0; batch < batches; batch++) {
        tbb::task_group group;
        for (int i = 0; i < BENCH_BATCH; i++)
            group.run([] {});
        group.wait();
    }
    bench_stop(bench);
    bench_report_ns(bench, batches * BENCH_BATCH);
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
    bench_report_ms(bench, static_cast<double>(leaves) / BENCH_LEAVES);
}

static void run_parallel_sum(struct bench *bench)
{
    uint64_t tasks = bench_count(bench, BENCH_SUM_TASKS);
    const uint64_t *steps = bench_sum_steps(bench, tasks);
    std::vector<uint64_t> results(tasks);
    bench_start(bench);
    tbb::task_group group;
    for (size_t i = 0; i < results.size(); i++)
        group.run([&results, steps, i] { results[i] = bench_spin(BENCH_SEED + i, steps[i]); });
    group.wait();
    bench_stop(bench);
    bench_sum_check(bench, steps, results.data(), tasks);
    bench_report_ms(bench, static_cast<double>(tasks) / BENCH_SUM_TASKS);
}

int main(int argc, char **argv)
{
    static const bench_workload workloads[] = {
        {"spawn_join", run_spawn_join, 0, 0},
        {"skynet", run_skynet, 0, 0},
        {"fib", run_fib, 0, 0},
        {"parallel_sum", run_parallel_sum, 0, 0},
        {},
    };
    struct bench bench;
    bench_open(&bench, argc, argv, "tbb", "oneTBB " TBB_VERSION_STRING, workloads);
    auto workers = static_cast<size_t>(bench.workers);
    tbb::global_control limit(tbb::global_control::max_allowed_parallelism, workers);
    tbb::task_arena arena(bench.workers);
    arena.execute([&bench] { bench.workload->run(&bench); });
}
