#include "sync/mutex.h"

#include "base/panic.h"
#include "sync/holder.h"
#include "sync/line.h"
#include "sync/lock_order.h"

#include <errno.h>

enum { LOCKED = 1, WAITING = 2, WOKEN = 4 };

enum {
    PATIENCE_NS = TH_SHRUNK(1000000, 0), /* who has waited for so long is handed the lock */
    ROUND_NS = TH_SHRUNK(2000000, 0),    /* in which all who wait are handed it once */
    ROUND_LEAST = 2, /* few waiters count as so many, so that each round brings the clock's PATIENCE_NS */
    LOOKS_IN = TH_SHRUNK(64, 1),
    LOOK_NS = 100000,        /* two looks at the clock should not be further apart */
    SPINS = TH_SHRUNK(6, 1), /* rounds of spinning, each twice as long as the one before */
};

/* A place in line, and what a mutex's line needs besides. l: the line's lock. */
struct seat {
    struct th_place place; /* first */
    struct th_holder self; /* c */
    int64_t since;         /* c: when it came */
    void *woken_at;        /* l: where the waker ran: in whose queue it is */
    bool is_awake;         /* l: woken by a wake, and not asleep again */
    bool is_granted;       /* l: the lock is its, and it is not in the line any more */
    bool is_firm;          /* c: no scope ends its waits */
};

static th_atomic32 *word_of(const thrum_mutex *mutex)
{
    return (th_atomic32 *)(uintptr_t)&mutex->word_;
}

static th_atomicptr *owner_of(const thrum_mutex *mutex)
{
    return (th_atomicptr *)(uintptr_t)&mutex->owner_;
}

static th_atomicptr *where_of(const thrum_mutex *mutex)
{
    return (th_atomicptr *)(uintptr_t)&mutex->where_;
}

static th_atomic32 *patience_of(thrum_mutex *mutex)
{
    return (th_atomic32 *)&mutex->patience_;
}

struct th_task *th_mutex_owner(const thrum_mutex *mutex)
{
    return th_holder_task(th_atomicptr_load_relaxed(owner_of(mutex)));
}

static struct th_task *owner_for_report(const void *object)
{
    return th_mutex_owner(object);
}

static const struct th_wait_kind mutex_kind = {
    .name = "mutex", .owner = owner_for_report, .bytes = sizeof(thrum_mutex)};

/* ---- Taking it ---- */

TH_INLINE bool take(thrum_mutex *mutex)
{
    return (th_atomic32_or_acquire(word_of(mutex), LOCKED) & LOCKED) == 0; /* [U1] */
}

TH_INLINE void own(thrum_mutex *mutex, struct th_holder self)
{
    th_atomicptr_store_relaxed(owner_of(mutex), self.who);
    th_atomicptr_store_relaxed(where_of(mutex), self.where);
}

/* True if whoever has it runs on another core, so that it may be free in a moment. */
static bool is_busy_elsewhere(thrum_mutex *mutex, struct th_holder self)
{
    void *where = th_atomicptr_load_relaxed(where_of(mutex));
    return where != NULL && where != self.where;
}

/* Each look takes the word's line away from its holder: so they come at growing distances. */
static bool spin(thrum_mutex *mutex, struct th_holder self)
{
    for (uint32_t round = 0; round < SPINS && is_busy_elsewhere(mutex, self); round++) {
        for (uint32_t turn = TH_SHRUNK(1u << round, 1); turn > 0; turn--)
            th_cpu_relax();
        if ((th_atomic32_load_relaxed(word_of(mutex)) & LOCKED) == 0 && take(mutex))
            return true;
    }
    return false;
}

/* ---- In the line: its lock is held in all of this ---- */

static struct seat *first_seat(const thrum_mutex *mutex)
{
    return (struct seat *)mutex->line_.first_;
}

/* Wakes the first that sleeps; WOKEN if there was one. Those who are leaving by themselves do not count. */
static uint32_t rouse(thrum_mutex *mutex)
{
    struct seat *first = first_seat(mutex), *seat = first;
    if (seat == NULL)
        return 0;
    do {
        if (th_await_wake(&seat->place.waiter, TH_WAKE_PLAIN)) {
            seat->is_awake = true;
            seat->woken_at = th_holder_self().where;
            return WOKEN;
        }
        seat = (struct seat *)seat->place.next;
    } while (seat != first);
    return 0;
}

/* The bits of the line as it is now. */
static uint32_t waiting_bit(const thrum_mutex *mutex)
{
    return th_line_is_empty(&mutex->line_) ? 0 : WAITING;
}

/* The caller's, if it is free now; the other bits become what they should be. */
static bool take_in_line(thrum_mutex *mutex, struct seat *seat, uint32_t seen)
{
    uint32_t woken = seat->is_awake ? 0 : seen & WOKEN;
    bool is_last = seat->place.is_in ? mutex->line_.count_ == 1 : th_line_is_empty(&mutex->line_);
    uint32_t wanted = LOCKED | woken | (is_last ? 0 : WAITING);
    return th_atomic32_cas_acquire(word_of(mutex), &seen, wanted); /* [U1] */
}

/* Takes the lock, true, or sees to it that whoever unlocks it finds the seat in line. */
static bool take_or_sit(thrum_mutex *mutex, struct seat *seat)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(mutex));
    for (;;) {
        if ((seen & LOCKED) == 0) {
            if (take_in_line(mutex, seat, seen))
                return true;
            seen = th_atomic32_load_relaxed(word_of(mutex));
            continue;
        }
        uint32_t wanted = (seen | WAITING) & ~(seat->is_awake ? (uint32_t)WOKEN : 0);
        if (TH_MUTANT(mutex_sit_blindly)) {
            th_atomic32_store_relaxed(word_of(mutex), wanted);
            return false;
        }
        if (wanted == seen || th_atomic32_cas_relaxed(word_of(mutex), &seen, wanted))
            return false;
    }
}

/* The seat leaves without the lock: whoever counted on its being awake must have another. */
static void leave_line(thrum_mutex *mutex, struct seat *seat)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(mutex)), wanted;
    th_line_remove(&mutex->line_, &seat->place);
    uint32_t woken = seat->is_awake && !TH_MUTANT(mutex_keep_the_wake) ? rouse(mutex) : seen & WOKEN;
    do
        wanted = (seen & LOCKED) | waiting_bit(mutex) | woken;
    while (!th_atomic32_cas_relaxed(word_of(mutex), &seen, wanted));
}

/* ---- Waiting ---- */

enum step { HAS_IT, SLEEPS, LEFT };

/* With a wait begun (code 0) or refused (code < 0): what now? */
static enum step step(thrum_mutex *mutex, struct seat *seat, int code)
{
    enum step step;
    if (seat->is_granted) {
        step = HAS_IT;
    } else if (code < 0) {
        if (seat->place.is_in)
            leave_line(mutex, seat);
        step = LEFT;
    } else if (take_or_sit(mutex, seat)) {
        if (seat->place.is_in)
            th_line_remove(&mutex->line_, &seat->place);
        step = HAS_IT;
    } else {
        if (!seat->place.is_in)
            th_line_append(&mutex->line_, &seat->place);
        seat->is_awake = false;
        step = SLEEPS;
    }
    return step;
}

static int begin_wait(struct seat *seat)
{
    if (!seat->is_firm)
        return th_await_begin(&seat->place.waiter);
    th_await_begin_firmly(&seat->place.waiter);
    return 0;
}

/* Waits in line for the lock; one that has waited for long makes the unlocker look at the clock at once. */
static int wait_in_line(thrum_mutex *mutex, struct seat *seat, int64_t until)
{
    struct thrum_line_ *line = &mutex->line_;
    for (;;) {
        int code = begin_wait(seat);
        th_line_enter(line);
        enum step next = step(mutex, seat, code);
        th_line_leave(line);
        if (next != SLEEPS) {
            if (code == 0)
                th_await_abandon(&seat->place.waiter);
            return next == HAS_IT ? 0 : code;
        }
        code = th_line_await(line, &seat->place, until);
        bool has_it = seat->is_granted;
        if (code < 0 && !has_it)
            leave_line(mutex, seat);
        th_line_leave(line);
        if (code < 0 || has_it)
            return has_it ? 0 : code;
        if (th_sys_now() - seat->since >= PATIENCE_NS)
            th_atomic32_store_relaxed(patience_of(mutex), 0);
    }
}

static TH_NOINLINE int lock_contended(thrum_mutex *mutex, int64_t until, bool is_firm)
{
    struct seat seat = {.place = {.kind = &mutex_kind, .object = mutex}, .self = th_holder_self(), .is_firm = is_firm};
    if (th_atomicptr_load_relaxed(owner_of(mutex)) == seat.self.who)
        return -EDEADLK;
    int code = 0;
    if (!spin(mutex, seat.self)) {
        seat.since = th_sys_now();
        code = wait_in_line(mutex, &seat, until);
    }
    if (code == 0)
        own(mutex, th_holder_self());
    return code;
}

/* ---- Unlocking with somebody in line ---- */

static int64_t interval(const thrum_mutex *mutex)
{
    uint32_t count = mutex->line_.count_;
    return ROUND_NS / (count > ROUND_LEAST ? count : ROUND_LEAST);
}

/* The first in line has waited long enough, and the last one was not handed it just now. */
static bool is_due(thrum_mutex *mutex, int64_t now)
{
    return now - first_seat(mutex)->since >= PATIENCE_NS && now - mutex->handed_ >= interval(mutex);
}

/* What was not handed over in time, as when the holder's thread was off its core, is made up for; one round at most. */
static void note_hand_over(thrum_mutex *mutex, int64_t now)
{
    int64_t next = mutex->handed_ + interval(mutex);
    mutex->handed_ = next > now - ROUND_NS ? next : now - ROUND_NS;
}

/* The first who can still be told that the lock is his. Who is awake in another worker's queue comes by himself, and
 * the lock would lie idle until then: others go first. NULL if all are leaving. */
static struct seat *find_heir(thrum_mutex *mutex)
{
    struct seat *first = first_seat(mutex), *seat = first, *far = NULL;
    void *here = th_holder_self().where;
    do {
        bool is_near = seat->is_awake && seat->woken_at == here;
        if (is_near || (!seat->is_awake && th_await_wake(&seat->place.waiter, TH_WAKE_PLAIN)))
            return seat;
        if (seat->is_awake && far == NULL)
            far = seat;
        seat = (struct seat *)seat->place.next;
    } while (seat != first);
    return far;
}

/* Hands the lock, which the caller has, to one in line; false if there is none. */
static bool hand_over(thrum_mutex *mutex)
{
    struct seat *seat = find_heir(mutex);
    if (seat == NULL)
        return false;
    uint32_t woken = seat->is_awake ? 0 : th_atomic32_load_relaxed(word_of(mutex)) & WOKEN;
    th_line_remove(&mutex->line_, &seat->place);
    seat->is_granted = true;
    own(mutex, (struct th_holder){seat->self.who, NULL});
    th_atomic32_store_relaxed(word_of(mutex), LOCKED | woken | waiting_bit(mutex));
    return true;
}

/* With the line's lock held and the mutex the caller's: gives it up in one way or the other. */
static void give_up(thrum_mutex *mutex)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(mutex));
    if (th_atomic32_load_relaxed(patience_of(mutex)) == 0) {
        int64_t now = th_sys_now();
        bool is_frequent = now - mutex->looked_ < LOOK_NS;
        mutex->looked_ = now;
        th_atomic32_store_relaxed(patience_of(mutex), is_frequent ? LOOKS_IN : 0);
        if (is_due(mutex, now) && hand_over(mutex)) {
            note_hand_over(mutex, now);
            return;
        }
    }
    uint32_t woken = (seen & WOKEN) != 0 ? WOKEN : rouse(mutex);
    th_atomic32_store_release(word_of(mutex), waiting_bit(mutex) | woken); /* [U1] */
}

static TH_NOINLINE void unlock_contended(thrum_mutex *mutex)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(mutex));
    uint32_t patience = th_atomic32_load_relaxed(patience_of(mutex));
    for (;;) {
        if (seen == LOCKED || (seen == (LOCKED | WAITING | WOKEN) && patience > 0)) {
            if (seen != LOCKED)
                th_atomic32_store_relaxed(patience_of(mutex), patience - 1);
            if (th_atomic32_cas_release(word_of(mutex), &seen, seen & ~(uint32_t)LOCKED)) /* [U1] */
                return;
            continue;
        }
        th_line_enter(&mutex->line_);
        /* Who was in line may have left before we were in. */
        bool is_empty = th_line_is_empty(&mutex->line_);
        if (!is_empty)
            give_up(mutex);
        th_line_leave(&mutex->line_);
        if (!is_empty)
            return;
        seen = th_atomic32_load_relaxed(word_of(mutex));
    }
}

/* ---- The calls ---- */

static TH_NOINLINE int lock_watched(thrum_mutex *mutex, int64_t until, bool is_firm)
{
    bool is_ordered = th_order_is_on();
    th_point();
    if (is_ordered)
        th_order_wants(mutex);
    int code = take(mutex) ? 0 : lock_contended(mutex, until, is_firm);
    if (code == 0)
        own(mutex, th_holder_self());
    if (code == 0 && is_ordered)
        th_order_has(mutex);
    return code;
}

int thrum_mutex_lock_until(thrum_mutex *mutex, thrum_time when)
{
    if (th_lock_is_watched())
        return lock_watched(mutex, when, false);
    if (TH_UNLIKELY(!take(mutex)))
        return lock_contended(mutex, when, false);
    own(mutex, th_holder_self());
    return 0;
}

int thrum_mutex_lock(thrum_mutex *mutex)
{
    return thrum_mutex_lock_until(mutex, THRUM_FOREVER);
}

void th_mutex_lock_firmly(thrum_mutex *mutex)
{
    if (th_lock_is_watched())
        (void)lock_watched(mutex, TH_SYS_FOREVER, true);
    else if (TH_UNLIKELY(!take(mutex)))
        (void)lock_contended(mutex, TH_SYS_FOREVER, true);
    else
        own(mutex, th_holder_self());
}

int thrum_mutex_try_lock(thrum_mutex *mutex)
{
    th_point();
    if ((th_atomic32_load_relaxed(word_of(mutex)) & LOCKED) != 0 || !take(mutex))
        return -EBUSY;
    own(mutex, th_holder_self());
    if (th_order_is_on())
        th_order_has(mutex);
    return 0;
}

static TH_COLD void panic_about_unlock(const thrum_mutex *mutex)
{
    void *owner = th_atomicptr_load_relaxed(owner_of(mutex));
    if (owner == NULL)
        th_panic("thrum_mutex_unlock(%p): nobody has it", (const void *)mutex);
    if (th_holder_task(owner) == NULL)
        th_panic("thrum_mutex_unlock(%p): a thread has it, not the caller", (const void *)mutex);
    th_panic("thrum_mutex_unlock(%p): task %lu has it, not the caller", (const void *)mutex, th_holder_number(owner));
}

TH_INLINE void unlock(thrum_mutex *mutex)
{
    th_atomicptr_store_relaxed(owner_of(mutex), NULL);
    uint32_t seen = LOCKED;
    if (TH_UNLIKELY(th_atomic32_load_relaxed(word_of(mutex)) != LOCKED) ||
        TH_UNLIKELY(!th_atomic32_cas_release(word_of(mutex), &seen, 0))) /* [U1] */
        unlock_contended(mutex);
}

static TH_NOINLINE void unlock_watched(thrum_mutex *mutex)
{
    if (th_order_is_on())
        th_order_left(mutex);
    unlock(mutex);
    th_point();
}

void thrum_mutex_unlock(thrum_mutex *mutex)
{
    if (TH_UNLIKELY(th_atomicptr_load_relaxed(owner_of(mutex)) != th_holder_self().who))
        panic_about_unlock(mutex);
    if (th_lock_is_watched())
        unlock_watched(mutex);
    else
        unlock(mutex);
}

bool thrum_mutex_is_mine(const thrum_mutex *mutex)
{
    return th_atomicptr_load_relaxed(owner_of(mutex)) == th_holder_self().who;
}

void thrum_mutex_destroy(thrum_mutex *mutex)
{
    uint32_t word = th_atomic32_load_relaxed(word_of(mutex));
    THRUM_CHECK((word & WAITING) == 0, "thrum_mutex_destroy(%p): tasks wait for it", (void *)mutex);
    THRUM_CHECK((word & LOCKED) == 0, "thrum_mutex_destroy(%p): it is locked", (void *)mutex);
    if (th_order_is_on())
        th_order_forget(mutex);
}
