/*
 * A histogram of nanoseconds, from 1 ns to some hours: 64 steps for each power of two, so that what it tells is right
 * within 1.6 percent wherever it lies.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_STEP_BITS = 6, HISTOGRAM_STEPS = 1 << HISTOGRAM_STEP_BITS, HISTOGRAM_SLOTS = HISTOGRAM_STEPS * 40 };

struct histogram {
    uint64_t count;
    int64_t max_ns;
    uint64_t slots[HISTOGRAM_SLOTS];
};

void histogram_add(struct histogram *histogram, int64_t ns);

/* The value that a part of all are not above, part from 0 to 1; 0 if there is none. */
double histogram_quantile_ns(const struct histogram *histogram, double part);

#endif
