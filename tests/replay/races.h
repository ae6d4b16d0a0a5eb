/* Programs with a planted mistake each, and the same without it. */
#ifndef TEST_REPLAY_RACES_H
#define TEST_REPLAY_RACES_H

#include "task/harness.h"

struct race {
    const char *name;
    thrum_fn wrong, right;
    unsigned by_chance, by_priority; /* runs within which it is found; 0: see deepest_race */
    bool is_deadlock;                /* found where it can be told, not under the thread sanitizer */
};

extern const struct race races[];
extern const size_t race_count;
/* Needs two changes of priority, each at one step of some ten, and one of two orders: priorities find it once in
 * several hundred runs. */
extern const struct race *const deepest_race;

#endif
