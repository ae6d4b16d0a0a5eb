#include "bench.h"

#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>

namespace
{

struct bench *first, **last = &first;
benchmark::State *measuring;

void measure(benchmark::State &state, const struct bench *bench)
{
    measuring = &state;
    if (bench->setup != nullptr)
        bench->setup(bench->args[0] != 0 ? state.range(0) : 0);
    int64_t count = bench->count != 0 ? bench->count : 10000;
    while (state.KeepRunningBatch(count))
        bench->run(count);
    if (bench->report != nullptr)
        bench->report();
    if (bench->teardown != nullptr)
        bench->teardown();
}

} // namespace

extern "C" void bench_register(struct bench *bench)
{
    *last = bench;
    last = &bench->next;
}

extern "C" void bench_counter(const char *name, double value)
{
    measuring->counters[name] = value;
}

extern "C" void bench_fail(const char *what)
{
    std::fprintf(stderr, "bench: wrong result: %s\n", what);
    std::exit(1);
}

int main(int argc, char **argv)
{
    for (const struct bench *bench = first; bench != nullptr; bench = bench->next) {
        auto *registered =
            benchmark::RegisterBenchmark(bench->name, [bench](benchmark::State &state) { measure(state, bench); });
        for (int i = 0; i < BENCH_ARGS_MAX && bench->args[i] != 0; i++)
            registered->Arg(bench->args[i]);
        if (bench->is_once)
            registered->Iterations(bench->count)->Unit(benchmark::kNanosecond);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    benchmark::RunSpecifiedBenchmarks();
    benchmark::Shutdown();
    return 0;
}
