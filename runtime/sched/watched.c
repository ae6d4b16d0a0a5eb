#include "sched/watched.h"

#include "base/lock_watch.h"
#include "base/panic.h"
#include "base/sys.h"
#include "sched/worker.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOLD_MOST = 10, SECOND_NS = 1000000000 };

static th_atomicptr locks; /* struct th_lock_watch; NULL: not there */

/* The number of the running task; 0 outside of tasks. Asked by a library that stands before libc, from any thread. */
static uint64_t number_of_self(void)
{
    const struct th_fiber *self = th_fiber_self();
    return self != NULL && self->task != NULL ? self->task->id : 0;
}

static bool find_locks(void)
{
    const struct th_lock_watch *watch = dlsym(RTLD_DEFAULT, TH_LOCK_WATCH_NAME);
    if (watch == NULL) {
        th_report("THRUM_DEBUG=locks: run the program with LD_PRELOAD=libthrum_locks.so, or no locks are seen");
        return false;
    }
    watch->attach(number_of_self);
    th_atomicptr_store_relaxed(&locks, (void *)(uintptr_t)watch);
    return true;
}

uint32_t th_watched_open(void)
{
    uint32_t wanted = th_atomic32_load_relaxed(&th_debug_wanted) & TH_DEBUG_DISPATCHES;
    return (wanted & TH_DEBUG_LOCKS) == 0 || find_locks() ? wanted : wanted & ~(uint32_t)TH_DEBUG_LOCKS;
}

/* ---- Dispatches ---- */

static void describe(const struct th_fiber *self, char text[TH_SYMBOL_BYTES])
{
    struct th_identity who = {.name = ""};
    if (th_fiber_identify != NULL && th_fiber_identify(self, &who))
        (void)snprintf(text, TH_SYMBOL_BYTES, "%s", who.name);
    else
        th_report_symbol((const void *)(uintptr_t)self->task->fn, text);
}

void th_watched_leaves(struct th_worker *worker)
{
    const struct th_fiber *self = th_fiber_self();
    const struct th_lock_watch *watch = th_atomicptr_load_relaxed(&locks);
    if ((worker->runtime->watches & TH_DEBUG_LOCKS) == 0 || self == NULL || self->task == NULL ||
        !watch->holds(self->task->id))
        return;
    char name[TH_SYMBOL_BYTES];
    describe(self, name);
    watch->tell(self->task->id, name);
}

bool th_watched_sends_away(struct th_worker *worker, struct th_task *task)
{
    struct thrum_runtime *runtime = worker->runtime;
    th_atomicptr_store_relaxed(&worker->picked, (void *)(uintptr_t)task->fn);
    if ((runtime->watches & TH_DEBUG_MIGRATE) == 0 || task->fiber == NULL || th_worker_of(task->fiber) != worker ||
        !runtime->monitor.is_running || !th_crew_has_room(&runtime->crew, TH_LANE_USER))
        return false;
    th_crew_put_aside(runtime, TH_LANE_USER, task);
    return true;
}

/* ---- Stalls ---- */

static struct {
    struct th_lock lock;
    int64_t since;         /* l */
    uint32_t told, untold; /* l: since then */
} rate = {.lock = TH_LOCK_INIT};

static bool may_tell(int64_t now)
{
    uint32_t untold = 0;
    th_lock_take(&rate.lock);
    if (now - rate.since >= SECOND_NS) {
        untold = rate.untold;
        rate.since = now;
        rate.told = rate.untold = 0;
    }
    bool may = rate.told < TOLD_MOST;
    rate.told += may;
    rate.untold += !may;
    th_lock_leave(&rate.lock);
    if (untold > 0)
        th_report("stalls: %u more lines were left out", untold);
    return may;
}

/* Where a thread waits for the kernel: the last of the numbers in its file; NULL if it does not wait. */
static const void *place_of(const struct th_worker *worker)
{
    char path[64], text[256];
    (void)snprintf(path, sizeof path, "/proc/self/task/%u/syscall", th_atomic32_load_relaxed(&worker->tid));
    if (th_sys_read_file(path, text, sizeof text) <= 0)
        return NULL;
    const char *last = strrchr(text, ' ');
    return last != NULL ? (const void *)(uintptr_t)strtoul(last + 1, NULL, 16) : NULL;
}

static long since_us(const struct th_worker *worker, int64_t now)
{
    return (long)((now - (int64_t)th_atomic64_load_relaxed(&worker->stuck_since)) / 1000);
}

void th_watched_stall_begins(struct th_worker *worker, enum th_lane_kind lane)
{
    int64_t now = th_sys_now();
    if (!may_tell(now))
        return;
    char name[TH_SYMBOL_BYTES];
    th_report_symbol(th_atomicptr_load_relaxed(&worker->picked), name);
    const char *does = lane == TH_LANE_BLOCKING ? "blocks" : lane == TH_LANE_HOGS ? "computes" : "runs others in place";
    th_report("stall: %s %s on worker %u, for %ld us already: it is replaced", name, does, worker->index,
              since_us(worker, now));
    const void *place = lane == TH_LANE_BLOCKING ? place_of(worker) : NULL;
    if (place != NULL)
        th_report_place(place);
}

void th_watched_stall_ends(struct th_worker *worker)
{
    const struct th_fiber *self = th_fiber_self();
    int64_t now = th_sys_now();
    char name[TH_SYMBOL_BYTES];
    if (!may_tell(now))
        return;
    if (self == NULL || self->task == NULL) {
        th_report_symbol(th_atomicptr_load_relaxed(&worker->picked), name);
        th_report("stall over: %s has ended on worker %u after %ld us", name, worker->index, since_us(worker, now));
        return;
    }
    describe(self, name);
    th_report("stall over: task %lu (%s) comes back on worker %u after %ld us, here:", (unsigned long)self->task->id,
              name, worker->index, since_us(worker, now));
    th_report_backtrace(1);
}
