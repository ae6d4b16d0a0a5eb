#include "sched/hogs.h"

enum { FADE_NS = 2000000000 };

static uint32_t place_of(th_task_fn fn)
{
    return (uint32_t)(((uint64_t)(uintptr_t)fn * 0x9e3779b97f4a7c15u) >> 58);
}

static struct th_hog *probe(const struct th_hogs *hogs, th_task_fn fn, uint32_t turn)
{
    return (struct th_hog *)(uintptr_t)&hogs->places[(place_of(fn) + turn) % TH_HOGS];
}

static struct th_hog *find(const struct th_hogs *hogs, th_task_fn fn)
{
    for (uint32_t i = 0; i < TH_HOG_PROBES; i++) {
        struct th_hog *hog = probe(hogs, fn, i);
        if (th_atomicptr_load_relaxed(&hog->fn) == (void *)(uintptr_t)fn)
            return hog;
    }
    return NULL;
}

int th_hogs_lane_of(const struct th_hogs *hogs, th_task_fn fn)
{
    const struct th_hog *hog = find(hogs, fn);
    if (hog == NULL || th_atomic32_load_relaxed(&hog->score) < TH_HOG_SCORE_KNOWN)
        return -1;
    return (int)th_atomic32_load_relaxed(&hog->lane);
}

static void set_score(struct th_hogs *hogs, struct th_hog *hog, uint32_t score)
{
    uint32_t before = th_atomic32_load_relaxed(&hog->score), known = th_atomic32_load_relaxed(&hogs->known);
    th_atomic32_store_relaxed(&hog->score, score);
    th_atomic32_store_relaxed(&hogs->known, known + (score > 0) - (before > 0));
}

/* The place with the lowest score among those that the function could have. */
static struct th_hog *take_place(struct th_hogs *hogs, th_task_fn fn)
{
    struct th_hog *lowest = probe(hogs, fn, 0);
    for (uint32_t i = 1; i < TH_HOG_PROBES; i++) {
        struct th_hog *hog = probe(hogs, fn, i);
        if (th_atomic32_load_relaxed(&hog->score) < th_atomic32_load_relaxed(&lowest->score))
            lowest = hog;
    }
    set_score(hogs, lowest, 0);
    th_atomicptr_store_relaxed(&lowest->fn, (void *)(uintptr_t)fn);
    return lowest;
}

void th_hogs_blame(struct th_hogs *hogs, th_task_fn fn, uint32_t lane)
{
    struct th_hog *hog = find(hogs, fn);
    if (hog == NULL)
        hog = take_place(hogs, fn);
    uint32_t score = th_atomic32_load_relaxed(&hog->score) + 2;
    th_atomic32_store_relaxed(&hog->lane, lane);
    set_score(hogs, hog, score < TH_HOG_SCORE_MOST ? score : TH_HOG_SCORE_MOST);
}

void th_hogs_praise(struct th_hogs *hogs, th_task_fn fn)
{
    struct th_hog *hog = find(hogs, fn);
    uint32_t score = hog != NULL ? th_atomic32_load_relaxed(&hog->score) : 0;
    if (score > 0)
        set_score(hogs, hog, score - 1);
}

void th_hogs_fade(struct th_hogs *hogs, int64_t now)
{
    if (now - hogs->faded_at < FADE_NS)
        return;
    hogs->faded_at = now;
    for (uint32_t i = 0; i < TH_HOGS; i++)
        set_score(hogs, &hogs->places[i], th_atomic32_load_relaxed(&hogs->places[i].score) / 2);
}
