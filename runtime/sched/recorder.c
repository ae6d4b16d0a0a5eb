#include "sched/recorder.h"

#include "base/sys.h"

/* Few: what 32 KiB hold, seconds of a quiet worker. All: a tenth of a second of one that does nothing but switch. */
enum { FEW = TH_SHRUNK(1 << 10, 1 << 1), ALL = TH_SHRUNK(1 << 15, 1 << 1) };

static size_t bytes_of(uint64_t capacity)
{
    return sizeof(struct th_recorder) + capacity * sizeof(struct th_flight_words);
}

struct th_recorder *th_recorder_create(bool has_all)
{
    uint64_t capacity = has_all ? ALL : FEW;
    void *memory;
    if (th_sys_map(bytes_of(capacity), &memory) < 0)
        return NULL;
    struct th_recorder *recorder = memory;
    recorder->capacity = capacity;
    return recorder;
}

void th_recorder_destroy(struct th_recorder *recorder)
{
    if (recorder != NULL)
        (void)th_sys_unmap(recorder, bytes_of(recorder->capacity));
}

uint64_t th_recorder_head(const struct th_recorder *recorder)
{
    return th_atomic64_load_acquire(&recorder->head); /* [FR1] */
}

bool th_recorder_read(const struct th_recorder *recorder, uint64_t number, struct th_flight *event)
{
    if (number >= th_recorder_head(recorder))
        return false;
    const struct th_flight_words *words = &recorder->words[number & (recorder->capacity - 1)];
    event->at = (int64_t)th_atomic64_load_acquire(&words->at); /* [FR2] */
    uint64_t what = th_atomic64_load_acquire(&words->what);    /* [FR2] */
    event->task = th_atomic64_load_acquire(&words->task);      /* [FR2] */
    event->place = th_atomicptr_load_acquire(&words->place);   /* [FR2] */
    event->kind = (enum th_flight_kind)(what & 0xff);
    event->detail = (uint32_t)what >> 8;
    event->dispatch = (uint32_t)(what >> 32);
    /* The event that takes its place is perhaps being written when the head is where it will stand. */
    return th_atomic64_load_relaxed(&recorder->head) - number < recorder->capacity || TH_MUTANT(read_without_look);
}
