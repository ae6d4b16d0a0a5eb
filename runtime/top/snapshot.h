/*
 * What a program said of itself at one moment (observe/tables.h, thrum/stats.h), counted and put in order: tasks by
 * name, and by who has started whom.
 *
 * Names are pieces of the answers, which a snapshot keeps.
 */
#ifndef TH_TOP_SNAPSHOT_H
#define TH_TOP_SNAPSHOT_H

#include "top/ask.h"

#include <stdint.h>

enum { TH_TOP_KINDS = 4, TH_TOP_BUCKETS = 24 };

enum th_top_state { TH_TOP_RUNNING, TH_TOP_READY, TH_TOP_PARKED, TH_TOP_FRESH, TH_TOP_OTHER, TH_TOP_STATES };

struct th_top_worker {
    unsigned runtime, index, thread, ready, fresh;
    const char *does;
    const char *runs; /* a task's name, or "" */
    unsigned long dispatches, steals, sleeps, parks, wakes;
};

/* Tasks of one name. */
struct th_top_name {
    const char *name;
    unsigned count, states[TH_TOP_STATES];
    struct {
        const char *waits_for;
        unsigned count;
    } kinds[TH_TOP_KINDS]; /* the first ones that were met */
};

/* Tasks of one name that tasks of one node have started. A task below its like belongs to that one's node. */
struct th_top_node {
    unsigned name, count;
    unsigned parent, child, sibling; /* nodes; 0: none. Node 0 is above all */
};

struct th_top_stats {
    unsigned long spawned, finished, stalls, threads, spares, aside, waiting_aside, stacks, stack_bytes, record_bytes;
    unsigned long latency[TH_TOP_BUCKETS + 1]; /* waits of at most 2^i us; then all. Cumulative */
};

struct th_snapshot {
    double at; /* seconds, of some clock */
    struct th_top_stats stats;
    struct th_top_worker *workers;
    size_t worker_count;
    struct th_top_name *names; /* in the order in which they were met */
    size_t name_count;
    struct th_top_node *nodes;
    size_t node_count;
    unsigned task_count, states[TH_TOP_STATES];
    struct th_answer answers[3];
};

/* Asks for one. It is to be dropped whatever came of it. */
enum th_ask_outcome th_snapshot_take(const struct th_link *link, int patience_ms, struct th_snapshot *snapshot);
void th_snapshot_drop(struct th_snapshot *snapshot);

/* So many of a hundred dispatches since `before` waited at most this long, in microseconds; 0: nothing is known. */
unsigned long th_snapshot_latency(const struct th_snapshot *now, const struct th_snapshot *before, unsigned percent);

#endif
