/*
 * Records: 192 bytes each, type-stable. Memory that has once been a record stays one until th_records_fini, so that a
 * stale pointer may still be looked through; what it finds there must say by itself that it is stale (an epoch).
 *
 * For that a free record keeps its bytes. Only the first eight are the link of the list it is in, and are written by
 * relaxed stores: they are what a stale reader must not look at. A record is all zero when it is handed out for the
 * first time; later it is, but for the link, as it was given. It is for the same stale readers that free records are
 * not poisoned under AddressSanitizer.
 *
 *     th_record_cache   one per worker, plain memory        free: fewer than a batch, hottest first
 *                                                           spare: nothing, or one batch
 *     th_records        one per runtime, under a lock       batches: lists of 64
 *                                                           loose: fewer than 64, given one by one
 *                                                           fresh: the rest of the newest chunk
 *
 * A worker moves whole batches by their first record and walks no list, so that the lock is held for some ten
 * nanoseconds, unless memory is fresh; and once in 64 operations at most: having given a batch away, a cache still
 * holds one.
 *
 * Who may call: a cache belongs to one thread at a time; the rest may come from any thread.
 *
 * Invariant: records carved = handed out + in caches + 64 * batches + loose.
 *
 * Whoever looks at all records (a dump) walks the chunks without the lock; what it finds may change under its eyes.
 *
 *   [RC1] release chunks -> acquire chunks: the chunk is whole
 *   [RC2] release carved -> acquire carved: so many of its records have their first bytes
 *
 * Tested by tests/sched/test_record.c.
 */
#ifndef TH_SCHED_RECORD_H
#define TH_SCHED_RECORD_H

#include "base/atomic.h"
#include "base/lock.h"

enum {
    TH_RECORD_BYTES = 192, /* three lines; the third is touched by tasks that wait */
    TH_RECORD_BATCH = 64,
};

struct th_record_chunk;

/* Key: l the lock's. */
struct th_records {
    struct th_lock lock;
    uint32_t loose_count;  /* l */
    void *loose;           /* l */
    void **batches;        /* l: the first record of each; room for every record of every chunk */
    size_t batch_count;    /* l */
    size_t batch_capacity; /* l */
    th_atomicptr chunks;   /* a, written under l: newest first */
    size_t chunk_count;    /* l */
    size_t carved;         /* l: records that were handed out at least once */
    uint32_t fresh_count;  /* l: the last ones of the newest chunk, untouched */
};

/* All zero: empty. */
struct th_record_cache {
    void *free;
    uint32_t count; /* in free */
    void *spare;
};

void th_records_init(struct th_records *records);
/* Frees every record, given back or not. */
void th_records_fini(struct th_records *records);

/* For threads that have no cache. NULL: out of memory. */
void *th_record_take_shared(struct th_records *records);
void th_record_give_shared(struct th_records *records, void *record);

/* Empties a cache into the pool, before its thread ends. */
void th_record_cache_flush(struct th_record_cache *cache, struct th_records *records);

/* For a ledger: handed out and not given back. What lies in a cache counts as handed out until it is flushed. */
size_t th_records_in_use(struct th_records *records);

/* What they take of memory. */
size_t th_records_bytes(struct th_records *records);

/* The chunk after one, or the first after NULL, and how many records from its first on were ever handed out. Any
 * thread, also a signal handler; NULL after the last. */
const struct th_record_chunk *th_records_next_chunk(const struct th_records *records,
                                                    const struct th_record_chunk *chunk);
const void *th_record_chunk_view(const struct th_record_chunk *chunk, uint32_t *count);

/* The rare part of the two below. */
void *th_record_take_refill(struct th_record_cache *cache, struct th_records *records);
void th_record_cache_spill(struct th_record_cache *cache, struct th_records *records);

TH_INLINE void *th_record_link(const void *record)
{
    return th_atomicptr_load_relaxed((const th_atomicptr *)record);
}

TH_INLINE void th_record_link_set(void *record, void *next)
{
    th_atomicptr_store_relaxed((th_atomicptr *)record, next);
}

/* NULL: out of memory. */
TH_INLINE void *th_record_take(struct th_record_cache *cache, struct th_records *records)
{
    void *record = cache->free;
    if (TH_UNLIKELY(record == NULL))
        return th_record_take_refill(cache, records);
    cache->free = th_record_link(record);
    cache->count--;
    return record;
}

TH_INLINE void th_record_give(struct th_record_cache *cache, struct th_records *records, void *record)
{
    th_record_link_set(record, cache->free);
    cache->free = record;
    if (TH_UNLIKELY(++cache->count == TH_RECORD_BATCH))
        th_record_cache_spill(cache, records);
}

#endif
