/* Small programs of all sorts, whose runs with a seed are compared. Each gives 0, however its tasks are interleaved. */
#ifndef TEST_REPLAY_PROGRAMS_H
#define TEST_REPLAY_PROGRAMS_H

#include "task/harness.h"

struct program {
    const char *name;
    thrum_fn main_task;
};

extern const struct program programs[];
extern const size_t program_count;

#endif
