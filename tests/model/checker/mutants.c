/*
 * The mutation campaign: weaken one memory order, or switch one TH_MUTANT on, and see the model fail.
 *
 * The places come from a run of the model itself: each operation with an order stronger than relaxed that it reached.
 * An order is weakened by one step: what passes without the last bit of strength does not need it. A place that was
 * inlined into several functions is one mutant. Where the model links sources of runtime/, the operations of the
 * model's own file are left alone.
 */
#include "engine.h"

#include "base/mutant.h"

#include <stdlib.h>

enum { SITES_MAX = 512, NAMED_MAX = 64, COLLECT_EXECUTIONS = 3000 };

struct site {
    uintptr_t address;
    enum operation operation;
    int order;
    struct source source;
    bool is_taken;
};

struct mutant {
    const char *name; /* of a TH_MUTANT, or NULL */
    const struct site *site;
    uintptr_t addresses[16];
    unsigned address_count;
    int order; /* the weaker one */
    int ordinal;
    char key[96];
};

bool mutants_collecting;

static struct site sites[SITES_MAX];
static size_t site_count;
static const char *named[NAMED_MAX];
static size_t named_count;

void mutants_note_site(uintptr_t address, enum operation operation, int order)
{
    for (size_t i = 0; i < site_count; i++)
        if (sites[i].address == address)
            return;
    if (site_count < SITES_MAX)
        sites[site_count++] = (struct site){.address = address, .operation = operation, .order = order};
}

bool th_model_mutant(const char *name)
{
    if (engine.mutant_name != NULL && strcmp(engine.mutant_name, name) == 0)
        return true;
    if (!mutants_collecting)
        return false;
    for (size_t i = 0; i < named_count; i++)
        if (strcmp(named[i], name) == 0)
            return false;
    if (named_count < NAMED_MAX)
        named[named_count++] = name;
    return false;
}

static int by_place(const void *left, const void *right)
{
    const struct site *a = left, *b = right;
    int file = strcmp(a->source.file, b->source.file);
    if (file != 0)
        return file;
    if (a->source.line != b->source.line)
        return a->source.line < b->source.line ? -1 : 1;
    return a->address < b->address ? -1 : a->address > b->address;
}

static void collect(const struct model *model, const struct settings *settings)
{
    site_count = 0;
    named_count = 0;
    mutants_collecting = true;
    for (unsigned mode = MODEL_SC; mode <= MODEL_WEAK; mode <<= 1) {
        if (!(model->options.modes & mode))
            continue;
        struct settings quiet = *settings;
        quiet.mode = (enum model_mode)mode;
        quiet.is_quiet = true;
        quiet.executions = COLLECT_EXECUTIONS;
        struct statistics statistics;
        explore_run(model, &quiet, &statistics);
        /* And somewhere else than where a search begins. */
        quiet.strategy = STRATEGY_RANDOM;
        explore_run(model, &quiet, &statistics);
    }
    mutants_collecting = false;
    uintptr_t addresses[SITES_MAX];
    struct source *sources = calloc(SITES_MAX, sizeof *sources);
    if (sources == NULL)
        abort();
    for (size_t i = 0; i < site_count; i++)
        addresses[i] = sites[i].address;
    sites_resolve(addresses, site_count, sources);
    for (size_t i = 0; i < site_count; i++)
        sites[i].source = sources[i];
    free(sources);
    qsort(sites, site_count, sizeof *sites, by_place);
}

/* The orders one step below; how many. */
static int weaker(enum operation operation, int order, int *weaker_orders)
{
    if (operation == OP_MEMBARRIER) {
        weaker_orders[0] = ORDER_DROPPED;
        return 1;
    }
    if (operation == OP_FENCE) {
        weaker_orders[0] = order == __ATOMIC_SEQ_CST ? __ATOMIC_ACQ_REL : ORDER_DROPPED;
        return 1;
    }
    switch (order) {
    case __ATOMIC_SEQ_CST:
        weaker_orders[0] = operation == OP_LOAD    ? __ATOMIC_ACQUIRE
                           : operation == OP_STORE ? __ATOMIC_RELEASE
                                                   : __ATOMIC_ACQ_REL;
        return 1;
    case __ATOMIC_ACQ_REL:
        weaker_orders[0] = __ATOMIC_ACQUIRE;
        weaker_orders[1] = __ATOMIC_RELEASE;
        return 2;
    case __ATOMIC_ACQUIRE:
    case __ATOMIC_CONSUME:
    case __ATOMIC_RELEASE:
        weaker_orders[0] = __ATOMIC_RELAXED;
        return 1;
    default:
        return 0;
    }
}

static bool is_same_place(const struct site *a, const struct site *b)
{
    return a->source.line == b->source.line && strcmp(a->source.file, b->source.file) == 0 &&
           a->operation == b->operation && a->order == b->order && a->source.line != 0;
}

static const struct model_survivor *survivor_find(const struct model *model, const struct mutant *mutant)
{
    for (const struct model_survivor *s = first_survivor; s != NULL; s = s->next) {
        if (s->model != NULL && strcmp(s->model, model->name) != 0)
            continue;
        size_t length = strlen(mutant->key);
        if (strncmp(s->key, mutant->key, length) == 0 &&
            (s->key[length] == '\0' || (strncmp(s->key + length, "->", 2) == 0 &&
                                        strcmp(s->key + length + 2, sites_order_name(mutant->order)) == 0)))
            return s;
        if (mutant->site != NULL && strcmp(s->key, mutant->site->source.label) == 0)
            return s;
        if (mutant->name != NULL && strcmp(s->key, mutant->name) == 0)
            return s;
    }
    return NULL;
}

struct campaign {
    const struct model *model;
    const struct settings *settings;
    int killed, expected, survived;
};

static bool kill(const struct campaign *campaign, char *how, size_t capacity)
{
    uint64_t executions = 0;
    double seconds = 0;
    bool is_complete = true;
    for (unsigned mode = MODEL_SC; mode <= MODEL_WEAK; mode <<= 1) {
        if (!(campaign->model->options.modes & mode))
            continue;
        struct settings settings = *campaign->settings;
        settings.mode = (enum model_mode)mode;
        settings.is_quiet = true;
        struct statistics statistics;
        explore_run(campaign->model, &settings, &statistics);
        executions += statistics.executions;
        seconds += statistics.seconds;
        is_complete &= statistics.is_complete;
        char text[512];
        if (!verdict(campaign->model, &statistics, settings.mode, text, sizeof text)) {
            snprintf(how, capacity, "%s, execution %" PRIu64 ": %s", mode_name(settings.mode), executions, text);
            return true;
        }
    }
    snprintf(how, capacity, "%" PRIu64 " executions in %.1f s, %s", executions, seconds,
             is_complete ? "all within the bound" : "not all");
    return false;
}

static void mutant_try(struct campaign *campaign, const struct mutant *mutant, const char *what)
{
    char how[600];
    memcpy(engine.mutant_sites, mutant->addresses, sizeof engine.mutant_sites);
    engine.mutant_site_count = mutant->address_count;
    engine.mutant_order = mutant->order;
    engine.mutant_name = mutant->name;
    bool is_killed = kill(campaign, how, sizeof how);
    engine.mutant_site_count = 0;
    engine.mutant_name = NULL;
    const struct model_survivor *survivor = survivor_find(campaign->model, mutant);
    if (is_killed) {
        campaign->killed++;
        printf("  killed    %s\n            by %s\n", what, how);
    } else if (survivor != NULL) {
        campaign->expected++;
        printf("  survives  %s\n            as expected: %s (%s)\n", what, survivor->reason, how);
    } else {
        campaign->survived++;
        printf("  SURVIVED  %s\n            %s; key %s\n", what, how, mutant->key);
    }
    fflush(stdout);
}

static bool has_runtime_sites(void)
{
    for (size_t i = 0; i < site_count; i++)
        if (!sites[i].source.is_model)
            return true;
    return false;
}

static void try_place(struct campaign *campaign, size_t first, int ordinal)
{
    const struct site *site = &sites[first];
    struct mutant mutant = {.site = site, .ordinal = ordinal};
    for (size_t i = first; i < site_count; i++)
        if ((i == first || is_same_place(site, &sites[i])) && mutant.address_count < TH_COUNT_OF(mutant.addresses)) {
            mutant.addresses[mutant.address_count++] = sites[i].address;
            sites[i].is_taken = true;
        }
    static const char *const operations[] = {"load", "store", "read-modify-write", "fence", "membarrier"};
    snprintf(mutant.key, sizeof mutant.key, "%s#%d", site->source.function, ordinal);
    int orders[2];
    int count = weaker(site->operation, site->order, orders);
    for (int i = 0; i < count; i++) {
        char what[256];
        mutant.order = orders[i];
        snprintf(what, sizeof what, "%s:%d %s: %s %s -> %s %s", site->source.file, site->source.line,
                 site->source.function, operations[site->operation], sites_order_name(site->order),
                 orders[i] == ORDER_DROPPED ? "nothing" : sites_order_name(orders[i]), site->source.label);
        mutant_try(campaign, &mutant, what);
    }
}

int mutants_run(const struct model *model, const struct settings *settings)
{
    struct campaign campaign = {.model = model, .settings = settings};
    char how[600];
    if (kill(&campaign, how, sizeof how)) {
        printf("%s: fails without a mutant: %s\n", model->name, how);
        return 1;
    }
    collect(model, settings);
    printf("%s: mutants\n", model->name);
    bool runtime_only = has_runtime_sites();
    for (size_t i = 0; i < site_count; i++) {
        int orders[2];
        if (sites[i].is_taken || (runtime_only && sites[i].source.is_model) ||
            weaker(sites[i].operation, sites[i].order, orders) == 0)
            continue;
        int ordinal = 1;
        for (size_t before = 0; before < i; before++)
            ordinal += strcmp(sites[before].source.function, sites[i].source.function) == 0 &&
                       !is_same_place(&sites[before], &sites[i]) &&
                       (before == 0 || !is_same_place(&sites[before - 1], &sites[before])) &&
                       weaker(sites[before].operation, sites[before].order, orders) > 0;
        try_place(&campaign, i, ordinal);
    }
    for (size_t i = 0; i < named_count; i++) {
        struct mutant mutant = {.name = named[i]};
        snprintf(mutant.key, sizeof mutant.key, "%s", named[i]);
        mutant_try(&campaign, &mutant, named[i]);
    }
    printf("%s: %d killed, %d survive as expected, %d survived\n", model->name, campaign.killed, campaign.expected,
           campaign.survived);
    return campaign.survived;
}
