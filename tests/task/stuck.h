/* Tasks that block in a system call until somebody lets them go on. */
#ifndef TH_TESTS_TASK_STUCK_H
#define TH_TESTS_TASK_STUCK_H

#include "task/harness.h"

#include <unistd.h>

struct pipe_pair {
    int ends[2];
    th_atomic32 reads;
    struct thrum_runtime *runtime; /* where somebody asks for it */
};

TH_UNUSED static int block_in_read(void *arg)
{
    struct pipe_pair *pair = arg;
    char byte;
    CHECK_EQ(read(pair->ends[0], &byte, 1), 1);
    count_up(&pair->reads);
    return 0;
}

TH_UNUSED static int write_one(void *arg)
{
    struct pipe_pair *pair = arg;
    CHECK_EQ(write(pair->ends[1], "x", 1), 1);
    return 0;
}

#endif
