/* Slot 64 n + k holds what lies in the k-th of the 64 steps between two powers of two. */
#include "histogram.h"

#include <math.h>

static int slot_of(uint64_t ns)
{
    if (ns < HISTOGRAM_STEPS)
        return (int)ns;
    int shift = 63 - __builtin_clzll(ns) - HISTOGRAM_STEP_BITS;
    int slot = (shift + 1) * HISTOGRAM_STEPS + (int)((ns >> shift) & (HISTOGRAM_STEPS - 1));
    return slot < HISTOGRAM_SLOTS ? slot : HISTOGRAM_SLOTS - 1;
}

static double middle_of(int slot)
{
    int row = slot / HISTOGRAM_STEPS, step = slot % HISTOGRAM_STEPS;
    return row == 0 ? step : ldexp(HISTOGRAM_STEPS + step + 0.5, row - 1);
}

void histogram_add(struct histogram *histogram, int64_t ns)
{
    histogram->slots[slot_of(ns > 0 ? (uint64_t)ns : 0)]++;
    histogram->count++;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

double histogram_quantile_ns(const struct histogram *histogram, double part)
{
    uint64_t wanted = (uint64_t)ceil(part * (double)histogram->count), seen = 0;
    for (int slot = 0; slot < HISTOGRAM_SLOTS && histogram->count > 0; slot++) {
        seen += histogram->slots[slot];
        if (seen >= wanted && seen > 0)
            return fmin(middle_of(slot), (double)histogram->max_ns);
    }
    return 0;
}
