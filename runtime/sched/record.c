#include "sched/record.h"

#include "base/panic.h"
#include "base/sys.h"

#include <string.h>

enum {
    /* A size that allocators have a class for: nothing is lost behind it. */
    CHUNK_BYTES = 64 << 10,
    /* What is left of one more record's place, a whole number of lines, is the chunk's header. */
    CHUNK_RECORDS = CHUNK_BYTES / TH_RECORD_BYTES - 1,
    BATCHES_LEAST = 64,
};

struct th_record_chunk {
    struct th_record_chunk *next;
    th_atomic64 carved;
    char header_rest[CHUNK_BYTES - CHUNK_RECORDS * TH_RECORD_BYTES - sizeof(void *) - sizeof(th_atomic64)];
    char records[CHUNK_RECORDS][TH_RECORD_BYTES];
};

_Static_assert(offsetof(struct th_record_chunk, records) % TH_CACHE_LINE == 0, "records begin with a line");

/* A list with its length: what moves between a cache and the pool. */
struct record_list {
    void *first;
    uint32_t count;
};

/* ---- The pool, under its lock ---- */

/* Room for all batches that `records` can make, so that giving back never asks for memory. */
static bool pool_reserve(struct th_records *records, size_t record_count)
{
    size_t capacity = records->batch_capacity == 0 ? BATCHES_LEAST : records->batch_capacity;
    while (capacity < record_count / TH_RECORD_BATCH)
        capacity *= 2;
    if (capacity == records->batch_capacity)
        return true;
    void **batches = th_sys_alloc(capacity * sizeof *batches);
    if (batches == NULL)
        return false;
    if (records->batch_count > 0)
        memcpy(batches, records->batches, records->batch_count * sizeof *batches);
    th_sys_free(records->batches);
    records->batches = batches;
    records->batch_capacity = capacity;
    return true;
}

static bool pool_add_chunk(struct th_records *records)
{
    if (!pool_reserve(records, (records->chunk_count + 1) * CHUNK_RECORDS))
        return false;
    struct th_record_chunk *chunk = th_sys_alloc_aligned(TH_CACHE_LINE, sizeof *chunk);
    if (chunk == NULL)
        return false;
    chunk->next = th_atomicptr_load_relaxed(&records->chunks);
    th_atomic64_store_relaxed(&chunk->carved, 0);
    th_atomicptr_store_release(&records->chunks, chunk); /* [RC1] */
    records->chunk_count++;
    records->fresh_count = CHUNK_RECORDS;
    return true;
}

/* Makes records of the newest chunk's next bytes, at most a batch. */
static struct record_list pool_carve(struct th_records *records)
{
    uint32_t count = records->fresh_count < TH_RECORD_BATCH ? records->fresh_count : TH_RECORD_BATCH;
    struct th_record_chunk *chunk = th_atomicptr_load_relaxed(&records->chunks);
    char *first = chunk->records[CHUNK_RECORDS - records->fresh_count];
    memset(first, 0, (size_t)count * TH_RECORD_BYTES);
    for (uint32_t i = 0; i + 1 < count; i++)
        th_record_link_set(first + (size_t)i * TH_RECORD_BYTES, first + (size_t)(i + 1) * TH_RECORD_BYTES);
    records->fresh_count -= count;
    records->carved += count;
    th_atomic64_store_release(&chunk->carved, CHUNK_RECORDS - records->fresh_count); /* [RC2] */
    return (struct record_list){.first = first, .count = count};
}

/* Used records before fresh memory. Empty when there is no memory. */
static struct record_list pool_take(struct th_records *records)
{
    if (records->batch_count > 0)
        return (struct record_list){.first = records->batches[--records->batch_count], .count = TH_RECORD_BATCH};
    if (records->loose_count > 0) {
        struct record_list list = {.first = records->loose, .count = records->loose_count};
        records->loose = NULL;
        records->loose_count = 0;
        return list;
    }
    if (records->fresh_count == 0 && !pool_add_chunk(records))
        return (struct record_list){0};
    return pool_carve(records);
}

static void pool_give_batch(struct th_records *records, void *first)
{
    TH_ASSERT(records->batch_count < records->batch_capacity);
    records->batches[records->batch_count++] = first;
}

static void pool_give_one(struct th_records *records, void *record)
{
    th_record_link_set(record, records->loose);
    records->loose = record;
    if (++records->loose_count == TH_RECORD_BATCH) {
        pool_give_batch(records, records->loose);
        records->loose = NULL;
        records->loose_count = 0;
    }
}

static size_t pool_in_use(const struct th_records *records)
{
    return records->carved - records->batch_count * TH_RECORD_BATCH - records->loose_count;
}

/* ---- The module ---- */

void th_records_init(struct th_records *records)
{
    *records = (struct th_records){.lock = TH_LOCK_INIT};
}

void th_records_fini(struct th_records *records)
{
    for (struct th_record_chunk *chunk = th_atomicptr_load_relaxed(&records->chunks), *next; chunk != NULL;
         chunk = next) {
        next = chunk->next;
        th_sys_free(chunk);
    }
    th_sys_free(records->batches);
    th_records_init(records);
}

TH_NOINLINE void *th_record_take_refill(struct th_record_cache *cache, struct th_records *records)
{
    struct record_list list = {.first = cache->spare, .count = TH_RECORD_BATCH};
    cache->spare = NULL;
    if (list.first == NULL) {
        th_lock_take(&records->lock);
        list = pool_take(records);
        th_lock_leave(&records->lock);
    }
    if (list.first == NULL)
        return NULL;
    cache->free = th_record_link(list.first);
    cache->count = list.count - 1;
    return list.first;
}

TH_NOINLINE void th_record_cache_spill(struct th_record_cache *cache, struct th_records *records)
{
    if (cache->spare != NULL) {
        th_lock_take(&records->lock);
        pool_give_batch(records, cache->spare);
        th_lock_leave(&records->lock);
    }
    cache->spare = cache->free;
    cache->free = NULL;
    cache->count = 0;
}

void th_record_cache_flush(struct th_record_cache *cache, struct th_records *records)
{
    th_lock_take(&records->lock);
    if (cache->spare != NULL)
        pool_give_batch(records, cache->spare);
    for (void *record = cache->free, *next; record != NULL; record = next) {
        next = th_record_link(record);
        pool_give_one(records, record);
    }
    th_lock_leave(&records->lock);
    *cache = (struct th_record_cache){0};
}

void *th_record_take_shared(struct th_records *records)
{
    th_lock_take(&records->lock);
    if (records->loose == NULL) {
        struct record_list list = pool_take(records);
        records->loose = list.first;
        records->loose_count = list.count;
    }
    void *record = records->loose;
    if (record != NULL) {
        records->loose = th_record_link(record);
        records->loose_count--;
    }
    th_lock_leave(&records->lock);
    return record;
}

void th_record_give_shared(struct th_records *records, void *record)
{
    th_lock_take(&records->lock);
    pool_give_one(records, record);
    th_lock_leave(&records->lock);
}

size_t th_records_in_use(struct th_records *records)
{
    th_lock_take(&records->lock);
    size_t count = pool_in_use(records);
    th_lock_leave(&records->lock);
    return count;
}

size_t th_records_bytes(struct th_records *records)
{
    th_lock_take(&records->lock);
    size_t bytes = records->chunk_count * sizeof(struct th_record_chunk);
    th_lock_leave(&records->lock);
    return bytes;
}

const struct th_record_chunk *th_records_next_chunk(const struct th_records *records,
                                                    const struct th_record_chunk *chunk)
{
    return chunk != NULL ? chunk->next : th_atomicptr_load_acquire(&records->chunks); /* [RC1] */
}

const void *th_record_chunk_view(const struct th_record_chunk *chunk, uint32_t *count)
{
    *count = (uint32_t)th_atomic64_load_acquire(&chunk->carved); /* [RC2] */
    return chunk->records;
}
