#include "top/page.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 32, DEPTH_MOST = 20 };

/* ---- Numbers ---- */

/* As many digits as one reads at a glance: 9,999 and then 12.3k, 4.5M. */
static const char *brief(double value, char text[NUMBER_BYTES])
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    size_t unit = 0;
    while (value >= 9999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    (void)snprintf(text, NUMBER_BYTES, unit > 0 && value < 100 ? "%.1f%s" : "%.0f%s", value, units[unit]);
    return text;
}

/* "12/s"; "-" where nothing is known. */
static const char *rate(unsigned long now, unsigned long before, double span, char text[NUMBER_BYTES])
{
    char value[NUMBER_BYTES];
    if (span <= 0)
        return "-";
    (void)snprintf(text, NUMBER_BYTES, "%s", brief(now > before ? (double)(now - before) / span : 0, value));
    return text;
}

/* A bucket's upper end. */
static const char *at_most(unsigned long us, char text[NUMBER_BYTES])
{
    if (us == 0)
        return "-";
    if (us < 1000)
        (void)snprintf(text, NUMBER_BYTES, "%lu us", us);
    else if (us < 1000000)
        (void)snprintf(text, NUMBER_BYTES, "%lu ms", (us + 999) / 1000);
    else
        (void)snprintf(text, NUMBER_BYTES, "%lu s", (us + 999999) / 1000000);
    return text;
}

static double span_of(const struct th_snapshot *now, const struct th_snapshot *before)
{
    return before != NULL ? now->at - before->at : 0;
}

/* ---- The head ---- */

static void read_name(int pid, char name[NUMBER_BYTES])
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%d/comm", pid);
    FILE *file = fopen(path, "re");
    name[0] = '\0';
    if (file != NULL && fgets(name, NUMBER_BYTES, file) != NULL)
        name[strcspn(name, "\n")] = '\0';
    if (file != NULL)
        (void)fclose(file);
}

static struct th_top_worker sum_of(const struct th_snapshot *snapshot)
{
    struct th_top_worker sum = {.does = ""};
    for (size_t i = 0; i < snapshot->worker_count; i++) {
        const struct th_top_worker *worker = &snapshot->workers[i];
        sum.dispatches += worker->dispatches;
        sum.steals += worker->steals;
        sum.parks += worker->parks;
        sum.wakes += worker->wakes;
        sum.ready += worker->ready;
        sum.fresh += worker->fresh;
    }
    return sum;
}

static void write_rates(FILE *to, const struct th_snapshot *now, const struct th_snapshot *before)
{
    char a[NUMBER_BYTES], b[NUMBER_BYTES], c[NUMBER_BYTES], d[NUMBER_BYTES], e[NUMBER_BYTES];
    double span = span_of(now, before);
    struct th_top_worker sum = sum_of(now), past = sum_of(before != NULL ? before : now);
    const struct th_top_stats *stats = &now->stats, *old = before != NULL ? &before->stats : stats;
    fprintf(to, "a second: %s spawned, %s dispatched, %s parked, %s woken, %s thefts\n",
            rate(stats->spawned, old->spawned, span, a), rate(sum.dispatches, past.dispatches, span, b),
            rate(sum.parks, past.parks, span, c), rate(sum.wakes, past.wakes, span, d),
            rate(sum.steals, past.steals, span, e));
}

static void write_waits(FILE *to, const struct th_snapshot *now, const struct th_snapshot *before)
{
    char half[NUMBER_BYTES], most[NUMBER_BYTES], stalls[NUMBER_BYTES];
    struct th_top_worker sum = sum_of(now);
    const struct th_top_stats *stats = &now->stats;
    unsigned long p50 = before != NULL ? th_snapshot_latency(now, before, 50) : 0;
    unsigned long p99 = before != NULL ? th_snapshot_latency(now, before, 99) : 0;
    fprintf(to, "queues: %u ready, %u fresh, %lu aside, %lu for that; woken to run: %s, p99 %s\n", sum.ready, sum.fresh,
            stats->aside, stats->waiting_aside, at_most(p50, half), at_most(p99, most));
    fprintf(to, "threads: %lu, %lu spare; stalls: %lu, %s a second; stacks: %lu of %lu KiB\n", stats->threads,
            stats->spares, stats->stalls,
            rate(stats->stalls, before != NULL ? before->stats.stalls : 0, span_of(now, before), stalls), stats->stacks,
            stats->stack_bytes >> 10);
}

char *th_page_head(const struct th_link *link, const struct th_snapshot *now, const struct th_snapshot *before)
{
    char *text = NULL, name[NUMBER_BYTES];
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    if (to == NULL)
        return NULL;
    read_name(link->pid, name);
    fprintf(to, "\1%s (%d): %u tasks: %u running, %u ready, %u parked, %u fresh, %u other\n", name, link->pid,
            now->task_count, now->states[TH_TOP_RUNNING], now->states[TH_TOP_READY], now->states[TH_TOP_PARKED],
            now->states[TH_TOP_FRESH], now->states[TH_TOP_OTHER]);
    write_rates(to, now, before);
    write_waits(to, now, before);
    return fclose(to) == 0 ? text : NULL;
}

/* ---- Workers ---- */

static const struct th_top_worker *find_worker(const struct th_snapshot *snapshot, const struct th_top_worker *like)
{
    for (size_t i = 0; snapshot != NULL && i < snapshot->worker_count; i++) {
        const struct th_top_worker *worker = &snapshot->workers[i];
        if (worker->runtime == like->runtime && worker->index == like->index)
            return worker;
    }
    return like;
}

static bool does(const struct th_top_worker *worker, const char *what)
{
    return strcmp(worker->does, what) == 0;
}

/* Who has nothing to tell is no line: spares, who has left, the monitor. */
static bool is_quiet(const struct th_top_worker *worker)
{
    bool is_out = does(worker, "without a permit") || does(worker, "gone") || does(worker, "monitor");
    return is_out && worker->ready + worker->fresh == 0 && *worker->runs == '\0';
}

static void write_workers(FILE *to, const struct th_snapshot *now, const struct th_snapshot *before)
{
    char a[NUMBER_BYTES], b[NUMBER_BYTES], c[NUMBER_BYTES];
    double span = span_of(now, before);
    fprintf(to, "\1%-15s %7s %6s %6s %10s %7s %7s  %s\n", "WORKER", "THREAD", "READY", "FRESH", "DISPATCH/S", "STEAL/S",
            "SLEEP/S", "RUNS");
    for (size_t i = 0; i < now->worker_count; i++) {
        const struct th_top_worker *worker = &now->workers[i], *past = find_worker(before, worker);
        char title[NUMBER_BYTES];
        if (is_quiet(worker))
            continue;
        (void)snprintf(title, sizeof title, "%u.%u %s", worker->runtime, worker->index,
                       does(worker, "without a permit") ? "aside" : worker->does);
        fprintf(to, "%-15.15s %7u %6u %6u %10s %7s %7s  %s\n", title, worker->thread, worker->ready, worker->fresh,
                rate(worker->dispatches, past->dispatches, span, a), rate(worker->steals, past->steals, span, b),
                rate(worker->sleeps, past->sleeps, span, c), worker->runs);
    }
}

/* ---- Tasks ---- */

static int by_count(const void *left, const void *right)
{
    const struct th_top_name *a = *(const struct th_top_name *const *)left;
    const struct th_top_name *b = *(const struct th_top_name *const *)right;
    return a->count != b->count ? (a->count < b->count ? 1 : -1) : strcmp(a->name, b->name);
}

static void write_kinds(FILE *to, const struct th_top_name *name)
{
    const char *between = "";
    for (int i = 0; i < TH_TOP_KINDS && name->kinds[i].count > 0; i++) {
        fprintf(to, "%s%u %s", between, name->kinds[i].count, name->kinds[i].waits_for);
        between = ", ";
    }
}

static void write_names(FILE *to, const struct th_snapshot *now)
{
    const struct th_top_name **sorted = calloc(now->name_count + 1, sizeof *sorted);
    if (sorted == NULL)
        return;
    for (size_t i = 0; i < now->name_count; i++)
        sorted[i] = &now->names[i];
    qsort(sorted, now->name_count, sizeof *sorted, by_count);
    fprintf(to, "\1%-20s %7s %5s %6s %7s %6s %6s  %s\n", "TASKS", "COUNT", "RUN", "READY", "PARKED", "FRESH", "OTHER",
            "WAIT FOR");
    for (size_t i = 0; i < now->name_count; i++) {
        const struct th_top_name *name = sorted[i];
        fprintf(to, "%-20.20s %7u %5u %6u %7u %6u %6u  ", name->name, name->count, name->states[TH_TOP_RUNNING],
                name->states[TH_TOP_READY], name->states[TH_TOP_PARKED], name->states[TH_TOP_FRESH],
                name->states[TH_TOP_OTHER]);
        write_kinds(to, name);
        fputc('\n', to);
    }
    free(sorted);
}

/* ---- The tree ---- */

static void write_node(FILE *to, const struct th_snapshot *now, const struct th_top_node *node, int depth)
{
    fprintf(to, "%*s%s %u\n", 2 * depth, "", now->names[node->name].name, node->count);
    for (unsigned at = node->child; at != 0 && depth < DEPTH_MOST; at = now->nodes[at].sibling)
        write_node(to, now, &now->nodes[at], depth + 1);
}

static void write_tree(FILE *to, const struct th_snapshot *now)
{
    fprintf(to, "\1WHO HAS STARTED WHOM\n");
    for (unsigned at = now->nodes[0].child; at != 0; at = now->nodes[at].sibling)
        write_node(to, now, &now->nodes[at], 0);
}

char *th_page_body(const struct th_snapshot *now, const struct th_snapshot *before)
{
    char *text = NULL;
    size_t bytes;
    FILE *to = open_memstream(&text, &bytes);
    if (to == NULL)
        return NULL;
    write_workers(to, now, before);
    write_names(to, now);
    write_tree(to, now);
    return fclose(to) == 0 ? text : NULL;
}
