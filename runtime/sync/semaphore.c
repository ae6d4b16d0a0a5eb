/*
 * Semaphores: permits are counted in a word; while somebody waits there is none, and each that comes is handed over.
 *
 *   word = permits << 1 | WAITING
 *
 *   who                     from              to             then
 *   acquire                 permits > 0       - 1            has one
 *   acquire, in the line    permits = 0       + WAITING      waits
 *   release                 no WAITING        + 1
 *   release, in the line    WAITING           the same       hands it to the first in line; takes WAITING away with the
 *   last who leaves the line     WAITING           - WAITING      if he was the last
 *
 * "In the line": its lock is held; WAITING changes only there. Invariant: WAITING => permits = 0, and WAITING outside
 * of the lock <=> somebody is in line. So nobody overtakes: who comes first gets the first permit.
 *
 *   [Y1] release word in release -> acquire word in acquire: what was done before a release is seen by who gets the
 *   permit;
 *        a permit that is handed over goes by the line's lock
 *
 * A release that adds to the word touches the semaphore no more.
 *
 * Explored by tests/model (model_semaphore).
 */
#include "base/mutant.h"
#include "sync/line.h"

#include <errno.h>

enum { WAITING = 1, ONE = 2 };

static const struct th_wait_kind semaphore_kind = {.name = "semaphore"};

static th_atomic32 *word_of(const thrum_semaphore *semaphore)
{
    return (th_atomic32 *)(uintptr_t)&semaphore->word_;
}

static bool take(thrum_semaphore *semaphore)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(semaphore));
    while (seen >= ONE) {
        if (th_atomic32_cas_acquire(word_of(semaphore), &seen, seen - ONE)) /* [Y1] */
            return true;
    }
    return false;
}

/* Inside the line: takes a permit, or says that somebody waits. */
static bool take_or_announce(thrum_semaphore *semaphore)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(semaphore));
    for (;;) {
        if (seen >= ONE) {
            if (th_atomic32_cas_acquire(word_of(semaphore), &seen, seen - ONE)) /* [Y1] */
                return true;
        } else if (seen == WAITING || th_atomic32_cas_relaxed(word_of(semaphore), &seen, WAITING)) {
            return false;
        }
    }
}

static void note_if_empty(thrum_semaphore *semaphore)
{
    if (th_line_is_empty(&semaphore->line_))
        (void)th_atomic32_and_relaxed(word_of(semaphore), ~(uint32_t)WAITING);
}

int thrum_semaphore_try_acquire(thrum_semaphore *semaphore)
{
    th_point();
    return take(semaphore) ? 0 : -EAGAIN;
}

int thrum_semaphore_acquire_until(thrum_semaphore *semaphore, thrum_time when)
{
    th_point();
    if (take(semaphore))
        return 0;
    struct thrum_line_ *line = &semaphore->line_;
    struct th_place place = {.kind = &semaphore_kind, .object = semaphore};
    int code = th_await_begin(&place.waiter);
    if (code < 0)
        return code;
    th_line_enter(line);
    if (take_or_announce(semaphore)) {
        th_line_leave(line);
        th_await_abandon(&place.waiter);
        return 0;
    }
    th_line_append(line, &place);
    th_line_leave(line);
    code = th_line_await(line, &place, when);
    /* The wait itself says whether a permit came with its end. */
    if (th_line_quit(line, &place))
        note_if_empty(semaphore);
    th_line_leave(line);
    return code;
}

int thrum_semaphore_acquire(thrum_semaphore *semaphore)
{
    return thrum_semaphore_acquire_until(semaphore, THRUM_FOREVER);
}

/* False if nobody was left in line. */
static bool hand_over(thrum_semaphore *semaphore)
{
    th_line_enter(&semaphore->line_);
    bool is_handed = th_line_wake_first(&semaphore->line_, TH_WAKE_PLAIN);
    note_if_empty(semaphore);
    th_line_leave(&semaphore->line_);
    return is_handed;
}

static int release(thrum_semaphore *semaphore)
{
    uint32_t most = semaphore->most_ != 0 ? semaphore->most_ : INT32_MAX;
    uint32_t seen = th_atomic32_load_relaxed(word_of(semaphore));
    for (;;) {
        if ((seen & WAITING) != 0) {
            if (hand_over(semaphore))
                return 0;
            seen = th_atomic32_load_relaxed(word_of(semaphore));
        } else if (seen / ONE >= most) {
            return -EOVERFLOW;
        } else if (th_atomic32_cas_release(word_of(semaphore), &seen, seen + ONE)) { /* [Y1] */
            return 0;
        }
    }
}

int thrum_semaphore_release(thrum_semaphore *semaphore)
{
    return th_point_after(release(semaphore));
}

unsigned thrum_semaphore_value(const thrum_semaphore *semaphore)
{
    return th_atomic32_load_relaxed(word_of(semaphore)) / ONE;
}
