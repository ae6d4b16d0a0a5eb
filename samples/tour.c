/*
 * A short tour, `tour [SLEEPING TASKS]`. Prints, with the figures of this machine at this moment:
 *
 *     1. some work on one worker
 *     ...
 *     all well
 */
#include <thrum.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* A group is waited for whatever else happened; of two results the first failure counts. */
static int both(int first, int second)
{
    return first < 0 ? first : second;
}

static double ms_since(thrum_time begun)
{
    return (double)(thrum_now() - begun) / 1e6;
}

static int sleepers = 100000;
struct range {
    uint64_t from, to, steps;
};

/* All steps of the Collatz walks from a range: a small one in a loop, a large one as two halves side by side. */
static int walk(void *arg)
{
    struct range *range = arg;
    if (range->to - range->from > 10000) {
        uint64_t middle = range->from + (range->to - range->from) / 2;
        struct range low = {range->from, middle, 0}, high = {middle, range->to, 0};
        thrum_group halves = THRUM_GROUP_INIT;
        int result = both(thrum_spawn(&halves, walk, &low), walk(&high));
        result = both(result, thrum_group_wait(&halves));
        range->steps = low.steps + high.steps;
        return result;
    }
    for (uint64_t i = range->from; i < range->to; i++)
        for (uint64_t n = i; n > 1; range->steps++)
            n = n % 2 == 0 ? n / 2 : 3 * n + 1;
    return 0;
}

static int walk_all(void *arg)
{
    thrum_time begun = thrum_now();
    int result = walk(arg);
    printf("   %2u worker%s %6.0f ms, %llu steps\n", thrum_workers(),
           thrum_workers() == 1 ? ": " : "s:", ms_since(begun), (unsigned long long)((struct range *)arg)->steps);
    return result;
}

static int doze(void *arg)
{
    return thrum_sleep(*(const thrum_time *)arg);
}

static int many(void)
{
    thrum_time begun = thrum_now(), span = THRUM_MS(500);
    thrum_group group = THRUM_GROUP_INIT;
    int result = 0;
    for (int i = 0; i < sleepers && result == 0; i++)
        result = thrum_spawn(&group, doze, &span);
    result = both(result, thrum_group_wait(&group));
    printf("   each slept 500 ms, all together took %.0f ms\n", ms_since(begun));
    return result;
}

static int work_until_told(void *arg)
{
    while (!thrum_cancelled())
        thrum_sleep(THRUM_MS(1));
    printf("   its sibling stops (%s)\n", thrum_cancel_reason() == THRUM_CANCEL_SIBLING ? "a sibling failed" : "?");
    return arg == NULL ? -ECANCELED : 0;
}

static int fail(void *arg)
{
    printf("   a task fails\n");
    return arg == NULL ? -ENOENT : 0;
}

static int failing(void)
{
    thrum_group group = THRUM_GROUP_INIT;
    int result = both(thrum_spawn(&group, work_until_told, NULL), thrum_spawn(&group, fail, NULL));
    int waited = thrum_group_wait(&group);
    printf("   the group's result: %s\n", thrum_strerror(waited));
    return both(result, waited == -ENOENT ? 0 : -EBADMSG);
}

static int tour(void *arg)
{
    printf("2. the same work on all workers\n");
    int result = walk_all(arg);
    printf("3. %d tasks asleep at once\n", sleepers);
    result = both(result, many());
    printf("4. a failure cancels its siblings\n");
    return both(result, failing());
}

int main(int argc, char **argv)
{
    sleepers = argc > 1 ? atoi(argv[1]) : sleepers;
    struct range serial = {1, 2000000, 0}, parallel = serial;
    setbuf(stdout, NULL);
    printf("1. some work on one worker\n");
    int result = thrum_run_with(&(thrum_options){.workers = 1}, walk_all, &serial);
    result = result == 0 ? thrum_run(tour, &parallel) : result;
    result = result == 0 && serial.steps != parallel.steps ? -EBADMSG : result;
    printf("%s\n", result == 0 ? "all well" : thrum_strerror(result));
    return result == 0 ? 0 : 1;
}
