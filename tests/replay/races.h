/* Programs with a planted mistake each, and the same without it. */
#ifndef TEST_REPLAY_RACES_H
#define TEST_REPLAY_RACES_H

#include "task/harness.h"

struct race {
    const char *name;
    thrum_fn wrong, right;
    unsigned runs;    /* within which either way of choosing finds it */
    bool is_deadlock; /* found where it can be told, not under the thread sanitizer */
};

extern const struct race races[];
extern const size_t race_count;

#endif
