/*
 * The memory of what got stuck before: by function for tasks that begin, by task for those that go on after a wait.
 *
 * A dispatch whose worker lost its permit adds to the score of what ran, a short one that was put aside for nothing
 * takes from it; time takes from it too. What is known is put aside into a lane (sched/crew.h) before it runs, so that
 * nothing has to be detected, and no permit moves.
 *
 * The table is small and of fixed size: a function that finds no place takes that of the lowest score among a few.
 * It is written under the crew's lock and read without: a reader who sees half of a change puts one task too many
 * aside, or one too few.
 *
 * A function is blamed only for a task that ran from its beginning to its end in the one dispatch that got stuck; a
 * handler of connections that waits between its requests is remembered by its task alone, for most of its dispatches
 * are somebody else's, and short.
 */
#ifndef TH_SCHED_HOGS_H
#define TH_SCHED_HOGS_H

#include "sched/task_record.h"

enum {
    TH_HOGS = 64, /* places; a power of two */
    TH_HOG_PROBES = 4,
    TH_HOG_SCORE_KNOWN = 2, /* from here on it is put aside */
    TH_HOG_SCORE_MOST = 8,
};

/* In a task's flags: it got stuck after a wait, and how. */
enum {
    TH_TASK_BLOCKS = 16,
    TH_TASK_HOGS = 32,
    TH_TASK_WAS_SHORT = 64, /* but not the last time */
    TH_TASK_STUCK = TH_TASK_BLOCKS | TH_TASK_HOGS,
};

/* a: written under the crew's lock. */
struct th_hog {
    th_atomicptr fn;
    th_atomic32 score;
    th_atomic32 lane; /* enum th_lane_kind */
};

struct th_hogs {
    th_atomic32 known; /* a: places that are in use */
    int64_t faded_at;  /* the crew's lock's */
    struct th_hog places[TH_HOGS];
};

/* The lane for a fresh task of this function, or -1. Any thread, without a lock. */
int th_hogs_lane_of(const struct th_hogs *hogs, th_task_fn fn);

/* Crew's lock held. */
void th_hogs_blame(struct th_hogs *hogs, th_task_fn fn, uint32_t lane);
void th_hogs_praise(struct th_hogs *hogs, th_task_fn fn);
/* Halves all scores, at most once in a while. */
void th_hogs_fade(struct th_hogs *hogs, int64_t now);

#endif
