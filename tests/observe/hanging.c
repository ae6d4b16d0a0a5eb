/*
 * What tests/observe/debugger_walks looks at.
 *
 *   hanging         thousands of tasks that wait at different depths, and one for each other way to be; then an abort
 *                   in a signal handler, on the stack for signals
 *   hanging stuck   every worker is stuck in a system call: says so, and waits to be killed
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <thrum.h>
#include <unistd.h>

enum { CROWD = 10000, DEPTHS = 8, FAR_BELOW = 500, STUCK = 2 };

static thrum_semaphore semaphore = THRUM_SEMAPHORE_INIT(0);
static thrum_mutex mutex = THRUM_MUTEX_INIT;
static thrum_chan *channel;
static thrum_task *sleeper;
static int pipe_ends[2];
static atomic_int waiting;

/* Registers of many a caller live over the wait; frames are found from the stack pointer. */
__attribute__((noinline)) static int wait_below(long depth)
{
    volatile long more = depth;
    long code = depth == 0 ? thrum_semaphore_acquire(&semaphore) : wait_below(depth - 1);
    return (int)(code + more - depth);
}

/* Frames as large as somebody wishes: found from the frame pointer. */
__attribute__((noinline)) static int wait_far_below(long depth)
{
    volatile char *some = __builtin_alloca((size_t)(16 + depth % 64));
    some[0] = 0;
    return (depth == 0 ? thrum_semaphore_acquire(&semaphore) : wait_far_below(depth - 1)) + some[0];
}

static int one_of_the_crowd(void *depth)
{
    return wait_below((long)depth);
}

static int waits_far_below(void *arg)
{
    (void)arg;
    return wait_far_below(FAR_BELOW);
}

static int sleeps(void *arg)
{
    (void)arg;
    return thrum_sleep(THRUM_SEC(100000));
}

static int joins(void *arg)
{
    (void)arg;
    return thrum_join(sleeper, NULL);
}

static int receives(void *arg)
{
    return thrum_chan_receive(channel, arg);
}

static int wants_the_lock(void *arg)
{
    (void)arg;
    return thrum_mutex_lock(&mutex);
}

static int reads(void *arg)
{
    return (int)thrum_read(pipe_ends[0], arg, 1);
}

/* Holds its thread: no call of the runtime's, so that its worker is replaced. */
static int is_stuck(void *arg)
{
    atomic_fetch_add(&waiting, 1);
    while (pause() != 0)
        continue;
    return arg != NULL;
}

static int calls_what_blocks(void *arg)
{
    return thrum_blocking(is_stuck, arg);
}

static int waits_for_one_on_its_own_stack(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    int code = thrum_spawn(&group, one_of_the_crowd, NULL);
    return code < 0 ? code : thrum_group_wait(&group);
}

static int never_begins(void *arg)
{
    (void)arg;
    return 0;
}

/* Yields until so many have gone to wait, and so many hold threads. */
static void wait_until_they_wait(unsigned long parked, int stuck)
{
    thrum_stats stats;
    do {
        thrum_yield();
        thrum_stats_read(&stats);
    } while (stats.parks < parked || atomic_load(&waiting) < stuck);
}

static void spawn(thrum_group *group, thrum_fn fn, void *arg)
{
    if (thrum_spawn(group, fn, arg) < 0)
        exit(1);
}

static void abort_here(int signo)
{
    (void)signo;
    abort();
}

static int show_all_ways(void *arg)
{
    static char byte;
    static const thrum_fn ways[] = {
        waits_far_below, joins, receives, wants_the_lock, reads, calls_what_blocks, waits_for_one_on_its_own_stack};
    unsigned long count = sizeof ways / sizeof ways[0];
    thrum_group group = THRUM_GROUP_INIT;
    (void)arg;
    if (pipe(pipe_ends) < 0 || thrum_mutex_lock(&mutex) < 0 ||
        thrum_task_start(&sleeper, &group, NULL, sleeps, NULL) < 0 || thrum_chan_create(&channel, 1, 0) < 0)
        return 1;
    for (unsigned long i = 0; i < count; i++)
        spawn(&group, ways[i], &byte);
    spawn(&group, is_stuck, NULL);
    for (long i = 0; i < CROWD; i++)
        spawn(&group, one_of_the_crowd, (void *)(i % DEPTHS));
    wait_until_they_wait(CROWD + count + 1, 2);
    spawn(&group, never_begins, NULL);
    struct sigaction action = {.sa_flags = SA_ONSTACK};
    action.sa_handler = abort_here;
    sigaction(SIGUSR1, &action, NULL);
    return raise(SIGUSR1);
}

static int get_stuck(void *arg)
{
    thrum_group group = THRUM_GROUP_INIT;
    spawn(&group, one_of_the_crowd, NULL);
    spawn(&group, is_stuck, arg);
    wait_until_they_wait(1, STUCK - 1);
    return is_stuck(arg);
}

static void *tell_when_stuck(void *arg)
{
    while (atomic_load(&waiting) < STUCK)
        sched_yield();
    puts("stuck");
    fflush(stdout);
    return arg;
}

int main(int argc, char **argv)
{
    bool is_to_be_stuck = argc > 1 && strcmp(argv[1], "stuck") == 0;
    thrum_options options = {.workers = is_to_be_stuck ? STUCK : 1};
    pthread_t teller;
    /* No thread for one more than those that are stuck: nobody else begins what was just spawned. Or for nobody. */
    int code = is_to_be_stuck ? setenv("THRUM_SLICE_US", "0", 1) : setenv("THRUM_MAX_THREADS", "3", 1);
    if (code == 0 && is_to_be_stuck)
        code = pthread_create(&teller, NULL, tell_when_stuck, NULL);
    return code != 0 ? 1 : thrum_run_with(&options, is_to_be_stuck ? get_stuck : show_all_ways, NULL);
}
