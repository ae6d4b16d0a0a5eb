/*
 * Light requests beside heavy ones, inside one process: who waits for whom when handlers are written without a thought
 * for others.
 *
 *     mixed HEAVY MS cpu|block SECONDS [WORKERS]
 *
 * A thread outside posts 2,000 light tasks a second, each at its time whatever became of those before; the latency of
 * each is counted from the time at which it should have begun. HEAVY loops beside that start one task after another
 * that uses MS of processor, or blocks MS in a plain nanosleep. What the runtime's monitor takes is said in parts of
 * one core.
 * THRUM_SLICE_US=0 shows the same without replacing stuck workers.
 */
#include <thrum.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LIGHT_PER_SECOND = 2000 };

struct light {
    thrum_time intended;
    thrum_time took;
};

static struct {
    int heavy_count, ms, seconds;
    bool blocks;
    thrum_runtime *runtime;
    struct light *lights;
    int light_count;
    atomic_int served;
    atomic_int heavy_done;
    atomic_bool is_over;
} mixed;

static int serve_light(void *arg)
{
    struct light *light = arg;
    light->took = thrum_now() - light->intended;
    atomic_fetch_add(&mixed.served, 1);
    return 0;
}

static int64_t cpu_of_thread(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int serve_heavy(void *arg)
{
    (void)arg;
    if (mixed.blocks) {
        struct timespec span = {.tv_sec = mixed.ms / 1000, .tv_nsec = mixed.ms % 1000 * 1000000};
        (void)nanosleep(&span, NULL);
    } else {
        int64_t until = cpu_of_thread() + (int64_t)mixed.ms * 1000000;
        while (cpu_of_thread() < until) {
            for (volatile int i = 0; i < 1000; i++)
                continue;
        }
    }
    atomic_fetch_add(&mixed.heavy_done, 1);
    return 0;
}

static int load_heavily(void *arg)
{
    (void)arg;
    while (!atomic_load(&mixed.is_over)) {
        thrum_task *task;
        if (thrum_task_start(&task, NULL, NULL, serve_heavy, NULL) < 0)
            return 1;
        thrum_yield(); /* a request that came from outside would not run in place */
        (void)thrum_join(task, NULL);
    }
    return 0;
}

static void sleep_until(thrum_time when)
{
    struct timespec until = {.tv_sec = when / 1000000000, .tv_nsec = when % 1000000000};
    (void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void *pace(void *arg)
{
    thrum_time next = thrum_now();
    for (int i = 0; i < mixed.light_count; i++) {
        mixed.lights[i].intended = next;
        sleep_until(next);
        while (thrum_post(mixed.runtime, serve_light, &mixed.lights[i]) < 0)
            sleep_until(thrum_now() + 100000);
        next += 1000000000 / LIGHT_PER_SECOND;
    }
    return arg;
}

/* The first number in a file of a thread of this process; 0 if there is none. */
static double number_in(const char *thread, const char *name)
{
    char path[300];
    double number = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%s/%s", thread, name);
    FILE *file = fopen(path, "r");
    if (file != NULL && fscanf(file, "%lf", &number) != 1)
        number = 0;
    if (file != NULL)
        (void)fclose(file);
    return number;
}

static bool is_monitor(const char *thread)
{
    char path[300], name[32] = "";
    (void)snprintf(path, sizeof path, "/proc/self/task/%s/comm", thread);
    FILE *file = fopen(path, "r");
    bool is = file != NULL && fgets(name, sizeof name, file) != NULL && strcmp(name, "thrum monitor\n") == 0;
    if (file != NULL)
        (void)fclose(file);
    return is;
}

/* Seconds of processor that the runtime's monitor has used. */
static double monitor_cpu(void)
{
    DIR *threads = opendir("/proc/self/task");
    double used = 0;
    for (const struct dirent *entry; threads != NULL && (entry = readdir(threads)) != NULL;) {
        if (is_monitor(entry->d_name))
            used = number_in(entry->d_name, "schedstat") / 1e9;
    }
    if (threads != NULL)
        (void)closedir(threads);
    return used;
}

static int run_mixed(void *arg)
{
    thrum_group heavy = THRUM_GROUP_INIT;
    pthread_t pacer;
    mixed.runtime = thrum_runtime_current();
    for (int i = 0; i < mixed.heavy_count; i++) {
        if (thrum_spawn(&heavy, load_heavily, NULL) < 0)
            return 1;
    }
    (void)arg;
    thrum_time began = thrum_now();
    if (pthread_create(&pacer, NULL, pace, NULL) != 0)
        return 1;
    while (atomic_load(&mixed.served) < mixed.light_count)
        (void)thrum_sleep(THRUM_MS(50));
    atomic_store(&mixed.is_over, true);
    double took = (double)(thrum_now() - began) / 1e9;
    int done = atomic_load(&mixed.heavy_done);
    uint64_t stalls = thrum_stalls();
    double monitor = monitor_cpu();
    (void)pthread_join(pacer, NULL);
    (void)thrum_group_wait(&heavy);
    printf("%d heavy of %d ms %s: heavy/s %.1f, light/s %.0f, replaced %lu, monitor %.2f %%", mixed.heavy_count,
           mixed.ms, mixed.blocks ? "blocked" : "computing", done / took, mixed.light_count / took,
           (unsigned long)stalls, 100 * monitor / took);
    return 0;
}

static int by_latency(const void *a, const void *b)
{
    const struct light *left = a, *right = b;
    return left->took < right->took ? -1 : left->took > right->took;
}

static double percentile(double part)
{
    int index = (int)(part * (mixed.light_count - 1));
    return (double)mixed.lights[index].took / 1e6;
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: mixed HEAVY MS cpu|block SECONDS [WORKERS]\n");
        return 2;
    }
    mixed.heavy_count = atoi(argv[1]);
    mixed.ms = atoi(argv[2]);
    mixed.blocks = strcmp(argv[3], "block") == 0;
    mixed.seconds = atoi(argv[4]);
    mixed.light_count = LIGHT_PER_SECOND * mixed.seconds;
    mixed.lights = calloc((size_t)mixed.light_count + 1, sizeof *mixed.lights);
    thrum_options options = {.workers = argc > 5 ? (unsigned)atoi(argv[5]) : 0};
    int code = mixed.lights != NULL ? thrum_run_with(&options, run_mixed, NULL) : 1;
    if (code != 0)
        return 1;
    qsort(mixed.lights, (size_t)mixed.light_count, sizeof *mixed.lights, by_latency);
    printf(", light p50 %.2f p99 %.2f p99.9 %.2f max %.2f ms\n", percentile(0.5), percentile(0.99), percentile(0.999),
           percentile(1));
    free(mixed.lights);
    return 0;
}
