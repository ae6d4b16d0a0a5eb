/*
 * Wait groups: a count in a word, and a line of who waits for it to be 0.
 *
 *   word = count << 1 | WAITING
 *
 *   who                   from              to            then
 *   add                   count             + n
 *   done                  count, > 1        - 1
 *   done                  1                 0
 *   done, in the line     1 WAITING         0             wakes all
 *   wait, in the line     count > 0         + WAITING     waits
 *
 * "In the line": its lock is held; WAITING changes only there. A done that brings an unawaited count to 0 touches the
 * group no more; who wakes is still inside, and who finds 0 comes after him (th_line_pass): the group often lies on the
 * stack of who waits for it.
 *
 *   [R1] release of each done -> acquire of 0, and of the last done in the line: what was done is seen by who has
 *        waited for it, and that the line's lock was taken
 *
 * Explored by tests/model (model_barrier).
 */
#include "base/mutant.h"
#include "base/panic.h"
#include "sync/line.h"

#include <errno.h>

enum { WAITING = 1, ONE = 2 };

static const struct th_wait_kind waitgroup_kind = {.name = "wait group"};

static th_atomic32 *word_of(thrum_waitgroup *waitgroup)
{
    return (th_atomic32 *)&waitgroup->word_;
}

void thrum_waitgroup_add(thrum_waitgroup *waitgroup, unsigned count)
{
    uint32_t before = th_atomic32_add_relaxed(word_of(waitgroup), count * ONE);
    THRUM_CHECK(count <= INT32_MAX && before / ONE + count <= INT32_MAX, "thrum_waitgroup_add(%p, %u): too many",
                (void *)waitgroup, count);
}

/* Inside the line: the count goes down, and with the last everybody is woken. */
static void finish(thrum_waitgroup *waitgroup)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(waitgroup)), next;
    do
        next = seen / ONE == 1 ? 0 : seen - ONE;
    while (!th_atomic32_cas_acqrel(word_of(waitgroup), &seen, next)); /* [R1] */
    if (next == 0)
        th_line_wake_all(&waitgroup->line_, TH_WAKE_PLAIN);
}

static void count_down(thrum_waitgroup *waitgroup)
{
    uint32_t seen = th_atomic32_load_relaxed(word_of(waitgroup));
    for (;;) {
        THRUM_CHECK(seen >= ONE, "thrum_waitgroup_done(%p): once too often", (void *)waitgroup);
        if (seen == (ONE | WAITING)) {
            th_line_enter(&waitgroup->line_);
            finish(waitgroup);
            th_line_leave(&waitgroup->line_);
            return;
        }
        if (th_atomic32_cas_release(word_of(waitgroup), &seen, seen - ONE)) /* [R1] */
            return;
    }
}

void thrum_waitgroup_done(thrum_waitgroup *waitgroup)
{
    count_down(waitgroup);
    th_point();
}

/* Inside the line: false if the count is 0, else whoever brings it there will look into the line. */
static bool announce(thrum_waitgroup *waitgroup)
{
    uint32_t seen = th_atomic32_load_acquire(word_of(waitgroup)); /* [R1] */
    while (seen >= ONE) {
        if ((seen & WAITING) != 0 || th_atomic32_cas_acquire(word_of(waitgroup), &seen, seen | WAITING)) /* [R1] */
            return true;
    }
    return false;
}

int thrum_waitgroup_wait_until(thrum_waitgroup *waitgroup, thrum_time when)
{
    struct thrum_line_ *line = &waitgroup->line_;
    if (th_atomic32_load_acquire(word_of(waitgroup)) < ONE) { /* [R1] */
        if (!TH_MUTANT(waitgroup_goes_on_at_once))
            th_line_pass(line);
        return 0;
    }
    struct th_place place = {.kind = &waitgroup_kind, .object = waitgroup};
    int code = th_await_begin(&place.waiter);
    if (code < 0)
        return code;
    th_line_enter(line);
    if (!announce(waitgroup)) {
        th_line_leave(line);
        th_await_abandon(&place.waiter);
        return 0;
    }
    th_line_append(line, &place);
    th_line_leave(line);
    code = th_line_await(line, &place, when);
    /* Out of the line without having quit it: the count came to 0 in time. */
    bool was_in = th_line_quit(line, &place);
    if (was_in && th_line_is_empty(line))
        (void)th_atomic32_and_relaxed(word_of(waitgroup), ~(uint32_t)WAITING);
    th_line_leave(line);
    return was_in ? code : 0;
}

int thrum_waitgroup_wait(thrum_waitgroup *waitgroup)
{
    return thrum_waitgroup_wait_until(waitgroup, THRUM_FOREVER);
}
