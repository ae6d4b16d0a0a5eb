/*
 * Runs under many seeds, each in a child: see thrum/explore.h.
 *
 * A child's ledger (sched/seeded.h) and its result are in memory that it shares with the parent, so that they are there
 * after a crash too. Nobody else writes it, and the parent reads it when the child has ended.
 *
 * Rejected: many runs in one child. What a run leaves behind in statics and in the heap would be part of the next, and
 * the same seed alone would be another run.
 */
#include <thrum/explore.h>

#include "base/config.h"
#include "base/fault.h"
#include "base/panic.h"
#include "base/sys_io.h"
#include "base/sys_process.h"
#include "fiber/fiber.h"
#include "sched/seeded.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

enum {
    RUNS_USUAL = 1000,
    STEPS_USUAL = 1000000,
    LONGEST_USUAL_NS = 10 * (int64_t)1000000000,
    PROGRESS_AFTER_NS = 1000000000,
    PROGRESS_EACH_NS = 200000000
};

/* What parent and child share. */
struct record {
    struct th_ledger ledger;
    int result;
};

struct exploration {
    thrum_fn main_task;
    void *arg;
    thrum_explore_options options;
    struct record *record;
    thrum_explored found;
    int64_t progress_at; /* when to say next how far it is; TH_SYS_FOREVER: nobody looks */
};

/* How a run ended. */
struct end {
    int result, signo;
    struct th_ledger ledger;
};

static bool is_failure(const struct end *end)
{
    return end->result != 0 || end->signo != 0;
}

/* ---- One run ---- */

TH_NORETURN static void run_in_child(const struct exploration *exploration, uint64_t seed)
{
    thrum_options options = {.seed = seed};
    th_seeded_ledger = &exploration->record->ledger;
    th_seeded_steps_most = exploration->options.steps;
    exploration->record->result = thrum_run_with(&options, exploration->main_task, exploration->arg);
    th_sys_exit(0);
}

/* Waits for the child's end; kills it when its time is over. */
static int await_child(int pidfd, int64_t longest, int *status)
{
    struct pollfd wait = {.fd = pidfd, .events = POLLIN};
    int64_t until = th_sys_now() + longest;
    int code = -EAGAIN;
    while (code == -EAGAIN || code == -EINTR) {
        int64_t left = until - th_sys_now();
        if (left <= 0)
            (void)th_sys_pidfd_kill(pidfd, SIGKILL);
        (void)th_sys_poll(&wait, 1, left > 0 ? left : TH_SYS_FOREVER);
        code = th_sys_pidfd_wait(pidfd, status);
    }
    return code;
}

static int make_run(const struct exploration *exploration, uint64_t seed, bool is_loud, struct end *end)
{
    int status;
    *exploration->record = (struct record){.result = 0};
    int child = th_sys_fork(is_loud);
    if (child < 0)
        return child;
    if (child == 0)
        run_in_child(exploration, seed);
    int pidfd = th_sys_pidfd_open(child);
    if (pidfd < 0) {
        th_sys_undo_spawn(child);
        return pidfd;
    }
    int code = await_child(pidfd, exploration->options.longest, &status);
    (void)th_sys_close(pidfd);
    if (code < 0)
        return code;
    *end = (struct end){.result = exploration->record->result, .ledger = exploration->record->ledger};
    if (WIFSIGNALED(status))
        end->signo = WTERMSIG(status);
    else if (end->result == 0)
        end->result = WEXITSTATUS(status); /* the program has ended itself */
    return 0;
}

/* ---- What is said ---- */

static void report_end(uint64_t seed, const struct end *end)
{
    if (end->signo == SIGKILL)
        th_report("explore: seed %lu came to no end, and was killed", seed);
    else if (end->signo != 0)
        th_report("explore: seed %lu was ended by signal %d, %s", seed, end->signo, strsignal(end->signo));
    else
        th_report("explore: seed %lu failed with %d, %s", seed, end->result, thrum_strerror(end->result));
}

static void tell_progress(struct exploration *exploration)
{
    char text[64];
    int64_t now = th_sys_now();
    if (now < exploration->progress_at)
        return;
    exploration->progress_at = now + PROGRESS_EACH_NS;
    int length = snprintf(text, sizeof text, "\rthrum: explored %u of %u seeds", exploration->found.runs,
                          exploration->options.runs);
    (void)th_sys_write(2, text, (size_t)length);
}

static void end_progress(const struct exploration *exploration)
{
    static const char clear[] = "\r\033[K";
    if (exploration->progress_at != TH_SYS_FOREVER && exploration->found.runs > 0)
        (void)th_sys_write(2, clear, sizeof clear - 1);
}

/* ---- Many ---- */

/* The first failure once more: is it the same, and what does it print? */
static int replay(struct exploration *exploration, uint64_t seed, const struct end *first)
{
    thrum_explored *found = &exploration->found;
    bool is_loud = !exploration->options.is_quiet;
    struct end again;
    int code = make_run(exploration, seed, is_loud, &again);
    if (code < 0)
        return code;
    found->seed = seed;
    found->result = first->result;
    found->signo = first->signo;
    found->is_replayed = again.result == first->result && again.signo == first->signo &&
                         again.ledger.events == first->ledger.events && again.ledger.hash == first->ledger.hash;
    if (!is_loud)
        return 0;
    report_end(seed, first);
    if (!found->is_replayed)
        th_report("explore: and not in the same way again: it asks something that is not the run's own");
    th_report_seed(seed);
    return 0;
}

static int try_seed(struct exploration *exploration, uint64_t seed)
{
    struct end end;
    int code = make_run(exploration, seed, false, &end);
    if (code < 0)
        return code;
    exploration->found.runs++;
    tell_progress(exploration);
    if (!is_failure(&end))
        return 0;
    if (exploration->found.failures++ > 0)
        return 0;
    end_progress(exploration);
    return replay(exploration, seed, &end);
}

static bool is_wanted(const thrum_explore_options *options, uint64_t seed)
{
    bool is_by_chance = th_seeded_is_by_chance(seed);
    return options->by == THRUM_EXPLORE_BY_BOTH || (options->by == THRUM_EXPLORE_BY_CHANCE) == is_by_chance;
}

static int try_seeds(struct exploration *exploration)
{
    const thrum_explore_options *options = &exploration->options;
    const thrum_explored *found = &exploration->found;
    int code = 0;
    for (uint64_t seed = options->first_seed; code == 0 && found->runs < options->runs; seed++) {
        if (found->failures > 0 && !options->goes_on)
            break;
        if (is_wanted(options, seed))
            code = try_seed(exploration, seed);
    }
    end_progress(exploration);
    return code < 0 ? code : (int)found->failures;
}

/* The one run that was asked for, here. */
static int run_here(thrum_fn main_task, void *arg, uint64_t seed, thrum_explored *found)
{
    thrum_options options = {.seed = seed};
    int result = thrum_run_with(&options, main_task, arg);
    *found = (thrum_explored){.runs = 1, .failures = result != 0, .seed = result != 0 ? seed : 0, .result = result};
    return (int)found->failures;
}

static void set_defaults(thrum_explore_options *options)
{
    options->first_seed += options->first_seed == 0;
    if (options->runs == 0 || options->runs > INT32_MAX)
        options->runs = RUNS_USUAL;
    if (options->steps == 0)
        options->steps = STEPS_USUAL;
    if (options->longest <= 0)
        options->longest = LONGEST_USUAL_NS;
}

/* Children inherit it. What is wrong with a plan is said once, and not by each of them. */
static int set_faults(const char *plan)
{
    int code = plan != NULL ? th_fault_plan(plan) : 0;
    if (plan != NULL)
        (void)th_fault_plan(NULL);
    th_seeded_faults = code == 0 ? plan : NULL;
    return code;
}

static int explore_in_children(struct exploration *exploration)
{
    void *shared;
    int code = th_sys_map_shared(sizeof *exploration->record, &shared);
    if (code < 0)
        return code;
    exploration->record = shared;
    code = try_seeds(exploration);
    (void)th_sys_unmap(shared, sizeof *exploration->record);
    return code;
}

int thrum_explore(thrum_fn main_task, void *arg, const thrum_explore_options *options, thrum_explored *result)
{
    struct exploration exploration = {.main_task = main_task, .arg = arg, .progress_at = TH_SYS_FOREVER};
    uint64_t seed = 0;
    if (th_fiber_self() != NULL)
        return -EPERM;
    if (options != NULL)
        exploration.options = *options;
    set_defaults(&exploration.options);
    int code = th_config_number("THRUM_SEED", 1, UINT64_MAX, &seed);
    if (code == 0)
        code = set_faults(exploration.options.faults);
    if (code < 0)
        return code;
    if (!exploration.options.is_quiet && th_sys_is_terminal(2))
        exploration.progress_at = th_sys_now() + PROGRESS_AFTER_NS;
    code = seed != 0 ? run_here(main_task, arg, seed, &exploration.found) : explore_in_children(&exploration);
    th_seeded_faults = NULL;
    if (result != NULL)
        *result = exploration.found;
    return code;
}
