/* Exploring: planted mistakes are found, replayed, and kept apart from who explores. */
#include "replay/races.h"

#include <signal.h>

static bool is_told(const struct race *race)
{
    return !race->is_deadlock || !(TH_TSAN || kit_is_emulated());
}

static void find_race(const struct race *race, thrum_explore_options options)
{
    thrum_explored found;
    options.is_quiet = true;
    if (options.runs == 0 || !is_told(race))
        return;
    if (thrum_explore(race->wrong, NULL, &options, &found) != 1)
        FAIL("%s: not found within %u runs, by %d", race->name, options.runs, options.by);
    CHECK(found.is_replayed);
    CHECK_EQ(found.signo, 0);
    CHECK_EQ(found.result, race->is_deadlock ? -EDEADLK : -EIO);
    options = (thrum_explore_options){.runs = 1, .first_seed = found.seed, .is_quiet = true};
    CHECK_EQ(thrum_explore(race->wrong, NULL, &options, NULL), 1);
}

TEST(planted_races_are_found_by_chance)
{
    for (size_t i = 0; i < race_count; i++)
        find_race(&races[i], (thrum_explore_options){.runs = races[i].by_chance, .by = THRUM_EXPLORE_BY_CHANCE});
}

TEST(planted_races_are_found_by_priority)
{
    for (size_t i = 0; i < race_count; i++)
        find_race(&races[i], (thrum_explore_options){.runs = races[i].by_priority, .by = THRUM_EXPLORE_BY_PRIORITY});
}

/* Not from the first seed on, to be done sooner. */
TEST(a_storm_of_runs_finds_what_takes_two_changes_of_priority)
{
    find_race(deepest_race, (thrum_explore_options){.first_seed = 1401, .runs = 300, .by = THRUM_EXPLORE_BY_PRIORITY});
}

TEST(where_nothing_is_planted_nothing_is_found)
{
    for (size_t i = 0; i < race_count; i++) {
        thrum_explored found;
        thrum_explore_options options = {.runs = (unsigned)fewer(40, 4), .is_quiet = true};
        CHECK_EQ(thrum_explore(races[i].right, NULL, &options, &found), 0);
        CHECK_EQ(found.runs, options.runs);
        CHECK_EQ(found.seed, 0);
    }
}

/* ---- Ends of all sorts ---- */

static int abort_at_once(void *arg)
{
    (void)arg;
    abort();
}

static int yield_for_ever(void *arg)
{
    while (arg == NULL)
        thrum_yield();
    return 0;
}

static int spin_for_ever(void *arg)
{
    static volatile int one = 1;
    (void)arg;
    while (one == 1)
        continue;
    return 0;
}

static int leave_the_process(void *arg)
{
    (void)arg;
    _exit(3);
}

static thrum_explored explore_one(thrum_fn main_task, thrum_explore_options options)
{
    thrum_explored found;
    options.runs = 1;
    options.is_quiet = true;
    CHECK_EQ(thrum_explore(main_task, NULL, &options, &found), 1);
    return found;
}

TEST(a_crash_is_one_runs_own)
{
    thrum_explored found = explore_one(abort_at_once, (thrum_explore_options){.first_seed = 5});
    CHECK_EQ(found.signo, SIGABRT);
    CHECK_EQ(found.seed, 5);
    CHECK(found.is_replayed);
    found = explore_one(leave_the_process, (thrum_explore_options){0});
    CHECK_EQ(found.signo, 0);
    CHECK_EQ(found.result, 3);
}

TEST(a_run_without_end_is_ended)
{
    CHECK_EQ(explore_one(yield_for_ever, (thrum_explore_options){.steps = 1000}).signo, SIGABRT);
    CHECK_EQ(explore_one(spin_for_ever, (thrum_explore_options){.longest = THRUM_MS(50)}).signo, SIGKILL);
}

static int be_told(void *arg)
{
    return *(const int *)arg;
}

TEST(all_runs_are_made_where_it_goes_on)
{
    int result = -EIO;
    thrum_explored found;
    thrum_explore_options options = {.runs = 6, .goes_on = true, .is_quiet = true};
    CHECK_EQ(thrum_explore(be_told, &result, &options, &found), 6);
    CHECK_EQ(found.runs, 6);
    CHECK_EQ(found.seed, 1);
    options.goes_on = false;
    CHECK_EQ(thrum_explore(be_told, &result, &options, &found), 1);
    CHECK_EQ(found.runs, 1);
}

/* The second time it meets another world: what it asks is not the run's own. */
static int ask_the_system(void *arg)
{
    (void)arg;
    thrum_yield();
    for (int left = (int)getpid() % 1000; left >= 0; left--)
        thrum_yield();
    return -EIO;
}

TEST(what_is_not_the_runs_own_is_noticed)
{
    CHECK(!explore_one(ask_the_system, (thrum_explore_options){.first_seed = 2}).is_replayed);
}

static int explore_inside(void *arg)
{
    (void)arg;
    return thrum_explore(return_zero, NULL, NULL, NULL) == -EPERM ? 0 : -EIO;
}

TEST(a_task_explores_nothing)
{
    run_on(1, explore_inside, NULL);
}

/* ---- What is said ---- */

static void explore_loudly(void *arg)
{
    thrum_explored found;
    CHECK_EQ(unsetenv("THRUM_SEED"), 0);
    if (arg != NULL)
        CHECK_EQ(setenv("THRUM_SEED", arg, 1), 0);
    thrum_explore_options options = {.first_seed = 9};
    int result = -EIO;
    CHECK_EQ(thrum_explore(be_told, &result, &options, &found), 1);
    CHECK_EQ(found.runs, 1);
    CHECK_EQ(found.result, -EIO);
}

TEST(a_failure_is_told_with_its_seed)
{
    struct kit_outcome outcome;
    kit_in_child(explore_loudly, NULL, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "explore: seed 9 failed with -5, ");
    CHECK_STR_HAS(outcome.errors, "the same run again: THRUM_SEED=9 ");
    CHECK_EQ(lines_of(outcome.errors), 2);
}

TEST(a_given_seed_is_the_one_run)
{
    struct kit_outcome outcome;
    char seed[] = "12";
    kit_in_child(explore_loudly, seed, &outcome);
    CHECK_EQ(outcome.exit_code, 0);
    CHECK_STR_HAS(outcome.errors, "the same run again: THRUM_SEED=12 ");
    CHECK_EQ(lines_of(outcome.errors), 1);
}
