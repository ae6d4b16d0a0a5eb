/* The command of a model program, and what models call. */
#include "engine.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct model *first_model, **next_model = &first_model;
struct model_survivor *first_survivor;
static const char *program;

void th_model_register(struct model *model)
{
    struct model_options *options = &model->options;
    if (options->modes == 0)
        options->modes = options->fails_in != 0 ? options->fails_in | MODEL_SC | MODEL_WEAK : MODEL_SC | MODEL_WEAK;
    if (options->fails != NULL && options->fails_in == 0)
        options->fails_in = options->modes;
    *next_model = model;
    next_model = &model->next;
}

void th_model_register_survivor(struct model_survivor *survivor)
{
    survivor->next = first_survivor;
    first_survivor = survivor;
}

/* ---- What models call */

#define SITE ((uintptr_t)__builtin_return_address(0))

int th_model_number(void)
{
    int number = 0;
    for (const struct model *model = first_model; model != engine.model; model = model->next)
        number++;
    return number;
}

int th_model_thread(void (*body)(void *arg), void *arg)
{
    return schedule_start(body, arg);
}

void th_model_join(int thread)
{
    schedule_join(thread, SITE);
}

void th_model_join_all(void)
{
    for (int t = 0; t < engine.thread_count; t++)
        if (t != engine.current)
            schedule_join(t, SITE);
}

int th_model_self(void)
{
    return engine.current;
}

void th_model_yield(void)
{
    schedule_yield();
}

unsigned th_model_choose(unsigned count)
{
    unsigned chosen = explore_choose(CHOICE_USER, count);
    thread_saw(current_thread(), chosen);
    record_note(engine.current, SITE, "chooses %u of %u", chosen, count);
    return chosen;
}

void th_model_fail(const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    engine_fail(0, "%s", text);
}

void th_model_check_eq(const char *file, int line, const char *a_text, const char *b_text, intmax_t a, intmax_t b)
{
    if (a != b)
        engine_fail(0, "%s:%d: %s == %s: %jd, %jd", file, line, a_text, b_text, a, b);
}

void th_model_issue(unsigned item)
{
    engine.issued |= 1ull << item;
}

void th_model_done(unsigned item)
{
    uint64_t bit = 1ull << item;
    if (!(engine.issued & bit))
        engine_fail(0, "item %u of the ledger is done and was never issued", item);
    if (engine.done & bit)
        engine_fail(0, "item %u of the ledger is done twice", item);
    engine.done |= bit;
}

/* ---- Verdicts */

static const char *outcomes_of(const struct model_options *options, enum model_mode mode)
{
    if (mode == MODEL_TSO && options->outcomes_tso != NULL)
        return options->outcomes_tso;
    if (mode == MODEL_WEAK && options->outcomes_weak != NULL)
        return options->outcomes_weak;
    return options->outcomes;
}

bool verdict(const struct model *model, const struct statistics *statistics, enum model_mode mode, char *text,
             size_t capacity)
{
    const struct model_options *options = &model->options;
    bool should_fail = options->fails != NULL && (options->fails_in & mode);
    if (should_fail && !statistics->has_failed) {
        snprintf(text, capacity, "does not fail, but should: %s", options->fails);
        return false;
    }
    if (statistics->has_failed && !(should_fail && strstr(statistics->failure, options->fails) != NULL)) {
        snprintf(text, capacity, "%s", statistics->failure);
        return false;
    }
    const char *outcomes = outcomes_of(options, mode);
    return outcomes == NULL || outcomes_match(outcomes, !statistics->is_complete, text, capacity);
}

/* ---- The command */

struct command {
    const char *name;
    unsigned modes;
    bool is_list, is_mutants;
    bool has_preemptions, has_seconds, is_outcomes;
    struct settings settings;
};

static TH_NORETURN void usage(int code)
{
    fprintf(code == 0 ? stdout : stderr,
            "usage: %s [NAME] [options]        all models, or one\n"
            "  --list                 name the models\n"
            "  --mode sc|tso|weak     one memory mode instead of the model's\n"
            "  --strategy dfs|pct|random\n"
            "  --preemptions N        bound of the depth-first search; -1: none\n"
            "  --executions N         stop after so many\n"
            "  --seconds N            stop after so long; 0: never\n"
            "  --seed N               of pct and random\n"
            "  --replay TRACE         one execution, printed\n"
            "  --mutants              weaken each memory order and safeguard, and expect a failure\n"
            "  --outcomes             print what th_model_outcome was told\n"
            "  --unmerged             explore equivalent interleavings too\n"
            "  --help\n",
            program);
    exit(code);
}

static long number(const char *text)
{
    char *end;
    long value = strtol(text, &end, 0);
    if (end == text || *end != '\0')
        usage(2);
    return value;
}

static unsigned mode_parse(const char *text)
{
    for (unsigned mode = MODEL_SC; mode <= MODEL_WEAK; mode <<= 1)
        if (strcmp(text, mode_name((enum model_mode)mode)) == 0)
            return mode;
    usage(2);
}

static enum strategy strategy_parse(const char *text)
{
    if (strcmp(text, "dfs") == 0)
        return STRATEGY_DFS;
    if (strcmp(text, "pct") == 0)
        return STRATEGY_PCT;
    if (strcmp(text, "random") == 0)
        return STRATEGY_RANDOM;
    usage(2);
}

static const char *strategy_name(enum strategy strategy)
{
    return strategy == STRATEGY_DFS ? "dfs" : strategy == STRATEGY_PCT ? "pct" : "random";
}

static void command_parse(int argc, char **argv, struct command *command)
{
    static const struct option options[] = {
        {"list", no_argument, NULL, 'l'},
        {"mode", required_argument, NULL, 'm'},
        {"strategy", required_argument, NULL, 's'},
        {"preemptions", required_argument, NULL, 'p'},
        {"seed", required_argument, NULL, 'e'},
        {"replay", required_argument, NULL, 'r'},
        {"executions", required_argument, NULL, 'x'},
        {"seconds", required_argument, NULL, 't'},
        {"mutants", no_argument, NULL, 'u'},
        {"outcomes", no_argument, NULL, 'o'},
        {"unmerged", no_argument, NULL, 'n'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    command->settings.executions = UINT64_MAX;
    command->settings.seed = (uint64_t)time(NULL);
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 'l':
            command->is_list = true;
            break;
        case 'm':
            command->modes = mode_parse(optarg);
            break;
        case 's':
            command->settings.strategy = strategy_parse(optarg);
            break;
        case 'p':
            command->settings.preemptions = (int)number(optarg);
            command->has_preemptions = true;
            break;
        case 'e':
            command->settings.seed = (uint64_t)number(optarg);
            break;
        case 'r':
            command->settings.replay = optarg;
            break;
        case 'x':
            command->settings.executions = (uint64_t)number(optarg);
            break;
        case 't':
            command->settings.seconds = (double)number(optarg);
            command->has_seconds = true;
            break;
        case 'u':
            command->is_mutants = true;
            break;
        case 'o':
            command->is_outcomes = true;
            break;
        case 'n':
            command->settings.is_unmerged = true;
            break;
        case 'h':
            usage(0);
        default:
            usage(2);
        }
    }
    if (optind + 1 < argc)
        usage(2);
    command->name = argv[optind];
}

static void settings_of(const struct model *model, const struct command *command, struct settings *settings)
{
    *settings = command->settings;
    int bound = model->options.preemptions;
    if (!command->has_preemptions)
        settings->preemptions = bound == 0 ? 3 : bound == MODEL_NONE ? 0 : bound;
    if (!command->has_seconds)
        settings->seconds = model->options.seconds != 0 ? model->options.seconds : 10;
    else if (settings->seconds <= 0)
        settings->seconds = 1e18;
}

static const char *extent(const struct settings *settings, const struct statistics *statistics, char *text,
                          size_t capacity)
{
    if (statistics->has_failed)
        return "failed";
    if (settings->strategy != STRATEGY_DFS)
        return "sampled";
    if (!statistics->is_complete)
        snprintf(text, capacity, "stopped at %d preemptions", statistics->bound);
    else if (!statistics->hit_bound)
        snprintf(text, capacity, "complete");
    else
        snprintf(text, capacity, "complete within %d preemptions", statistics->bound);
    return text;
}

static void print_line(const struct model *model, const struct settings *settings, const struct statistics *statistics,
                       bool is_ok)
{
    char text[64];
    double seconds = statistics->seconds > 1e-6 ? statistics->seconds : 1e-6;
    printf("%-6s %s %s %s: %s; %" PRIu64 " executions (%" PRIu64 " cut as seen), %" PRIu64 " steps, %.2f s, %.0f k/s, "
           "%.2f M steps/s",
           is_ok ? "ok" : "FAILED", model->name, mode_name(settings->mode), strategy_name(settings->strategy),
           extent(settings, statistics, text, sizeof text), statistics->executions, statistics->pruned,
           statistics->steps, statistics->seconds, (double)statistics->executions / seconds / 1e3,
           (double)statistics->steps / seconds / 1e6);
    if (statistics->bounded != 0)
        printf(", %" PRIu64 " longer than %d steps", statistics->bounded,
               model->options.steps != 0 ? model->options.steps : 2000);
    if (settings->strategy != STRATEGY_DFS)
        printf(", seed %" PRIu64, settings->seed);
    printf("\n");
}

static void print_failure(const struct model *model, const struct settings *settings,
                          const struct statistics *statistics, const char *text)
{
    printf("       %s\n", text);
    if (statistics->has_failed)
        printf("replay: %s %s --mode %s --preemptions %d --replay %s\n", program, model->name,
               mode_name(settings->mode), statistics->bound, statistics->trace);
}

static bool run(const struct model *model, const struct command *command, unsigned mode)
{
    struct settings settings;
    settings_of(model, command, &settings);
    settings.mode = (enum model_mode)mode;
    /* A failure that is expected needs no printed interleaving. */
    bool should_fail = model->options.fails != NULL && (model->options.fails_in & mode);
    settings.is_quiet = should_fail && settings.replay == NULL && command->modes == 0;
    static struct statistics statistics;
    explore_run(model, &settings, &statistics);
    char text[512] = "";
    bool is_ok = verdict(model, &statistics, settings.mode, text, sizeof text);
    print_line(model, &settings, &statistics, is_ok);
    if (command->is_outcomes)
        outcomes_print();
    if (!is_ok)
        print_failure(model, &settings, &statistics, text);
    else if (statistics.has_failed)
        print_failure(model, &settings, &statistics, statistics.failure);
    fflush(stdout);
    return is_ok;
}

static bool run_model(const struct model *model, const struct command *command)
{
    struct settings settings;
    settings_of(model, command, &settings);
    if (command->is_mutants) {
        mutants_add(model, &settings);
        return true;
    }
    bool is_ok = true;
    unsigned modes = command->modes != 0 ? command->modes : model->options.modes;
    for (unsigned mode = MODEL_SC; mode <= MODEL_WEAK; mode <<= 1)
        if (modes & mode)
            is_ok &= run(model, command, mode);
    return is_ok;
}

int main(int argc, char **argv)
{
    program = argv[0];
    struct command command = {.name = NULL};
    command_parse(argc, argv, &command);
    shadow_init();
    location_init();
    arena_init();
    bool is_ok = true, is_found = false;
    for (const struct model *model = first_model; model != NULL; model = model->next) {
        if (command.name != NULL && strcmp(command.name, model->name) != 0)
            continue;
        is_found = true;
        if (command.is_list)
            printf("%s\n", model->name);
        else
            is_ok &= run_model(model, &command);
    }
    if (!is_found) {
        fprintf(stderr, "%s: no model named %s; --list names them\n", program, command.name);
        return 2;
    }
    if (command.is_mutants && !command.is_list)
        is_ok = mutants_run();
    return is_ok ? 0 : 1;
}
