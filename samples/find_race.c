/*
 * Finds a race by running a program under many seeds, and has it again: three clients book the last seat of a train.
 *
 *     samples/run --sample find_race        prints, in a second or two:
 *
 *     1 seat, 3 clients: seed ... sold too many
 *     with that seed again, event for event: yes
 *     repaired: 200 seeds, 0 failures
 *
 * On stderr it says how to have the failing run again: with THRUM_SEED=... find_race makes that one run, in a debugger
 * if you like, and THRUM_SEED_TRACE=FILE writes down who ran when.
 */
#include <thrum.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

enum { CLIENTS = 3 };

struct train {
    thrum_mutex mutex;
    bool is_repaired;
    int seats, sold;
};

static int book(void *arg)
{
    struct train *train = arg;
    /* The mistake: another client may come between this look and the lock. */
    bool has_seat = train->seats > 0;
    if (!has_seat)
        return 0;
    int code = thrum_mutex_lock(&train->mutex);
    if (code < 0)
        return code;
    if (train->is_repaired)
        has_seat = train->seats > 0;
    if (has_seat) {
        train->seats--;
        train->sold++;
    }
    thrum_mutex_unlock(&train->mutex);
    return 0;
}

static int sell(void *arg)
{
    struct train train = {.mutex = THRUM_MUTEX_INIT, .is_repaired = *(const bool *)arg, .seats = 1};
    thrum_group group = THRUM_GROUP_INIT;
    int failed = 0;
    for (int i = 0; i < CLIENTS && failed == 0; i++)
        failed = thrum_spawn(&group, book, &train);
    int code = thrum_group_wait(&group);
    if (failed < 0 || code < 0)
        return failed < 0 ? failed : code;
    return train.sold <= 1 ? 0 : -EIO;
}

int main(void)
{
    bool is_repaired = false;
    thrum_explored found;
    int failures = thrum_explore(sell, &is_repaired, NULL, &found);
    if (failures != 1) {
        puts(failures == 0 ? "no seed sold too many" : thrum_strerror(failures));
        return 1;
    }
    printf("1 seat, %d clients: seed %llu sold too many\n", CLIENTS, (unsigned long long)found.seed);
    printf("with that seed again, event for event: %s\n", found.is_replayed ? "yes" : "no");
    is_repaired = true;
    thrum_explore_options options = {.runs = 200};
    failures = thrum_explore(sell, &is_repaired, &options, &found);
    printf("repaired: %u seeds, %d failures\n", found.runs, failures);
    return failures == 0 ? 0 : 1;
}
