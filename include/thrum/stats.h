/*
 * Counters: what the runtimes of this process have done, and what there is of them now.
 *
 * Workers count always, each for itself, by one instruction an event; who asks sums. Sums are of slightly different
 * moments: a task may be counted as finished that is not yet counted as spawned by another worker.
 */
#ifndef THRUM_STATS_H
#define THRUM_STATS_H

#include <stddef.h>

#include <thrum/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct thrum_stats {
    /* Since the runtimes of this process that still run were started. */
    uint64_t spawned, finished; /* tasks */
    uint64_t dispatches;        /* picks of a task by a worker, in vain or not */
    uint64_t parks;             /* waits that parked their task */
    uint64_t parks_timed_out;   /* of these, ended because their time was over */
    uint64_t parks_cancelled;   /* or by a cancel or a deadline of a scope */
    uint64_t wakes;             /* tasks made ready by a worker */
    uint64_t timers_fired;
    uint64_t polls;          /* looks at file descriptors */
    uint64_t steals, stolen; /* thefts, and the tasks that they brought */
    uint64_t sleeps;         /* times that a worker's thread went to sleep */
    uint64_t stalls;         /* workers that were replaced because their task blocked or computed */
    /* Now. */
    uint64_t runtimes;
    uint64_t tasks;                /* spawned and not finished */
    uint64_t ready;                /* tasks in queues, begun or not */
    uint64_t workers;              /* that pick tasks at once */
    uint64_t threads, spares;      /* that live, and of these without work until somebody is stuck */
    uint64_t aside, waiting_aside; /* tasks that run beside the workers, and tasks that wait for room to do so */
    uint64_t stacks, stacks_free;  /* that ever held a task, and of these in nobody's hands */
    uint64_t stack_bytes;          /* address space of each */
    uint64_t record_bytes;         /* memory of the tasks' records */
} thrum_stats;

/* The sums over all runtimes of this process; all zero where there are none. Any thread, but no signal handler; takes
 * microseconds. Never switches. */
THRUM_API void thrum_stats_read(thrum_stats *stats);

/*
 * Writes them as text in Prometheus' format, what workers count with a label for each worker: for a program's own
 * /metrics. 0, or -errno of the first write that failed. Blocks its thread while the descriptor does. Never switches.
 */
THRUM_API THRUM_CHECKED int thrum_stats_write(int fd);

#ifdef __cplusplus
}
#endif
#endif
