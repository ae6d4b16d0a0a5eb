/*
 * The mutation campaign: weaken one memory order, or switch one TH_MUTANT on, and see the model fail.
 *
 * The places come from a run of the model itself: each operation with an order stronger than relaxed that it reached.
 * An order is weakened by one step: what passes without the last bit of strength does not need it. A place that was
 * inlined into several functions is one mutant. Where the program links sources of runtime/, the operations of the
 * models' own file are left alone.
 *
 * A mutant is tried on the models that reach its place, in their order, until one kills it.
 */
#include "engine.h"

#include "base/mutant.h"

#include <stdlib.h>

enum { SITES_MAX = 512, NAMED_MAX = 64, MODELS_MAX = 64, COLLECT_EXECUTIONS = 3000 };

struct site {
    uintptr_t address;
    enum operation operation;
    int order;
    struct source source;
    uint64_t models; /* that reached it, a bit each */
    bool is_taken;
};

struct mutant {
    const char *name; /* of a TH_MUTANT, or NULL */
    const struct site *site;
    uint64_t models;
    uintptr_t addresses[16];
    unsigned address_count;
    int order; /* the weaker one */
    int ordinal;
    char key[96];
};

bool mutants_collecting;

static struct site sites[SITES_MAX];
static size_t site_count;
static struct {
    const char *name;
    uint64_t models;
} named[NAMED_MAX];
static size_t named_count;
static const struct model *models[MODELS_MAX];
static struct settings model_settings[MODELS_MAX];
static unsigned model_count, collecting;

void mutants_note_site(uintptr_t address, enum operation operation, int order)
{
    size_t i = 0;
    while (i < site_count && sites[i].address != address)
        i++;
    if (i == SITES_MAX)
        return;
    if (i == site_count)
        sites[site_count++] = (struct site){.address = address, .operation = operation, .order = order};
    sites[i].models |= 1ull << collecting;
}

bool th_model_mutant(const char *name)
{
    if (engine.mutant_name != NULL && strcmp(engine.mutant_name, name) == 0)
        return true;
    if (!mutants_collecting)
        return false;
    size_t i = 0;
    while (i < named_count && strcmp(named[i].name, name) != 0)
        i++;
    if (i == NAMED_MAX)
        return false;
    if (i == named_count)
        named[named_count++].name = name;
    named[i].models |= 1ull << collecting;
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

static void collect_model(const struct model *model, const struct settings *settings)
{
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
}

static void collect(void)
{
    mutants_collecting = true;
    for (collecting = 0; collecting < model_count; collecting++)
        collect_model(models[collecting], &model_settings[collecting]);
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

static const struct model_survivor *survivor_find(const struct mutant *mutant)
{
    for (const struct model_survivor *s = first_survivor; s != NULL; s = s->next) {
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
    int killed, expected, survived;
};

/* What trying came to, summed over models and modes. */
struct trial {
    uint64_t executions;
    double seconds;
    bool is_complete;
};

static bool kill_in(unsigned number, struct trial *trial, char *how, size_t capacity)
{
    const struct model *model = models[number];
    for (unsigned mode = MODEL_SC; mode <= MODEL_WEAK; mode <<= 1) {
        if (!(model->options.modes & mode))
            continue;
        struct settings settings = model_settings[number];
        settings.mode = (enum model_mode)mode;
        settings.is_quiet = true;
        struct statistics statistics;
        explore_run(model, &settings, &statistics);
        trial->executions += statistics.executions;
        trial->seconds += statistics.seconds;
        trial->is_complete &= statistics.is_complete;
        char text[512];
        if (!verdict(model, &statistics, settings.mode, text, sizeof text)) {
            snprintf(how, capacity, "%s %s, execution %" PRIu64 ": %s", model->name, mode_name(settings.mode),
                     statistics.executions, text);
            return true;
        }
    }
    return false;
}

static bool kill(uint64_t among, char *how, size_t capacity)
{
    struct trial trial = {0, 0, true};
    for (unsigned i = 0; i < model_count; i++)
        if ((among >> i & 1) && kill_in(i, &trial, how, capacity))
            return true;
    snprintf(how, capacity, "%" PRIu64 " executions of %d models in %.1f s, %s", trial.executions,
             __builtin_popcountll(among), trial.seconds, trial.is_complete ? "all within the bounds" : "not all");
    return false;
}

static void mutant_try(struct campaign *campaign, const struct mutant *mutant, const char *what)
{
    char how[600];
    memcpy(engine.mutant_sites, mutant->addresses, sizeof engine.mutant_sites);
    engine.mutant_site_count = mutant->address_count;
    engine.mutant_order = mutant->order;
    engine.mutant_name = mutant->name;
    bool is_killed = kill(mutant->models, how, sizeof how);
    engine.mutant_site_count = 0;
    engine.mutant_name = NULL;
    const struct model_survivor *survivor = survivor_find(mutant);
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
            mutant.models |= sites[i].models;
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

/* Which of a function's mutable operations it is, in the order of lines. */
static int ordinal_of(size_t site)
{
    int orders[2], ordinal = 1;
    for (size_t before = 0; before < site; before++)
        ordinal += strcmp(sites[before].source.function, sites[site].source.function) == 0 &&
                   !is_same_place(&sites[before], &sites[site]) &&
                   (before == 0 || !is_same_place(&sites[before - 1], &sites[before])) &&
                   weaker(sites[before].operation, sites[before].order, orders) > 0;
    return ordinal;
}

void mutants_add(const struct model *model, const struct settings *settings)
{
    if (model->options.fails != NULL || model_count == MODELS_MAX)
        return;
    models[model_count] = model;
    model_settings[model_count++] = *settings;
}

bool mutants_run(void)
{
    struct campaign campaign = {0, 0, 0};
    char how[600];
    if (kill(UINT64_MAX >> (MODELS_MAX - model_count), how, sizeof how)) {
        printf("fails without a mutant: %s\n", how);
        return false;
    }
    collect();
    bool runtime_only = has_runtime_sites();
    for (size_t i = 0; i < site_count; i++) {
        int orders[2];
        if (!sites[i].is_taken && !(runtime_only && sites[i].source.is_model) &&
            weaker(sites[i].operation, sites[i].order, orders) > 0)
            try_place(&campaign, i, ordinal_of(i));
    }
    for (size_t i = 0; i < named_count; i++) {
        struct mutant mutant = {.name = named[i].name, .models = named[i].models};
        snprintf(mutant.key, sizeof mutant.key, "%s", named[i].name);
        mutant_try(&campaign, &mutant, named[i].name);
    }
    printf("mutants: %d killed, %d survive as expected, %d survived\n", campaign.killed, campaign.expected,
           campaign.survived);
    return campaign.survived == 0;
}
