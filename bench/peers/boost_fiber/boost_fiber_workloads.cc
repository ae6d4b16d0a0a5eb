// Boost.Fiber: round_robin on one thread, which is its default and its fastest; work_stealing on several, whose idle
// threads look for work without sleeping, as is its default (asleep, they would not notice work to steal). Stacks
// of 16 KiB without guard pages.
//
// Of Boost's own stack allocators one calls malloc for each fiber (2.6 us here with glibc's) and the pooled one may
// not be shared between threads, so this program brings what a careful user would: a cache of stacks per thread.
#include "workload.h"

#include <boost/fiber/all.hpp>
#include <boost/version.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

namespace fibers = boost::fibers;

// A stack goes back to the thread on which its fiber ended; that is never two threads at once.
class cached_stacks
{
  public:
    boost::context::stack_context allocate()
    {
        void *base = nullptr;
        if (free_list().empty()) {
            base = std::malloc(stack_bytes);
            if (!base)
                throw std::bad_alloc();
        } else {
            base = free_list().back();
            free_list().pop_back();
        }
        boost::context::stack_context context;
        context.size = stack_bytes;
        context.sp = static_cast<char *>(base) + stack_bytes;
        return context;
    }

    void deallocate(boost::context::stack_context &context)
    {
        free_list().push_back(static_cast<char *>(context.sp) - stack_bytes);
    }

  private:
    static constexpr size_t stack_bytes = 16384;

    // noinline: the address of a thread's variable may not be kept over a switch.
    [[gnu::noinline]] static std::vector<void *> &free_list()
    {
        static thread_local std::vector<void *> stacks;
        return stacks;
    }
};

template <typename Body> static fibers::fiber spawn(Body &&body)
{
    return fibers::fiber(fibers::launch::post, std::allocator_arg, cached_stacks(), std::forward<Body>(body));
}

// Runs the child first: in fork-join trees that keeps few stacks alive at once.
template <typename Body> static fibers::fiber spawn_and_run(Body &&body)
{
    return fibers::fiber(fibers::launch::dispatch, std::allocator_arg, cached_stacks(), std::forward<Body>(body));
}

static void join_all(std::vector<fibers::fiber> &list)
{
    for (auto &fiber : list)
        fiber.join();
    list.clear();
}

// Counts down to an event.
class countdown
{
  public:
    explicit countdown(uint64_t count) : left(count)
    {
    }

    void arrive()
    {
        if (left.fetch_sub(1) == 1) {
            std::unique_lock<fibers::mutex> lock(mutex);
            reached.notify_all();
        }
    }

    void wait()
    {
        std::unique_lock<fibers::mutex> lock(mutex);
        reached.wait(lock, [this] { return left.load() == 0; });
    }

  private:
    std::atomic<uint64_t> left;
    fibers::mutex mutex;
    fibers::condition_variable reached;
};

static void run_switch(struct bench *bench)
{
    uint64_t each = bench_count(bench, BENCH_SWITCHES / 2);
    auto body = [each] {
        for (uint64_t i = 0; i < each; i++)
            boost::this_fiber::yield();
    };
    bench_start(bench);
    fibers::fiber a = spawn(body), b = spawn(body);
    a.join();
    b.join();
    bench_stop(bench);
    bench_report_ns(bench, 2 * each);
}

template <typename Body> static void spawn_batches(struct bench *bench, Body body)
{
    uint64_t batches = bench_count(bench, BENCH_SPAWNS / BENCH_BATCH);
    std::vector<fibers::fiber> batch;
    batch.reserve(BENCH_BATCH);
    bench_start(bench);
    for (uint64_t n = 0; n < batches; n++) {
        for (int i = 0; i < BENCH_BATCH; i++)
            batch.push_back(spawn(body));
        join_all(batch);
    }
    bench_stop(bench);
    bench_report_ns(bench, batches * BENCH_BATCH);
}

static void run_spawn_join(struct bench *bench)
{
    spawn_batches(bench, [] {});
}

static void run_spawn_yield(struct bench *bench)
{
    spawn_batches(bench, [] { boost::this_fiber::yield(); });
}

using channel = fibers::buffered_channel<uint64_t>;

static void skynet(channel &results, uint64_t number, uint64_t leaves)
{
    if (leaves == 1) {
        results.push(number);
        return;
    }
    channel below{16}; // a power of two that holds the ten children
    uint64_t sum = 0, each = leaves / BENCH_SKYNET_CHILDREN;
    for (uint64_t i = 0; i < BENCH_SKYNET_CHILDREN; i++)
        spawn_and_run([&below, number, i, each] { skynet(below, number + i * each, each); }).detach();
    for (int i = 0; i < BENCH_SKYNET_CHILDREN; i++)
        sum += below.value_pop();
    results.push(sum);
}

static void run_skynet(struct bench *bench)
{
    uint64_t leaves = bench_skynet_leaves(bench);
    channel result{2};
    bench_start(bench);
    fibers::fiber root = spawn_and_run([&result, leaves] { skynet(result, 0, leaves); });
    uint64_t sum = result.value_pop();
    bench_stop(bench);
    root.join();
    bench_check(bench, "sum", sum, leaves * (leaves - 1) / 2);
    bench_report_ms(bench, static_cast<double>(leaves) / BENCH_LEAVES);
}

static uint64_t fib(int n)
{
    if (n < 2)
        return static_cast<uint64_t>(n);
    uint64_t x = 0;
    fibers::fiber child = spawn_and_run([&x, n] { x = fib(n - 1); });
    uint64_t y = fib(n - 2);
    child.join();
    return x + y;
}

static void run_fib(struct bench *bench)
{
    int n = bench_fib_n(bench);
    uint64_t result = 0;
    bench_start(bench);
    spawn_and_run([&result, n] { result = fib(n); }).join();
    bench_stop(bench);
    bench_check(bench, "fib", result, bench_fib_result(n));
    bench_report_ms(bench, bench_fib_share(n));
}

static void run_chan_pingpong(struct bench *bench)
{
    uint64_t round_trips = bench_count(bench, BENCH_ROUND_TRIPS), sum = 0;
    fibers::unbuffered_channel<uint64_t> there, back;
    bench_start(bench);
    fibers::fiber pong = spawn([&] {
        for (uint64_t i = 0; i < round_trips; i++)
            back.push(there.value_pop());
    });
    fibers::fiber ping = spawn([&] {
        for (uint64_t i = 0; i < round_trips; i++) {
            there.push(i);
            sum += back.value_pop();
        }
    });
    ping.join();
    pong.join();
    bench_stop(bench);
    bench_check(bench, "sum", sum, round_trips * (round_trips - 1) / 2);
    bench_report_ns(bench, round_trips);
}

static void run_chan_mpmc(struct bench *bench)
{
    uint64_t each = bench_count(bench, BENCH_MESSAGES / BENCH_CHANNEL_SIDES);
    std::atomic<uint64_t> sum{0};
    channel messages{BENCH_CHANNEL_CAPACITY};
    std::vector<fibers::fiber> producers, consumers;
    bench_start(bench);
    for (int i = 0; i < BENCH_CHANNEL_SIDES; i++) {
        producers.push_back(spawn([&] {
            for (uint64_t message = 0; message < each; message++)
                messages.push(message);
        }));
        consumers.push_back(spawn([&] {
            uint64_t received = 0, message;
            while (messages.pop(message) == fibers::channel_op_status::success)
                received += message;
            sum += received;
        }));
    }
    join_all(producers);
    messages.close();
    join_all(consumers);
    bench_stop(bench);
    bench_check(bench, "sum", sum, BENCH_CHANNEL_SIDES * (each * (each - 1) / 2));
    bench_report_ns(bench, BENCH_CHANNEL_SIDES * each);
}

static void run_mutex(struct bench *bench)
{
    uint64_t each = bench_count(bench, BENCH_LOCKS), taken = 0, guarded = BENCH_SEED;
    fibers::mutex mutex;
    std::vector<fibers::fiber> list;
    bench_start(bench);
    for (int task = 0; task < BENCH_MUTEX_TASKS; task++)
        list.push_back(spawn([&] {
            for (uint64_t i = 0; i < each; i++) {
                std::lock_guard<fibers::mutex> lock(mutex);
                guarded = bench_spin(guarded, BENCH_CRITICAL_STEPS);
                taken++;
            }
        }));
    join_all(list);
    bench_stop(bench);
    uint64_t locks = BENCH_MUTEX_TASKS * each;
    bench_check(bench, "count", taken, locks);
    bench_check(bench, "guarded value", guarded, bench_spin(BENCH_SEED, locks * BENCH_CRITICAL_STEPS));
    bench_report_ns(bench, locks);
}

static void run_sleep_many(struct bench *bench)
{
    uint64_t count = bench_count(bench, BENCH_SLEEPERS), random = 42;
    std::vector<uint32_t> late_us(count);
    countdown ended(count);
    bench_start(bench);
    for (uint64_t i = 0; i < count; i++) {
        std::chrono::milliseconds duration(bench_sleep_ms(&random));
        spawn([&ended, &late_us, i, duration] {
            uint64_t from = bench_now_ns();
            boost::this_fiber::sleep_for(duration);
            uint64_t slept_us = (bench_now_ns() - from) / 1000;
            late_us[i] = static_cast<uint32_t>(slept_us - static_cast<uint64_t>(duration.count()) * 1000);
            ended.arrive();
        }).detach();
    }
    ended.wait();
    bench_stop(bench);
    bench_lateness(bench, late_us.data(), count);
    bench_report_ms(bench, 1);
}

static void run_idle_mem(struct bench *bench)
{
    uint64_t count = bench_count(bench, BENCH_PARKED);
    fibers::mutex mutex;
    fibers::condition_variable opened;
    bool is_open = false;
    countdown arrived(count), ended(count);
    double rss = bench_rss_bytes();
    bench_start(bench);
    for (uint64_t i = 0; i < count; i++)
        spawn([&] {
            arrived.arrive();
            {
                std::unique_lock<fibers::mutex> lock(mutex);
                opened.wait(lock, [&] { return is_open; });
            }
            ended.arrive();
        }).detach();
    arrived.wait();
    bench_stop(bench);
    boost::this_fiber::sleep_for(std::chrono::milliseconds(50)); // the last arrivals get from the count to the wait
    double bytes = (bench_rss_bytes() - rss) / static_cast<double>(count);
    uint64_t woken = bench_now_ns();
    {
        std::unique_lock<fibers::mutex> lock(mutex);
        is_open = true;
        opened.notify_all();
    }
    ended.wait();
    bench_field(bench, "wake_ms", static_cast<double>(bench_now_ns() - woken) / 1e6);
    bench_report(bench, bytes, "bytes/task");
}

static void run_parallel_sum(struct bench *bench)
{
    uint64_t tasks = bench_count(bench, BENCH_SUM_TASKS);
    const uint64_t *steps = bench_sum_steps(bench, tasks);
    std::vector<uint64_t> results(tasks);
    std::vector<fibers::fiber> list;
    list.reserve(tasks);
    bench_start(bench);
    for (size_t i = 0; i < results.size(); i++)
        list.push_back(spawn([&results, steps, i] { results[i] = bench_spin(BENCH_SEED + i, steps[i]); }));
    join_all(list);
    bench_stop(bench);
    bench_sum_check(bench, steps, results.data(), tasks);
    bench_report_ms(bench, static_cast<double>(tasks) / BENCH_SUM_TASKS);
}

// work_stealing counts on all its threads: each joins the scheduler, and stays until the workload is over.
static void run_on_threads(struct bench *bench)
{
    auto count = static_cast<uint32_t>(bench->workers);
    fibers::mutex mutex;
    fibers::condition_variable_any ended;
    bool is_over = false;
    std::vector<std::thread> threads;
    for (uint32_t i = 1; i < count; i++)
        threads.emplace_back([&] {
            fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count);
            std::unique_lock<fibers::mutex> lock(mutex);
            ended.wait(lock, [&] { return is_over; });
        });
    fibers::use_scheduling_algorithm<fibers::algo::work_stealing>(count);
    bench->workload->run(bench);
    {
        std::unique_lock<fibers::mutex> lock(mutex);
        is_over = true;
    }
    ended.notify_all();
    for (auto &thread : threads)
        thread.join();
}

int main(int argc, char **argv)
{
    // fib, sleep_many and idle_mem are limited by memory: each live fiber keeps two or three pages.
    static const bench_workload workloads[] = {
        {"switch", run_switch, 1, 0},
        {"spawn_join", run_spawn_join, 0, 0},
        {"spawn_yield", run_spawn_yield, 0, 0},
        {"skynet", run_skynet, 0, 0},
        {"fib", run_fib, 0, 0.02},
        {"chan_pingpong", run_chan_pingpong, 0, 0},
        {"chan_mpmc", run_chan_mpmc, 0, 0},
        {"mutex", run_mutex, 0, 0},
        {"sleep_many", run_sleep_many, 0, 0.1},
        {"idle_mem", run_idle_mem, 0, 0.1},
        {"parallel_sum", run_parallel_sum, 0, 0},
        {},
    };
    struct bench bench;
    bench_open(&bench, argc, argv, "boost_fiber", "Boost.Fiber " BOOST_LIB_VERSION, workloads);
    if (bench.workers == 1)
        bench.workload->run(&bench);
    else
        run_on_threads(&bench);
}
