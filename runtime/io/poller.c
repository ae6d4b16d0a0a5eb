#include "io/poller.h"

#include "base/sys.h"
#include "io/descriptor.h"

#include <errno.h>

enum {
    BATCH = 32,
    /* Of one look: more would keep the worker from its other tasks. */
    EVENTS_MOST = 128,
    /* A wait that begins just when a sweep passes its record may not be seen by that one; it is by the next. */
    SWEEPS = 2,
};

int64_t th_poller_sweep_ns = 1000000000;

static th_atomic32 last_id;

/* Takes the sweep that is due; several workers may see it at once. */
static bool take_sweep(struct th_poller *poller, int64_t now)
{
    uint64_t due = th_atomic64_load_relaxed(&poller->sweep_at);
    return (int64_t)due <= now && th_atomic32_load_relaxed(&poller->sweeps_left) != 0 &&
           th_atomic64_cas_relaxed(&poller->sweep_at, &due, (uint64_t)(now + th_poller_sweep_ns));
}

static void sweep(struct th_poller *poller, struct th_ready *ready)
{
    uint32_t left = th_atomic32_load_relaxed(&poller->sweeps_left);
    if (left != 0)
        (void)th_atomic32_cas_relaxed(&poller->sweeps_left, &left, left - 1);
    if (th_descriptor_sweep(poller, ready))
        th_poller_want_sweeps(poller);
}

void th_poller_want_sweeps(struct th_poller *poller)
{
    if (TH_LIKELY(th_atomic32_load_relaxed(&poller->sweeps_left) == SWEEPS))
        return;
    /* Who found that no sweep was needed may sleep in the poller without end. */
    if (th_atomic32_exchange_relaxed(&poller->sweeps_left, SWEEPS) == 0)
        th_backend_interrupt(&poller->backend);
}

static int64_t span_until(struct th_poller *poller, int64_t now, int64_t deadline)
{
    int64_t due = (int64_t)th_atomic64_load_relaxed(&poller->sweep_at);
    if (th_atomic32_load_relaxed(&poller->sweeps_left) != 0 && due < deadline)
        deadline = due;
    if (deadline == TH_SYS_FOREVER)
        return TH_SYS_FOREVER;
    return deadline > now ? deadline - now : 0;
}

static struct th_task *poll(struct th_poll_source *source, int64_t now, int64_t deadline)
{
    struct th_poller *poller = TH_CONTAINER(source, struct th_poller, source);
    struct th_event events[BATCH];
    struct th_ready ready = {.end = &ready.first};
    int64_t span = deadline > now ? span_until(poller, now, deadline) : 0;
    int count, total = 0;
    do {
        count = th_backend_wait(&poller->backend, events, BATCH, span);
        for (int i = 0; i < count; i++) {
            if (events[i].cookie != TH_ALARM)
                th_descriptor_ready(&events[i], &ready);
            else if (deadline > now)
                th_backend_silence(&poller->backend);
        }
        total += count;
        span = 0;
    } while (count == BATCH && total < EVENTS_MOST);
    if (TH_UNLIKELY(take_sweep(poller, now)))
        sweep(poller, &ready);
    *ready.end = NULL;
    return ready.first;
}

static void interrupt(struct th_poll_source *source)
{
    th_backend_interrupt(&TH_CONTAINER(source, struct th_poller, source)->backend);
}

static void close_poller(struct th_poll_source *source)
{
    struct th_poller *poller = TH_CONTAINER(source, struct th_poller, source);
    th_backend_close(&poller->backend);
    th_sys_free(poller);
}

static int open_poller(struct thrum_runtime *runtime, struct th_poller **opened)
{
    struct th_poller *poller = th_sys_alloc_aligned(TH_NO_SHARING, sizeof *poller);
    if (poller == NULL)
        return -ENOMEM;
    *poller = (struct th_poller){.source = {.poll = poll, .interrupt = interrupt, .close = close_poller},
                                 .runtime = runtime,
                                 .id = th_atomic32_add_relaxed(&last_id, 1) + 1};
    int code = th_backend_open(&poller->backend);
    if (code < 0)
        th_sys_free(poller);
    else
        *opened = poller;
    return code;
}

int th_poller_of(struct thrum_runtime *runtime, struct th_poller **poller)
{
    void *source = th_atomicptr_load_acquire(&runtime->poll_source); /* [Q5] */
    if (TH_UNLIKELY(source == NULL)) {
        int code = open_poller(runtime, poller);
        if (code < 0)
            return code;
        if (th_atomicptr_cas_acqrel(&runtime->poll_source, &source, &(*poller)->source)) /* [Q5] */
            return 0;
        /* Somebody else was quicker. */
        close_poller(&(*poller)->source);
    }
    *poller = TH_CONTAINER(source, struct th_poller, source);
    return 0;
}
