/*
 * Testing with seeds: races found by running a program many times, each time in another order, and had again at will.
 *
 * With a seed - THRUM_SEED=17, or thrum_options.seed - thrum_run is deterministic. All tasks run on the calling thread;
 * which of them goes on, which ready case a select takes, and how long things take is chosen by a generator that begins
 * with the seed. The clock of thrum_now, sleeps and deadlines is virtual: when all wait it jumps to the next timer,
 * so an hour's sleep takes no time. Another task may go first
 *
 *   - at each wait, and in thrum_yield;
 *   - before a lock, a semaphore, a receive, a select, a read is tried, and after an unlock, a release, a send, a set,
 *     a cancel, a write;
 *   - after a spawn, even in calls whose comments say that they never switch. So hold no pthread lock over a spawn.
 *
 * The same seed gives the same run, event for event, as long as the program asks nobody else: threads of its own, other
 * processes, the real clock, addresses, uninitialised memory. What thrum would do on other threads - thrum_blocking,
 * fsync, names, tasks of thrum_nomigrate_begin - happens on this one. One such run at a time in a process, and no
 * other run beside it. THRUM_SEED_TRACE=path writes the events as text: the traces of two runs show where they part.
 *
 * System calls that the library makes can be made to fail, by a plan of faults (thrum_explore_options.faults, or
 * THRUM_FAULTS with a seed): rules with commas between, CALL:WHEN:WHAT. Which calls a percentage means is the seed's.
 *
 *     recv:%10:ECONNRESET        one read of ten from a socket fails
 *     send:%50:short=1           half of all writes to sockets move one byte
 *     alloc:7:ENOMEM             the seventh allocation of the library; "7+": all from there on, "7x3": three, "*": all
 *
 * Calls that are known: alloc, mmap, open, close, read, write, readv, writev, pread, pwrite, recv, send, recvmsg,
 * sendmsg, accept, connect, socket, bind, listen, sendfile, splice, poll, epoll_wait, fsync, getaddrinfo, spawn, and
 * others. Those that move bytes can be cut short.
 *
 * thrum_explore tries many seeds. It finds what depends on the order of tasks between the places above; what two
 * threads do to the same word in the same nanosecond it does not find: that is the thread sanitizer's.
 */
#ifndef THRUM_EXPLORE_H
#define THRUM_EXPLORE_H

#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How seeds choose. Even ones by chance: often right for what needs many switches. Odd ones by priorities that change
 * at up to three random places (PCT): for orders that a fair chance never brings about. */
enum thrum_explore_by { THRUM_EXPLORE_BY_BOTH, THRUM_EXPLORE_BY_CHANCE, THRUM_EXPLORE_BY_PRIORITY };

/* Zero means the default. */
typedef struct thrum_explore_options {
    uint64_t first_seed; /* 0: 1 */
    unsigned runs;       /* at most so many; 0: 1,000 */
    int by;              /* enum thrum_explore_by */
    uint64_t steps;      /* of one run, after which it counts as endless; 0: 1,000,000 */
    thrum_time longest;  /* real time of one run, after which it is killed; 0: 10 s */
    bool goes_on;        /* after a failure; else the first is the last run */
    bool is_quiet;       /* nothing is printed */
    const char *faults;  /* a plan of them, as above; NULL: THRUM_FAULTS */
} thrum_explore_options;

typedef struct thrum_explored {
    unsigned runs, failures;
    uint64_t seed; /* the first that failed; 0: none did */
    int result;    /* that thrum_run had then */
    int signo;     /* or the signal that ended it: SIGABRT of a failed check, SIGKILL of who took too long; 0: none */
    bool is_replayed; /* a second run with that seed was the same, event for event */
} thrum_explored;

/*
 * Runs main_task(arg) under one seed after the other, each in a child process of its own, which begins as a copy of the
 * caller's (fork): a crash is one run's, and what a run leaves in memory or prints is gone with it. That costs a
 * millisecond or two a run. A run fails if thrum_run returns anything but 0, or a signal ends it.
 *
 * The first failure is run once more, now with what it prints, and stderr says how it ended and how to have it again:
 * with THRUM_SEED set thrum_explore makes that one run, in the calling process, where a debugger sees it.
 *
 * How many runs failed (result, which may be NULL, says more), -EPERM in tasks, -EINVAL (THRUM_SEED, faults), or why
 * there can be no child: -EAGAIN, -ENOMEM. Outside of tasks only, best without other threads. Blocks its thread. Never
 * switches.
 */
THRUM_API THRUM_CHECKED int thrum_explore(thrum_fn main_task, void *arg, const thrum_explore_options *options,
                                          thrum_explored *result);

#ifdef __cplusplus
}
#endif
#endif
