#include "top/snapshot.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char worker_heads[] =
    "runtime\tindex\tdoes\tthread\tready\tfresh\tdispatches\tsteals\tstolen\tparks\twakes"
    "\tpolls\tsleeps";
static const char task_heads[] = "runtime\tid\tparent\tstate\tworker\twaits_for\towner\tsince_us\tname";

enum { WORKER_COLUMNS = 13, TASK_COLUMNS = 9 };

/* ---- Tables ---- */

/* The next line of a table, cut into its columns in place; false at the end, and where a line has not enough. */
static bool next_row(char **at, char *columns[], size_t count)
{
    char *end = strchr(*at, '\n');
    if (end == NULL)
        return false;
    *end = '\0';
    for (size_t i = 0; i < count; i++) {
        columns[i] = *at;
        size_t length = strcspn(*at, "\t");
        if (i + 1 < count && (*at)[length] == '\0')
            return false;
        *at += length + 1;
        (*at)[-1] = '\0';
    }
    *at = end + 1;
    return true;
}

/* The place behind the heads; NULL: they are not what they should be. */
static char *behind_heads(const struct th_answer *answer, const char *heads)
{
    size_t length = strlen(heads);
    return strncmp(answer->text, heads, length) == 0 && answer->text[length] == '\n' ? answer->text + length + 1 : NULL;
}

static size_t count_lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static unsigned long number(const char *text)
{
    return strtoul(text, NULL, 10);
}

static uint64_t hash(uint64_t value)
{
    return value * 0x9e3779b97f4a7c15u >> 20;
}

/* A table of numbers + 1, for a power of two of places, at least twice as many as will be in it. */
struct places {
    unsigned *at;
    size_t mask;
};

static bool make_places(struct places *places, size_t count)
{
    size_t size = 16;
    while (size < 2 * count)
        size *= 2;
    places->at = calloc(size, sizeof *places->at);
    places->mask = size - 1;
    return places->at != NULL;
}

/* ---- Workers ---- */

static bool read_workers(struct th_snapshot *snapshot, const struct th_answer *answer)
{
    char *columns[WORKER_COLUMNS], *at = behind_heads(answer, worker_heads);
    if (at == NULL)
        return false;
    snapshot->workers = calloc(count_lines(at) + 1, sizeof *snapshot->workers);
    if (snapshot->workers == NULL)
        return false;
    while (next_row(&at, columns, WORKER_COLUMNS)) {
        snapshot->workers[snapshot->worker_count++] = (struct th_top_worker){.runtime = (unsigned)number(columns[0]),
                                                                             .index = (unsigned)number(columns[1]),
                                                                             .does = columns[2],
                                                                             .runs = "",
                                                                             .thread = (unsigned)number(columns[3]),
                                                                             .ready = (unsigned)number(columns[4]),
                                                                             .fresh = (unsigned)number(columns[5]),
                                                                             .dispatches = number(columns[6]),
                                                                             .steals = number(columns[7]),
                                                                             .parks = number(columns[9]),
                                                                             .wakes = number(columns[10]),
                                                                             .sleeps = number(columns[12])};
    }
    return *at == '\0';
}

/* ---- Tasks ---- */

struct task {
    uint64_t key; /* its number and its runtime */
    uint64_t parent;
    unsigned name, node; /* 0: not yet known */
};

struct reading {
    struct th_snapshot *snapshot;
    struct task *tasks;
    struct places ids, names;
    unsigned *chain; /* room for all */
};

static uint64_t key_of(const char *runtime, const char *id)
{
    return number(id) << 6 | number(runtime);
}

static uint64_t hash_text(const char *text)
{
    uint64_t value = 0;
    for (; *text != '\0'; text++)
        value = hash(value ^ (unsigned char)*text) ^ value << 7;
    return hash(value);
}

static unsigned find_name(struct reading *reading, const char *name)
{
    struct th_snapshot *snapshot = reading->snapshot;
    size_t place = hash_text(name) & reading->names.mask;
    for (; reading->names.at[place] != 0; place = (place + 1) & reading->names.mask) {
        unsigned found = reading->names.at[place] - 1;
        if (strcmp(snapshot->names[found].name, name) == 0)
            return found;
    }
    snapshot->names[snapshot->name_count].name = name;
    reading->names.at[place] = (unsigned)++snapshot->name_count;
    return reading->names.at[place] - 1;
}

static void enter_id(struct reading *reading, unsigned task)
{
    size_t place = hash(reading->tasks[task].key) & reading->ids.mask;
    while (reading->ids.at[place] != 0)
        place = (place + 1) & reading->ids.mask;
    reading->ids.at[place] = task + 1;
}

/* The task with this key, + 1; 0: there is none (any more). */
static unsigned find_id(const struct reading *reading, uint64_t key)
{
    size_t place = hash(key) & reading->ids.mask;
    while (reading->ids.at[place] != 0 && reading->tasks[reading->ids.at[place] - 1].key != key)
        place = (place + 1) & reading->ids.mask;
    return reading->ids.at[place];
}

static enum th_top_state state_of(const char *state)
{
    static const char *const names[] = {"running", "ready", "parked", "fresh"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(names[i], state) == 0)
            return (enum th_top_state)i;
    }
    return TH_TOP_OTHER;
}

static void count_kind(struct th_top_name *name, const char *waits_for)
{
    for (int i = 0; i < TH_TOP_KINDS && *waits_for != '\0'; i++) {
        if (name->kinds[i].count == 0)
            name->kinds[i].waits_for = waits_for;
        if (strcmp(name->kinds[i].waits_for, waits_for) == 0) {
            name->kinds[i].count++;
            return;
        }
    }
}

static void note_runner(struct th_snapshot *snapshot, char *columns[], const char *name)
{
    for (size_t i = 0; i < snapshot->worker_count; i++) {
        struct th_top_worker *worker = &snapshot->workers[i];
        if (worker->runtime == number(columns[0]) && worker->index == number(columns[4]))
            worker->runs = name;
    }
}

static void read_task(struct reading *reading, char *columns[])
{
    struct th_snapshot *snapshot = reading->snapshot;
    struct task *task = &reading->tasks[snapshot->task_count];
    const char *shown = *columns[8] != '\0' ? columns[8] : "?";
    *task = (struct task){.key = key_of(columns[0], columns[1]),
                          .parent = key_of(columns[0], columns[2]),
                          .name = find_name(reading, shown)};
    struct th_top_name *name = &snapshot->names[task->name];
    enum th_top_state state = state_of(columns[3]);
    name->count++;
    name->states[state]++;
    snapshot->states[state]++;
    count_kind(name, columns[5]);
    if (state == TH_TOP_RUNNING)
        note_runner(snapshot, columns, name->name);
    enter_id(reading, snapshot->task_count++);
}

/* ---- The tree ---- */

static unsigned find_node(struct th_snapshot *snapshot, unsigned parent, unsigned name)
{
    if (parent != 0 && snapshot->nodes[parent].name == name)
        return parent;
    for (unsigned at = snapshot->nodes[parent].child; at != 0; at = snapshot->nodes[at].sibling) {
        if (snapshot->nodes[at].name == name)
            return at;
    }
    unsigned made = (unsigned)snapshot->node_count++;
    snapshot->nodes[made] =
        (struct th_top_node){.name = name, .parent = parent, .sibling = snapshot->nodes[parent].child};
    return snapshot->nodes[parent].child = made;
}

/* Up to somebody whose node is known, or to the top, and down again. */
static void place_task(struct reading *reading, unsigned task)
{
    size_t depth = 0;
    unsigned node = 0;
    for (unsigned at = task + 1; at != 0 && node == 0; at = find_id(reading, reading->tasks[at - 1].parent)) {
        node = reading->tasks[at - 1].node;
        /* One that is its own ancestor has been garbled on the way. */
        if (node == 0 && depth < reading->snapshot->task_count)
            reading->chain[depth++] = at - 1;
        else if (node == 0)
            break;
    }
    while (depth > 0) {
        struct task *next = &reading->tasks[reading->chain[--depth]];
        next->node = node = find_node(reading->snapshot, node, next->name);
        reading->snapshot->nodes[node].count++;
    }
}

static bool read_tasks(struct th_snapshot *snapshot, const struct th_answer *answer)
{
    char *columns[TASK_COLUMNS], *at = behind_heads(answer, task_heads);
    struct reading reading = {.snapshot = snapshot};
    size_t count = at != NULL ? count_lines(at) + 1 : 0;
    reading.tasks = calloc(count, sizeof *reading.tasks);
    reading.chain = calloc(count, sizeof *reading.chain);
    snapshot->names = calloc(count, sizeof *snapshot->names);
    snapshot->nodes = calloc(count + 1, sizeof *snapshot->nodes);
    snapshot->node_count = 1;
    bool is_read = at != NULL && reading.tasks != NULL && reading.chain != NULL && snapshot->names != NULL &&
                   snapshot->nodes != NULL && make_places(&reading.ids, count) && make_places(&reading.names, count);
    while (is_read && next_row(&at, columns, TASK_COLUMNS))
        read_task(&reading, columns);
    for (unsigned i = 0; i < snapshot->task_count; i++)
        place_task(&reading, i);
    free(reading.tasks);
    free(reading.chain);
    free(reading.ids.at);
    free(reading.names.at);
    return is_read && *at == '\0';
}

/* ---- Counters ---- */

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    {"thrum_spawned_total", offsetof(struct th_top_stats, spawned)},
    {"thrum_finished_total", offsetof(struct th_top_stats, finished)},
    {"thrum_stalls_total", offsetof(struct th_top_stats, stalls)},
    {"thrum_threads", offsetof(struct th_top_stats, threads)},
    {"thrum_spares", offsetof(struct th_top_stats, spares)},
    {"thrum_aside", offsetof(struct th_top_stats, aside)},
    {"thrum_waiting_aside", offsetof(struct th_top_stats, waiting_aside)},
    {"thrum_stacks", offsetof(struct th_top_stats, stacks)},
    {"thrum_stack_bytes", offsetof(struct th_top_stats, stack_bytes)},
    {"thrum_record_bytes", offsetof(struct th_top_stats, record_bytes)},
};

/* Counters of several workers are added up. Buckets come in their order. */
static void read_stats(struct th_top_stats *stats, const char *text)
{
    static const char bucket[] = "thrum_ready_seconds_bucket";
    size_t buckets = 0;
    for (const char *end; (end = strchr(text, '\n')) != NULL; text = end + 1) {
        size_t length = strcspn(text, "{ ");
        const char *value = end;
        while (value > text && value[-1] != ' ')
            value--;
        for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
            if (strlen(fields[i].name) == length && strncmp(text, fields[i].name, length) == 0)
                *(unsigned long *)(void *)((char *)stats + fields[i].offset) += number(value);
        }
        if (length == sizeof bucket - 1 && strncmp(text, bucket, length) == 0 && buckets <= TH_TOP_BUCKETS)
            stats->latency[buckets++] = number(value);
    }
}

unsigned long th_snapshot_latency(const struct th_snapshot *now, const struct th_snapshot *before, unsigned percent)
{
    const unsigned long *late = now->stats.latency, *early = before->stats.latency;
    unsigned long all = late[TH_TOP_BUCKETS] - early[TH_TOP_BUCKETS];
    for (unsigned i = 0; i < TH_TOP_BUCKETS && all > 0; i++) {
        if ((late[i] - early[i]) * 100 >= all * percent)
            return 1ul << i;
    }
    return all > 0 ? 1ul << TH_TOP_BUCKETS : 0;
}

/* ---- All of it ---- */

static double seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

enum th_ask_outcome th_snapshot_take(const struct th_link *link, int patience_ms, struct th_snapshot *snapshot)
{
    static const char *const requests[] = {"stats", "workers", "tasks"};
    *snapshot = (struct th_snapshot){.at = seconds()};
    for (int i = 0; i < 3; i++) {
        enum th_ask_outcome outcome = th_ask(link, requests[i], patience_ms, &snapshot->answers[i]);
        if (outcome != TH_ASK_DONE)
            return outcome;
    }
    read_stats(&snapshot->stats, snapshot->answers[0].text);
    bool is_read = read_workers(snapshot, &snapshot->answers[1]) && read_tasks(snapshot, &snapshot->answers[2]);
    return is_read ? TH_ASK_DONE : TH_ASK_GARBLED;
}

void th_snapshot_drop(struct th_snapshot *snapshot)
{
    free(snapshot->workers);
    free(snapshot->names);
    free(snapshot->nodes);
    for (int i = 0; i < 3; i++)
        free(snapshot->answers[i].text);
    *snapshot = (struct th_snapshot){.at = 0};
}
