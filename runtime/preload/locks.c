/*
 * libthrum_locks.so, to be preloaded: who holds which pthread lock (base/lock_watch.h).
 *
 * Each call goes to the next library's function of that name, found when it is first needed: an allocator may lock
 * before any constructor here has run. Locks that libc takes for itself do not come by here; an allocator's do, and
 * are left again before any task can wait. All is under one lock of our own, which is no pthread lock.
 *
 * NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): libc's names begin with two underscores.
 */
#include "base/atomic.h"
#include "base/lock.h"
#include "base/lock_watch.h"
#include "base/panic.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

enum { HELD_MOST = 4096, TOLD_MOST = 20 };

struct held {
    uint64_t task;
    const volatile void *lock;
    const char *kind;
    const void *place; /* that called for it */
};

static struct {
    struct th_lock lock;
    uint32_t count, told; /* l */
    struct held held[HELD_MOST];
} table = {.lock = TH_LOCK_INIT};

static th_atomicptr who; /* uint64_t (*)(void); NULL until a runtime has come */

static uint64_t self(void)
{
    uint64_t (*ask)(void) = (uint64_t(*)(void))(uintptr_t)th_atomicptr_load_acquire(&who); /* [LW1] */
    return ask != NULL ? ask() : 0;
}

static void note_taken(const volatile void *lock, const char *kind, const void *place)
{
    uint64_t task = self();
    if (task == 0)
        return;
    th_lock_take(&table.lock);
    if (table.count < HELD_MOST)
        table.held[table.count++] = (struct held){task, lock, kind, place};
    th_lock_leave(&table.lock);
}

static void note_left(const volatile void *lock)
{
    uint64_t task = self();
    if (task == 0)
        return;
    th_lock_take(&table.lock);
    for (uint32_t i = table.count; i > 0; i--) {
        if (table.held[i - 1].task == task && table.held[i - 1].lock == lock) {
            table.held[i - 1] = table.held[--table.count];
            break;
        }
    }
    th_lock_leave(&table.lock);
}

static void *next_of(th_atomicptr *found, const char *name)
{
    void *function = th_atomicptr_load_relaxed(found);
    if (function == NULL) {
        function = dlsym(RTLD_NEXT, name);
        th_atomicptr_store_relaxed(found, function);
    }
    return function;
}

/* ---- For the runtime ---- */

static void attach(uint64_t (*ask)(void))
{
    th_atomicptr_store_release(&who, (void *)(uintptr_t)ask); /* [LW1] */
}

static bool holds(uint64_t task)
{
    bool does = false;
    th_lock_take(&table.lock);
    for (uint32_t i = 0; i < table.count && !does; i++)
        does = table.held[i].task == task;
    th_lock_leave(&table.lock);
    return does;
}

/* One of them, the next from a place in the table on; false if there is none any more. */
static bool find_next(uint64_t task, uint32_t *at, struct held *found)
{
    bool is_there = false;
    th_lock_take(&table.lock);
    while (*at < table.count && !is_there) {
        *found = table.held[(*at)++];
        is_there = found->task == task && table.told < TOLD_MOST;
    }
    table.told += is_there;
    th_lock_leave(&table.lock);
    return is_there;
}

static void tell(uint64_t task, const char *name)
{
    struct held held;
    uint32_t at = 0;
    while (find_next(task, &at, &held)) {
        th_report("task %lu (%s) leaves its thread and holds the pthread %s %p, taken at", (unsigned long)task, name,
                  held.kind, (const void *)(uintptr_t)held.lock);
        th_report_place(held.place);
        th_report("  and leaves at");
        th_report_backtrace(2);
    }
}

__attribute__((visibility("default"))) extern const struct th_lock_watch thrum_lock_watch;
const struct th_lock_watch thrum_lock_watch = {attach, holds, tell};

/* ---- What stands before libc ---- */

/* LIST names the parameters with their types, PASSED without. */
#define TAKES(name, kind, LIST, PASSED)                          \
    __attribute__((visibility("default"))) int name LIST         \
    {                                                            \
        static th_atomicptr found;                               \
        int code = ((int(*) LIST)next_of(&found, #name))PASSED;  \
        if (code == 0 || code == EOWNERDEAD)                     \
            note_taken(lock, kind, __builtin_return_address(0)); \
        return code;                                             \
    }

/* Noted before: after it the lock may be another's. */
#define LEAVES(name, LIST)                                  \
    __attribute__((visibility("default"))) int name LIST    \
    {                                                       \
        static th_atomicptr found;                          \
        note_left(lock);                                    \
        return ((int(*) LIST)next_of(&found, #name))(lock); \
    }

TAKES(pthread_mutex_lock, "mutex", (pthread_mutex_t * lock), (lock))
TAKES(pthread_mutex_trylock, "mutex", (pthread_mutex_t * lock), (lock))
TAKES(pthread_mutex_timedlock, "mutex", (pthread_mutex_t * lock, const struct timespec *until), (lock, until))
TAKES(pthread_mutex_clocklock, "mutex", (pthread_mutex_t * lock, clockid_t clock, const struct timespec *until),
      (lock, clock, until))
LEAVES(pthread_mutex_unlock, (pthread_mutex_t * lock))

TAKES(pthread_rwlock_rdlock, "rwlock", (pthread_rwlock_t * lock), (lock))
TAKES(pthread_rwlock_tryrdlock, "rwlock", (pthread_rwlock_t * lock), (lock))
TAKES(pthread_rwlock_timedrdlock, "rwlock", (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))
TAKES(pthread_rwlock_clockrdlock, "rwlock", (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
      (lock, clock, until))
TAKES(pthread_rwlock_wrlock, "rwlock", (pthread_rwlock_t * lock), (lock))
TAKES(pthread_rwlock_trywrlock, "rwlock", (pthread_rwlock_t * lock), (lock))
TAKES(pthread_rwlock_timedwrlock, "rwlock", (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))
TAKES(pthread_rwlock_clockwrlock, "rwlock", (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),
      (lock, clock, until))
LEAVES(pthread_rwlock_unlock, (pthread_rwlock_t * lock))

TAKES(pthread_spin_lock, "spin lock", (pthread_spinlock_t * lock), (lock))
TAKES(pthread_spin_trylock, "spin lock", (pthread_spinlock_t * lock), (lock))
LEAVES(pthread_spin_unlock, (pthread_spinlock_t * lock))

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
