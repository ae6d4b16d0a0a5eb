/*
 * A small generator for scheduling choices: xorshift128+, two words of state, not for secrets. Each user has its
 * own, so that a seed replays its choices.
 */
#ifndef TH_BASE_RANDOM_H
#define TH_BASE_RANDOM_H

#include "base/compiler.h"

struct th_random {
    uint64_t a, b;
};

/* Any seed is good, 0 too: it is spread by splitmix64, whose outputs are never both 0. */
TH_INLINE void th_random_init(struct th_random *random, uint64_t seed)
{
    uint64_t words[2];
    for (int i = 0; i < 2; i++) {
        seed += 0x9e3779b97f4a7c15u;
        uint64_t mixed = seed;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
        words[i] = mixed ^ (mixed >> 31);
    }
    random->a = words[0];
    random->b = words[1];
}

TH_INLINE uint64_t th_random_next(struct th_random *random)
{
    uint64_t x = random->a, y = random->b;
    random->a = y;
    x ^= x << 23;
    random->b = x ^ y ^ (x >> 17) ^ (y >> 26);
    return random->b + y;
}

/* Evenly in [0, bound), bound > 0; the bias of the multiplication is below bound / 2^32. */
TH_INLINE uint32_t th_random_below(struct th_random *random, uint32_t bound)
{
    return (uint32_t)(((th_random_next(random) >> 32) * bound) >> 32);
}

#endif
