#include "workload.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define FIB_FULL   32
#define SUM_POWER  (-0.8)
#define SUM_SAMPLE 97 /* every 97th task of parallel_sum is computed again: about 1 % of the work */

/* ---- Command line -------------------------------------------------------------------------------------------- */

static void list_workloads(const struct bench_workload *workload)
{
    for (; workload->name; workload++) {
        printf("%s", workload->name);
        if (workload->workers_max)
            printf(" workers=%d", workload->workers_max);
        if (workload->scale_max > 0)
            printf(" scale=%g", workload->scale_max);
        printf("\n");
    }
}

static void __attribute__((noreturn)) usage(const char *program, int status)
{
    fprintf(status ? stderr : stdout,
            "usage: %s WORKLOAD WORKERS [--scale S]\n"
            "       %s --list       workloads, with the most workers and the largest scale where these are limited\n"
            "       %s --version\n",
            program, program, program);
    exit(status);
}

void bench_open(struct bench *bench, int argc, char **argv, const char *peer, const char *version,
                const struct bench_workload *workloads)
{
    *bench = (struct bench){.peer = peer, .scale = 1};
    if (argc == 2 && !strcmp(argv[1], "--list")) {
        list_workloads(workloads);
        exit(0);
    }
    if (argc == 2 && !strcmp(argv[1], "--version")) {
        puts(version);
        exit(0);
    }
    if (argc == 2 && !strcmp(argv[1], "--help"))
        usage(argv[0], 0);
    if (argc != 3 && !(argc == 5 && !strcmp(argv[3], "--scale")))
        usage(argv[0], 2);
    for (const struct bench_workload *workload = workloads; workload->name; workload++)
        if (!strcmp(workload->name, argv[1]))
            bench->workload = workload;
    bench->workers = atoi(argv[2]);
    if (argc == 5)
        bench->scale = atof(argv[4]);
    if (!bench->workload || bench->workers < 1 || bench->scale <= 0)
        usage(argv[0], 2);
}

uint64_t bench_count(const struct bench *bench, uint64_t full)
{
    uint64_t count = (uint64_t)((double)full * bench->scale);
    return count ? count : 1;
}

/* ---- Clocks, memory ------------------------------------------------------------------------------------------ */

uint64_t bench_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static double cpu_s(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (double)used.tv_sec + (double)used.tv_nsec * 1e-9;
}

/* A line of /proc/self/status. Not getrusage: its ru_maxrss survives exec, and would report the runner's size. */
static double status_bytes(const char *key)
{
    char line[256];
    double bytes = 0;
    size_t length = strlen(key);
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, key, length))
            bytes = strtod(line + length, NULL) * 1024;
    if (file)
        fclose(file);
    return bytes;
}

double bench_rss_bytes(void)
{
    return status_bytes("VmRSS:");
}

void bench_start(struct bench *bench)
{
    bench->started_cpu_s = cpu_s();
    bench->started_ns = bench_now_ns();
}

void bench_stop(struct bench *bench)
{
    bench->took_ns = bench_now_ns() - bench->started_ns;
    bench->took_cpu_s = cpu_s() - bench->started_cpu_s;
}

/* ---- Report -------------------------------------------------------------------------------------------------- */

void bench_fail(const struct bench *bench, const char *why)
{
    fprintf(stderr, "%s %s: %s\n", bench->peer, bench->workload->name, why);
    exit(1);
}

void bench_check(const struct bench *bench, const char *what, uint64_t got, uint64_t expected)
{
    if (got == expected)
        return;
    char why[160];
    snprintf(why, sizeof why, "wrong %s: %llu, expected %llu", what, (unsigned long long)got,
             (unsigned long long)expected);
    bench_fail(bench, why);
}

void bench_field(struct bench *bench, const char *name, double value)
{
    size_t used = strlen(bench->fields);
    snprintf(bench->fields + used, sizeof bench->fields - used, ", \"%s\": %.6g", name, value);
}

void bench_report(struct bench *bench, double value, const char *unit)
{
    printf("{\"peer\": \"%s\", \"workload\": \"%s\", \"workers\": %d, \"scale\": %g, \"value\": %.6g, \"unit\": "
           "\"%s\", \"wall_ms\": %.6g, \"cpu_s\": %.6g, \"rss_mb\": %.6g%s}\n",
           bench->peer, bench->workload->name, bench->workers, bench->scale, value, unit, (double)bench->took_ns / 1e6,
           bench->took_cpu_s, status_bytes("VmHWM:") / 1048576, bench->fields);
    fflush(stdout);
}

void bench_report_ns(struct bench *bench, uint64_t operations)
{
    bench_report(bench, (double)bench->took_ns / (double)operations, "ns/op");
}

void bench_report_ms(struct bench *bench, double share)
{
    bench_report(bench, (double)bench->took_ns / 1e6 / share, "ms");
}

/* ---- The workloads' own arithmetic --------------------------------------------------------------------------- */

uint64_t bench_skynet_leaves(const struct bench *bench)
{
    return (uint64_t)lround(pow(10, round(log10(BENCH_LEAVES * bench->scale))));
}

uint64_t bench_fib_result(int n)
{
    uint64_t a = 0, b = 1;
    for (int i = 0; i < n; i++) {
        uint64_t next = a + b;
        a = b;
        b = next;
    }
    return a;
}

/* fib(n) makes 2 fib(n+1) - 1 calls. */
double bench_fib_share(int n)
{
    return (2 * (double)bench_fib_result(n + 1) - 1) / (2 * (double)bench_fib_result(FIB_FULL + 1) - 1);
}

int bench_fib_n(const struct bench *bench)
{
    int n = FIB_FULL;
    while (n > 2 && bench_fib_share(n) > bench->scale * 1.2)
        n--;
    return n;
}

uint64_t bench_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

uint32_t bench_sleep_ms(uint64_t *state)
{
    return 1 + (uint32_t)(bench_random(state) % 1000);
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void bench_lateness(struct bench *bench, uint32_t late_us[], size_t n)
{
    qsort(late_us, n, sizeof late_us[0], compare_u32);
    bench_field(bench, "p50_us", late_us[n / 2]);
    bench_field(bench, "p99_us", late_us[n * 99 / 100]);
    bench_field(bench, "max_us", late_us[n - 1]);
}

uint64_t *bench_sum_steps(const struct bench *bench, uint64_t tasks)
{
    uint64_t *steps = malloc(tasks * sizeof *steps);
    if (!steps)
        bench_fail(bench, "no memory");
    double weights = 0, total = (double)BENCH_SUM_STEPS * (double)tasks;
    for (uint64_t i = 0; i < tasks; i++)
        weights += pow((double)(i + 1), SUM_POWER);
    for (uint64_t i = 0; i < tasks; i++)
        steps[i] = (uint64_t)(total * pow((double)(i + 1), SUM_POWER) / weights);
    uint64_t random = 12345;
    for (uint64_t i = tasks - 1; i > 0; i--) {
        uint64_t j = bench_random(&random) % (i + 1), swapped = steps[i];
        steps[i] = steps[j];
        steps[j] = swapped;
    }
    return steps;
}

void bench_sum_check(const struct bench *bench, const uint64_t steps[], const uint64_t results[], uint64_t tasks)
{
    for (uint64_t i = 0; i < tasks; i += SUM_SAMPLE)
        bench_check(bench, "partial sum", results[i], bench_spin(BENCH_SEED + i, steps[i]));
    for (uint64_t i = 0; i < tasks; i++)
        if (!results[i]) /* xorshift never reaches 0 */
            bench_fail(bench, "a task did not run");
}
