/*
 * Contention: many tasks on one mutex for a while. Prints what an acquisition costs, the longest wait for one by the
 * clock and in CPU time of the process (which does not pass while others have its cores), how even the shares are
 * (Jain's index: 1 is even), and the CPU time used.
 *
 *     bench_contend TASKS WORKERS SECONDS [STEPS [OUTSIDE]]
 *
 * STEPS xorshift steps inside (10: about 20 ns), OUTSIDE of them outside. A wait is timed when the lock was not free at
 * the first try, so that the clock does not slow down those that do not wait.
 */
#include "workload.h"

#include <thrum.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static thrum_mutex contended = THRUM_MUTEX_INIT;
static uint64_t guarded = BENCH_SEED, taken, steps = BENCH_CRITICAL_STEPS, outside;
static uint64_t ends_ns;

enum { LONG_NS = 10000000 };

struct contender {
    uint64_t taken, waits, long_waits, longest_ns, longest_cpu_ns;
    char apart[88];
};

static uint64_t cpu_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void lock(struct contender *self)
{
    if (thrum_mutex_try_lock(&contended) == 0)
        return;
    uint64_t from = bench_now_ns(), cpu_from = cpu_now_ns();
    if (thrum_mutex_lock(&contended) < 0)
        abort();
    uint64_t took = bench_now_ns() - from, cpu_took = cpu_now_ns() - cpu_from;
    self->waits++;
    self->long_waits += took > LONG_NS;
    self->longest_ns = took > self->longest_ns ? took : self->longest_ns;
    self->longest_cpu_ns = cpu_took > self->longest_cpu_ns ? cpu_took : self->longest_cpu_ns;
}

static int contend(void *arg)
{
    struct contender *self = arg;
    uint64_t own = BENCH_SEED;
    while (self->taken % 1024 != 0 || bench_now_ns() < ends_ns) {
        lock(self);
        guarded = bench_spin(guarded, steps);
        taken++;
        self->taken++;
        thrum_mutex_unlock(&contended);
        own = bench_spin(own, outside);
    }
    return own == 0;
}

struct campaign {
    size_t tasks;
    unsigned workers;
    double seconds;
};

static void report(const struct contender all[], const struct campaign *campaign, double wall_s, double cpu_s)
{
    uint64_t waits = 0, long_waits = 0, longest = 0, longest_cpu = 0, sum = 0;
    double squares = 0;
    for (size_t i = 0; i < campaign->tasks; i++) {
        sum += all[i].taken;
        waits += all[i].waits;
        long_waits += all[i].long_waits;
        squares += (double)all[i].taken * (double)all[i].taken;
        longest = all[i].longest_ns > longest ? all[i].longest_ns : longest;
        longest_cpu = all[i].longest_cpu_ns > longest_cpu ? all[i].longest_cpu_ns : longest_cpu;
    }
    bool is_right = sum == taken && guarded == bench_spin(BENCH_SEED, taken * steps);
    printf("%zu tasks, %u workers, %.0f s: %.1f ns an acquisition, longest wait %.2f ms (%.2f of CPU), %lu of %lu "
           "waits above 10 ms, "
           "even %.3f, "
           "%.2f CPU s a second%s\n",
           campaign->tasks, campaign->workers, wall_s, wall_s * 1e9 / (double)sum, (double)longest / 1e6,
           (double)longest_cpu / 1e6, (unsigned long)long_waits, (unsigned long)waits,
           (double)sum * (double)sum / ((double)campaign->tasks * squares), cpu_s / wall_s, is_right ? "" : ", WRONG");
    if (!is_right)
        exit(1);
}

static int run(void *arg)
{
    struct campaign *campaign = arg;
    struct contender *all = calloc(campaign->tasks, sizeof *all);
    if (all == NULL)
        return -1;
    uint64_t from = bench_now_ns();
    ends_ns = from + (uint64_t)(campaign->seconds * 1e9);
    clock_t cpu = clock();
    thrum_group group = THRUM_GROUP_INIT;
    for (size_t i = 0; i < campaign->tasks; i++)
        if (thrum_spawn(&group, contend, &all[i]) < 0)
            return -1;
    if (thrum_group_wait(&group) < 0)
        return -1;
    report(all, campaign, (double)(bench_now_ns() - from) / 1e9, (double)(clock() - cpu) / CLOCKS_PER_SEC);
    free(all);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 4 || argc > 6) {
        fprintf(stderr, "usage: %s TASKS WORKERS SECONDS [STEPS [OUTSIDE]]\n", argv[0]);
        return 2;
    }
    struct campaign campaign = {strtoul(argv[1], NULL, 10), (unsigned)strtoul(argv[2], NULL, 10),
                                strtod(argv[3], NULL)};
    if (argc > 4)
        steps = strtoul(argv[4], NULL, 10);
    if (argc > 5)
        outside = strtoul(argv[5], NULL, 10);
    thrum_options options = {.workers = campaign.workers};
    return thrum_run_with(&options, run, &campaign) == 0 ? 0 : 1;
}
