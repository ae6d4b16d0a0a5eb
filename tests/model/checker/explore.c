/*
 * Which executions are run.
 *
 * An execution is a sequence of choices; all else in it is determined. DFS goes through the tree of choices: it runs
 * an execution, takes the next alternative at the last choice that has one, and runs again with the choices before it
 * replayed. It does so for 0 preemptions, then 1, up to the bound, so that what fails first fails simply; a round in
 * which the bound kept nothing out has seen everything and is the last.
 *
 * Note [Equivalent interleavings]
 * Interleavings that differ only in the order of independent steps are one to the program. A hash of what happened
 * (engine.state) is kept that is equal for equivalent ones: each thread's hash takes in, with each operation, the
 * hash of the store it read; each location's, its stores in modification order; the state is the sum of both. At a
 * choice of threads whose state (with who runs, what is left of each budget, and who spins) was entered before with
 * no more preemptions than now, the execution ends: the search has gone on from there, or will before it is over,
 * with at least the same bound. This is why it is sound together with the bound, which sleep sets and partial-order
 * reduction are not: the interleaving they keep for its class may be one that the bound cuts. What is lost is what
 * two states with equal hashes lose, of 56 bits.
 *
 * PCT gives each thread a random priority, lowers it at a few random steps, and always runs the highest; RANDOM
 * chooses evenly. Both have no bound on preemptions.
 */
#include "engine.h"

#include "base/random.h"

#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { PCT_DEPTH_MAX = 4, PCT_ACTORS = 40 };

struct node {
    uint16_t chosen, count; /* count 0: not known yet, from a replayed trace */
    uint8_t kind;
};

struct engine engine;

static struct node *nodes;
static size_t node_count, node_capacity, position;
static bool is_replay;
static struct th_random chance;
static uint64_t pct_priorities[PCT_ACTORS], pct_changes[PCT_DEPTH_MAX], pct_steps;
static int pct_change_count;

static struct node *node_append(void)
{
    if (node_count == node_capacity) {
        node_capacity = node_capacity != 0 ? node_capacity * 2 : 1024;
        nodes = realloc(nodes, node_capacity * sizeof *nodes);
        if (nodes == NULL)
            abort();
    }
    return &nodes[node_count++];
}

static unsigned pick(enum choice kind, unsigned count)
{
    if (engine.strategy == STRATEGY_DFS || is_replay)
        return 0;
    /* The newest value is as likely as all older ones together. */
    if (kind != CHOICE_USER && th_random_below(&chance, 2) == 0)
        return 0;
    return th_random_below(&chance, count);
}

static unsigned pick_thread(unsigned count, const int *who)
{
    if (engine.strategy == STRATEGY_DFS || is_replay)
        return 0;
    if (engine.strategy == STRATEGY_RANDOM)
        return th_random_below(&chance, count);
    unsigned best = 0;
    for (unsigned i = 1; i < count; i++)
        if (pct_priorities[who[i]] > pct_priorities[who[best]])
            best = i;
    for (int i = 0; i < pct_change_count; i++)
        if (engine.steps >= pct_changes[i]) {
            pct_changes[i] = UINT64_MAX;
            pct_priorities[who[best]] = (uint64_t)i;
            return pick_thread(count, who);
        }
    return best;
}

static unsigned node_next(enum choice kind, unsigned count)
{
    struct node *node = &nodes[position++];
    if (node->count == 0 && node->chosen < count) {
        node->count = (uint16_t)count;
        node->kind = (uint8_t)kind;
    }
    if (node->count != count || node->kind != kind)
        engine_fail(0,
                    "the execution does not repeat itself (choice %zu): the model depends on something else than "
                    "its choices, or the trace is of another program",
                    position);
    return node->chosen;
}

unsigned explore_choose(enum choice kind, unsigned count)
{
    if (count == 1 || engine.is_fair)
        return 0;
    if (position == node_count) {
        unsigned chosen = pick(kind, count);
        *node_append() = (struct node){(uint16_t)chosen, (uint16_t)count, (uint8_t)kind};
    }
    return node_next(kind, count);
}

static uint64_t state_key(void)
{
    uint64_t who = engine.spinning | (uint64_t)engine.yielded << 8;
    if (engine.preemption_bound >= 0)
        who |= (uint64_t)engine.current << 16;
    uint64_t spent = (uint64_t)engine.spurious | (uint64_t)engine.early << 16 | (uint64_t)engine.weak_failures << 32 |
                     (uint64_t)engine.exhausted << 48;
    if (engine.options.stale >= 0)
        spent = hash_mix(spent, (uint64_t)engine.stale);
    uint64_t fresh = 0;
    for (int t = 0; t < engine.thread_count; t++)
        fresh |= (uint64_t)(engine.threads[t].state * 2u + engine.threads[t].is_fresh) << (t * 4);
    return hash_mix(hash_mix(engine.state, who), hash_mix(spent, fresh));
}

unsigned explore_choose_thread(unsigned count, const int *who)
{
    if (position == node_count) {
        if (engine.strategy == STRATEGY_DFS && !is_replay && !engine.is_recording && !engine.is_unmerged &&
            visited_before(state_key(), (unsigned)engine.preemptions))
            explore_end(ENDING_PRUNED);
        unsigned chosen = pick_thread(count, who);
        *node_append() = (struct node){(uint16_t)chosen, (uint16_t)count, CHOICE_THREAD};
    }
    return node_next(CHOICE_THREAD, count);
}

/* ---- One execution */

TH_NORETURN void explore_end(enum ending ending)
{
    engine.ending = ending;
    schedule_leave();
}

TH_NORETURN void engine_fail(uintptr_t address, const char *format, ...)
{
    engine.is_active = false;
    va_list args;
    va_start(args, format);
    vsnprintf(engine.failure, sizeof engine.failure, format, args);
    va_end(args);
    engine.failure_address = address;
    explore_end(ENDING_FAILED);
}

static void execute(void)
{
    position = 0;
    arena_reset();
    shadow_reset();
    location_reset();
    schedule_reset();
    outcomes_reset();
    schedule_execute(engine.model->body);
    if (engine.ending == ENDING_COMPLETE)
        outcomes_commit();
    shadow_reset();
}

static void pct_prepare(void)
{
    for (int i = 0; i < PCT_ACTORS; i++)
        pct_priorities[i] = (th_random_next(&chance) | 1ull << 63) >> (i < THREADS_MAX || i % 2 == 0 ? 0 : 1);
    pct_change_count = (int)th_random_below(&chance, PCT_DEPTH_MAX + 1);
    for (int i = 0; i < pct_change_count; i++)
        pct_changes[i] = th_random_below(&chance, (uint32_t)(pct_steps < 16 ? 16 : pct_steps));
}

/* ---- Crashes of modelled code are failures like others */

static void crashed(int signo, siginfo_t *info, void *context)
{
    (void)context;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signo);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    if (!engine.is_active) {
        signal(signo, SIG_DFL);
        raise(signo);
    }
    engine_fail((uintptr_t)info->si_addr, "thread %d crashes: %s at address %p", engine.current, strsignal(signo),
                info->si_addr);
}

static void catch_crashes(void)
{
    static bool is_done;
    if (is_done)
        return;
    is_done = true;
    enum { BYTES = 65536 };
    stack_t stack = {.ss_sp = malloc(BYTES), .ss_size = BYTES};
    sigaltstack(&stack, NULL);
    struct sigaction action = {.sa_sigaction = crashed, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < TH_COUNT_OF(signals); i++)
        sigaction(signals[i], &action, NULL);
}

/* ---- Traces: choices separated by dots, NxV for V repeated; what follows is all 0 */

static void trace_write(char *text, size_t capacity)
{
    size_t length = 0, end = position < node_count ? position : node_count;
    while (end > 0 && nodes[end - 1].chosen == 0)
        end--;
    text[0] = '\0';
    for (size_t i = 0; i < end;) {
        size_t run = 1;
        while (i + run < end && nodes[i + run].chosen == nodes[i].chosen)
            run++;
        if (length + 32 > capacity) {
            snprintf(text, capacity, "(longer than %zu characters)", capacity);
            return;
        }
        const char *dot = i != 0 ? "." : "";
        if (run > 2)
            length += (size_t)snprintf(text + length, capacity - length, "%s%zux%u", dot, run, nodes[i].chosen);
        else
            length += (size_t)snprintf(text + length, capacity - length, "%s%u", dot, nodes[i].chosen);
        i += run > 2 ? run : 1;
    }
    if (end == 0)
        snprintf(text, capacity, "0");
}

static void trace_read(const char *text)
{
    while (*text != '\0') {
        char *rest;
        unsigned long value = strtoul(text, &rest, 10), run = 1;
        if (*rest == 'x') {
            run = value;
            value = strtoul(rest + 1, &rest, 10);
        }
        if (rest == text || run > 1000000 || value > UINT16_MAX || (*rest != '.' && *rest != '\0')) {
            fprintf(stderr, "model: this is no trace: %s\n", text);
            exit(2);
        }
        while (run-- > 0)
            *node_append() = (struct node){(uint16_t)value, 0, 0};
        text = *rest == '.' ? rest + 1 : rest;
    }
}

/* ---- The search */

static bool backtrack(void)
{
    node_count = position < node_count ? position : node_count;
    while (node_count > 0) {
        struct node *last = &nodes[node_count - 1];
        if (last->chosen + 1 < last->count) {
            last->chosen++;
            return true;
        }
        node_count--;
    }
    return false;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void show_progress(const struct statistics *statistics, double now)
{
    static double shown;
    if (now - shown < 0.5)
        return;
    shown = now;
    fprintf(stderr, "\r  %s %s: %" PRIu64 " executions, bound %d, depth %zu, %.0f s   ", engine.model->name,
            mode_name(engine.mode), statistics->executions, engine.preemption_bound, node_count, statistics->seconds);
}

/* Runs the failed execution once more, with the interleaving written down. */
static void explain(const struct settings *settings, struct statistics *statistics)
{
    trace_write(statistics->trace, sizeof statistics->trace);
    snprintf(statistics->failure, sizeof statistics->failure, "%s", engine.failure);
    statistics->has_failed = true;
    if (settings->is_quiet)
        return;
    node_count = position < node_count ? position : node_count;
    engine.is_recording = true;
    record_reset();
    execute();
    engine.is_recording = false;
    record_print(stdout);
}

/* One execution and its counts; false when it failed. */
static bool run_one(struct statistics *statistics)
{
    execute();
    statistics->executions++;
    statistics->steps += engine.steps;
    statistics->pruned += engine.ending == ENDING_PRUNED;
    statistics->hit_bound |= engine.was_bounded;
    statistics->bounded += engine.is_fair;
    if (engine.steps > pct_steps)
        pct_steps = engine.steps;
    return engine.ending != ENDING_FAILED;
}

struct limits {
    double start, seconds;
    uint64_t executions;
    bool is_quiet;
};

static bool may_go_on(const struct limits *limits, struct statistics *statistics)
{
    if (statistics->executions >= limits->executions)
        return false;
    if (statistics->executions % 64 != 0)
        return true;
    double now = seconds_now();
    statistics->seconds = now - limits->start;
    if (!limits->is_quiet && isatty(2))
        show_progress(statistics, now);
    return statistics->seconds < limits->seconds;
}

static void search_depth_first(const struct settings *settings, const struct limits *limits,
                               struct statistics *statistics)
{
    int last = settings->preemptions;
    for (int bound = 0;; bound++) {
        /* Without a bound: a few rounds with one, then the rest at once. */
        engine.preemption_bound = last < 0 && bound > 2 ? MODEL_UNBOUNDED : bound;
        statistics->bound = engine.preemption_bound;
        statistics->hit_bound = false;
        visited_reset();
        node_count = 0;
        do {
            if (!may_go_on(limits, statistics))
                return;
            if (!run_one(statistics)) {
                explain(settings, statistics);
                return;
            }
        } while (backtrack());
        statistics->states = visited_count();
        if (!statistics->hit_bound || bound == last || engine.preemption_bound < 0)
            break;
    }
    statistics->is_complete = true;
}

static void search_at_random(const struct settings *settings, const struct limits *limits,
                             struct statistics *statistics)
{
    engine.preemption_bound = MODEL_UNBOUNDED;
    statistics->bound = MODEL_UNBOUNDED;
    pct_steps = 0;
    for (uint64_t i = 0; may_go_on(limits, statistics); i++) {
        node_count = 0;
        th_random_init(&chance, settings->seed + i);
        pct_prepare();
        if (!run_one(statistics)) {
            explain(settings, statistics);
            return;
        }
    }
}

static void replay(const struct settings *settings, struct statistics *statistics)
{
    engine.preemption_bound = settings->preemptions;
    is_replay = true;
    node_count = 0;
    trace_read(settings->replay);
    engine.is_recording = true;
    record_reset();
    execute();
    engine.is_recording = false;
    is_replay = false;
    statistics->executions = 1;
    statistics->steps = engine.steps;
    statistics->bound = settings->preemptions;
    record_print(stdout);
    if (engine.ending == ENDING_FAILED) {
        trace_write(statistics->trace, sizeof statistics->trace);
        snprintf(statistics->failure, sizeof statistics->failure, "%s", engine.failure);
        statistics->has_failed = true;
    }
}

static int defaulted(int value, int standard)
{
    return value == 0 ? standard : value == MODEL_NONE ? 0 : value;
}

static void options_fill(const struct model_options *from)
{
    struct model_options *options = &engine.options;
    *options = *from;
    options->stale = defaulted(from->stale, MODEL_UNBOUNDED);
    options->spurious = defaulted(from->spurious, 1);
    options->early = defaulted(from->early, 1);
    options->weak_failures = defaulted(from->weak_failures, 1);
    options->exhausted = defaulted(from->exhausted, 1);
    options->spins = defaulted(from->spins, 3);
    options->steps = defaulted(from->steps, 2000);
}

void explore_run(const struct model *model, const struct settings *settings, struct statistics *statistics)
{
    catch_crashes();
    memset(statistics, 0, sizeof *statistics);
    engine.model = model;
    engine.mode = settings->mode;
    engine.strategy = settings->strategy;
    engine.seed = settings->seed;
    engine.is_unmerged = settings->is_unmerged;
    options_fill(&model->options);
    outcomes_begin();
    struct limits limits = {seconds_now(), settings->seconds, settings->executions, settings->is_quiet};
    if (settings->replay != NULL)
        replay(settings, statistics);
    else if (settings->strategy == STRATEGY_DFS)
        search_depth_first(settings, &limits, statistics);
    else
        search_at_random(settings, &limits, statistics);
    statistics->seconds = seconds_now() - limits.start;
    if (!limits.is_quiet && isatty(2))
        fprintf(stderr, "\r\033[K");
}

const char *mode_name(enum model_mode mode)
{
    switch (mode) {
    case MODEL_SC:
        return "sc";
    case MODEL_TSO:
        return "tso";
    case MODEL_WEAK:
        return "weak";
    }
    return "?";
}
