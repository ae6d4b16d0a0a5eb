/*
 * States that the depth-first search has entered: a table of hashes, each with the fewest preemptions it was entered
 * with. When it is full an old entry makes place; that costs time, not coverage.
 */
#include "engine.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { START_BITS = 14, MAX_BITS = 24, PROBES = 8, USED_BITS = 8 };
#define USED_MASK ((1u << USED_BITS) - 1)

static uint64_t *slots;
static unsigned bits;
static size_t count;

static uint64_t *slots_create(unsigned size_bits)
{
    uint64_t *created = calloc((size_t)1 << size_bits, sizeof *created);
    if (created == NULL)
        abort();
    return created;
}

void visited_reset(void)
{
    free(slots);
    bits = START_BITS;
    slots = slots_create(bits);
    count = 0;
}

static void visited_put(uint64_t entry)
{
    size_t mask = ((size_t)1 << bits) - 1;
    size_t home = (size_t)(entry >> USED_BITS) & mask;
    for (size_t i = 0; i < PROBES; i++) {
        uint64_t *slot = &slots[(home + i) & mask];
        if (*slot == 0) {
            *slot = entry;
            count++;
            return;
        }
    }
    slots[home] = entry;
}

static void visited_grow(void)
{
    uint64_t *before = slots;
    size_t size = (size_t)1 << bits;
    bits++;
    slots = slots_create(bits);
    count = 0;
    for (size_t i = 0; i < size; i++)
        if (before[i] != 0)
            visited_put(before[i]);
    free(before);
}

bool visited_before(uint64_t key, unsigned used)
{
    uint64_t entry = (key & ~(uint64_t)USED_MASK) | 0x100; /* never 0 */
    used = used < USED_MASK ? used : USED_MASK;
    size_t mask = ((size_t)1 << bits) - 1;
    size_t home = (size_t)(entry >> USED_BITS) & mask;
    for (size_t i = 0; i < PROBES; i++) {
        uint64_t *slot = &slots[(home + i) & mask];
        if (*slot == 0)
            break;
        if ((*slot ^ entry) >> USED_BITS != 0)
            continue;
        if ((*slot & USED_MASK) <= used)
            return true;
        *slot = entry | used;
        return false;
    }
    if (bits < MAX_BITS && count * 2 > (size_t)1 << bits)
        visited_grow();
    visited_put(entry | used);
    return false;
}

size_t visited_count(void)
{
    return count;
}
