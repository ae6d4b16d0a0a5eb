/*
 * Reader-writer locks: phases that take turns.
 *
 *   word = readers << 2 | WAITING | WRITING
 *
 *   who                       from                   to                  then
 *   reader                    neither flag           + 1 reader          reads
 *   writer                    0                      WRITING             writes
 *   either, in the line       else                   + WAITING           waits
 *   reader leaves             not the last awaited   - 1 reader
 *   writer leaves             WRITING                0
 *   last reader, in the line  1 reader, WAITING      the first writer in line, or, if there is none, all readers in
 *   line writer, in the line       WRITING, WAITING       all readers in line, or, if there is none, the first writer
 *   who gives up, in the line                        if no writer waits any more and readers read: all readers in line
 *
 * "In the line": its lock is held; WAITING changes only there, and says that somebody is in line. While it stands
 * nobody enters by himself: the lock is handed over, so who was woken has it. A writer that waits keeps out readers
 * that come after it, and is behind one phase of readers at most for each writer in front of it; a reader waits for one
 * writer at most. Neither side starves, at the price of a switch for each phase where both sides are busy.
 *
 *   [H1] release of each unlock -> acquire of who enters alone or hands over: what was done before is seen; where the
 *   lock
 *        is handed over, the rest of the way is the line's lock
 *
 * Rejected: barging as in the mutex (a reader that enters past a waiting writer is how writers starve).
 *
 * Explored by tests/model (model_rwlock).
 */
#include "base/mutant.h"
#include "base/panic.h"
#include "sync/holder.h"
#include "sync/line.h"
#include "sync/lock_order.h"

#include <errno.h>

enum { WRITING = 1, WAITING = 2, READER = 4 };

/* A place in line, with what it is for. */
struct desk {
    struct th_place place; /* first */
    bool is_writer;        /* c */
};

static th_atomic32 *word_of(thrum_rwlock *lock)
{
    return (th_atomic32 *)&lock->word_;
}

static th_atomicptr *owner_of(const thrum_rwlock *lock)
{
    return (th_atomicptr *)(uintptr_t)&lock->owner_;
}

static struct th_task *owner_for_report(const void *object)
{
    return th_holder_task(th_atomicptr_load_relaxed(owner_of(object)));
}

static const struct th_wait_kind read_kind = {
    .name = "rwlock, to read", .owner = owner_for_report, .bytes = sizeof(thrum_rwlock)};
static const struct th_wait_kind write_kind = {
    .name = "rwlock, to write", .owner = owner_for_report, .bytes = sizeof(thrum_rwlock)};

/* ---- Entering by oneself ---- */

static bool take(thrum_rwlock *lock, bool is_writer)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(lock));
    while (is_writer ? seen == 0 : (seen & (WRITING | WAITING)) == 0) {
        uint32_t next = is_writer ? (uint32_t)WRITING : seen + READER;
        if (th_atomic32_cas_acquire(word_of(lock), &seen, next)) /* [H1] */
            return true;
    }
    return false;
}

static void own(thrum_rwlock *lock, bool is_writer)
{
    if (th_order_is_on())
        th_order_has(lock);
    if (is_writer)
        th_atomicptr_store_relaxed(owner_of(lock), th_holder_self().who);
}

/* ---- In the line: its lock is held in all of this ---- */

static void seat(thrum_rwlock *lock, struct desk *desk)
{
    lock->writers_ += desk->is_writer;
    th_line_append(&lock->line_, &desk->place);
}

static void unseat(thrum_rwlock *lock, struct desk *desk)
{
    lock->writers_ -= desk->is_writer;
    th_line_remove(&lock->line_, &desk->place);
}

/* Takes out all of a kind, or as far as the first whose wait could be ended; returns in how many that was so. */
static uint32_t wake(thrum_rwlock *lock, bool writer)
{
    struct desk *desk = (struct desk *)lock->line_.first_;
    uint32_t woken = 0;
    for (uint32_t left = lock->line_.count_; left > 0 && !(writer && woken > 0); left--) {
        struct desk *next = (struct desk *)desk->place.next;
        if (desk->is_writer == writer) {
            unseat(lock, desk);
            woken += th_await_wake(&desk->place.waiter, TH_WAKE_PLAIN);
        }
        desk = next;
    }
    return woken;
}

static uint32_t waiting_bit(const thrum_rwlock *lock)
{
    return th_line_is_empty(&lock->line_) ? 0 : WAITING;
}

/* The last holder gives it up: nobody else changes the word meanwhile, for nobody can enter by himself. */
static void pass_on(thrum_rwlock *lock, bool to_writer)
{
    uint32_t readers = 0, writers = 0;
    if (to_writer) {
        writers = wake(lock, true);
        readers = writers == 0 ? wake(lock, false) : 0;
    } else {
        readers = wake(lock, false);
        writers = readers == 0 ? wake(lock, true) : 0;
    }
    uint32_t next = readers * READER | writers * WRITING | waiting_bit(lock);
    th_atomic32_store_release(word_of(lock), next); /* [H1] */
}

/* Takes the lock, or sees to it that who gives it up looks into the line. */
static bool take_or_announce(thrum_rwlock *lock, bool is_writer)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(lock));
    for (;;) {
        if (is_writer ? seen == 0 : (seen & (WRITING | WAITING)) == 0) {
            uint32_t next = is_writer ? (uint32_t)WRITING : seen + READER;
            if (th_atomic32_cas_acquire(word_of(lock), &seen, next)) /* [H1] */
                return true;
        } else if ((seen & WAITING) != 0 || th_atomic32_cas_relaxed(word_of(lock), &seen, seen | WAITING)) {
            return false;
        }
    }
}

/* Gives up waiting. Readers that waited for the writer alone, which now goes, need wait no longer. */
static void give_up(thrum_rwlock *lock, struct desk *desk)
{
    unseat(lock, desk);
    uint32_t seen = th_atomic32_load_relaxed(word_of(lock)), readers = 0, next;
    if (desk->is_writer && lock->writers_ == 0 && (seen & WRITING) == 0 && !TH_MUTANT(rwlock_forgets_readers))
        readers = wake(lock, false);
    do
        next = (seen & ~(uint32_t)WAITING) + readers * READER + waiting_bit(lock);
    while (!th_atomic32_cas_relaxed(word_of(lock), &seen, next));
}

/* ---- Waiting ---- */

static TH_NOINLINE int lock_contended(thrum_rwlock *lock, thrum_time when, bool is_writer)
{
    struct thrum_line_ *line = &lock->line_;
    struct desk desk = {.place = {.kind = is_writer ? &write_kind : &read_kind, .object = lock},
                        .is_writer = is_writer};
    if (th_atomicptr_load_relaxed(owner_of(lock)) == th_holder_self().who)
        return -EDEADLK;
    int code = th_await_begin(&desk.place.waiter);
    if (code < 0)
        return code;
    th_line_enter(line);
    if (take_or_announce(lock, is_writer)) {
        th_line_leave(line);
        th_await_abandon(&desk.place.waiter);
        return 0;
    }
    seat(lock, &desk);
    th_line_leave(line);
    code = th_line_await(line, &desk.place, when);
    if (desk.place.is_in)
        give_up(lock, &desk);
    /* A reader may have been let in by a writer that gave up, who knows nothing of what the last writer did. */
    (void)th_atomic32_load_acquire(word_of(lock)); /* [H1] */
    th_line_leave(line);
    return code;
}

static int lock_until(thrum_rwlock *lock, thrum_time when, bool is_writer)
{
    th_point();
    if (th_order_is_on())
        th_order_wants(lock);
    int code = take(lock, is_writer) ? 0 : lock_contended(lock, when, is_writer);
    if (code == 0)
        own(lock, is_writer);
    return code;
}

/* ---- The calls ---- */

int thrum_rwlock_read_lock(thrum_rwlock *lock)
{
    return lock_until(lock, THRUM_FOREVER, false);
}

int thrum_rwlock_read_lock_until(thrum_rwlock *lock, thrum_time when)
{
    return lock_until(lock, when, false);
}

int thrum_rwlock_write_lock(thrum_rwlock *lock)
{
    return lock_until(lock, THRUM_FOREVER, true);
}

int thrum_rwlock_write_lock_until(thrum_rwlock *lock, thrum_time when)
{
    return lock_until(lock, when, true);
}

static int try_lock(thrum_rwlock *lock, bool is_writer)
{
    th_point();
    if (!take(lock, is_writer))
        return -EBUSY;
    own(lock, is_writer);
    return 0;
}

int thrum_rwlock_try_read_lock(thrum_rwlock *lock)
{
    return try_lock(lock, false);
}

int thrum_rwlock_try_write_lock(thrum_rwlock *lock)
{
    return try_lock(lock, true);
}

/* In the line: the last reader, as far as it could be seen from outside. False if it is not the last any more. */
static bool end_readers(thrum_rwlock *lock)
{
    uint32_t seen = th_atomic32_load_acquire(word_of(lock)); /* [H1] */
    if (seen != (READER | WAITING))
        return false;
    pass_on(lock, true);
    return true;
}

static void leave_as_reader(thrum_rwlock *lock)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(lock));
    for (;;) {
        THRUM_CHECK(seen >= READER, "thrum_rwlock_read_unlock(%p): nobody reads", (void *)lock);
        if (seen == (READER | WAITING)) {
            th_line_enter(&lock->line_);
            bool is_over = end_readers(lock);
            th_line_leave(&lock->line_);
            if (is_over)
                return;
            seen = th_atomic32_load_relaxed(word_of(lock));
        } else if (th_atomic32_cas_release(word_of(lock), &seen, seen - READER)) { /* [H1] */
            return;
        }
    }
}

void thrum_rwlock_read_unlock(thrum_rwlock *lock)
{
    if (th_order_is_on())
        th_order_left(lock);
    leave_as_reader(lock);
    th_point();
}

void thrum_rwlock_write_unlock(thrum_rwlock *lock)
{
    void *owner = th_atomicptr_load_relaxed(owner_of(lock));
    THRUM_CHECK(owner == th_holder_self().who, "thrum_rwlock_write_unlock(%p): the caller does not write",
                (void *)lock);
    th_atomicptr_store_relaxed(owner_of(lock), NULL);
    if (th_order_is_on())
        th_order_left(lock);
    uint32_t seen = WRITING;
    if (TH_UNLIKELY(!th_atomic32_cas_release(word_of(lock), &seen, 0))) { /* [H1] */
        th_line_enter(&lock->line_);
        pass_on(lock, false);
        th_line_leave(&lock->line_);
    }
    th_point();
}
