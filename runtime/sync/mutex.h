/*
 * The mutex's inside, for the condition, for reports, and for models.
 *
 *   word      LOCKED    somebody has it
 *             WAITING   somebody is in line
 *             WOKEN     somebody in line has been woken and is on his way to try again
 *
 *   who                     from                     to                   then
 *   lock                    not LOCKED               + LOCKED             has it, whoever is in line (barging)
 *   lock, in the line       LOCKED                   + WAITING            waits
 *   unlock                  LOCKED                   0
 *   unlock                  LOCKED WAITING WOKEN     - LOCKED             nothing: somebody is on his way
 *   unlock, in the line     LOCKED WAITING           - LOCKED + WOKEN     wakes the first, who stays in line
 *   unlock, in the line     LOCKED WAITING           LOCKED               has handed it over to the first
 *   a woken one, in line    not LOCKED, WOKEN        + LOCKED - WOKEN     has it, leaves the line
 *   a woken one, in line    LOCKED, WOKEN            - WOKEN              waits again, at his old place
 *
 * "In the line": its lock is held; WAITING and WOKEN change only there.
 *
 * Invariant: not LOCKED and somebody sleeps in line => WOKEN. So a wake is owed by whoever takes LOCKED away without
 * it, and by whoever takes WOKEN away.
 *
 * Barging keeps a lock that is taken often on one core, where a lock and an unlock are two operations in its cache;
 * handing it over each time would be a switch each time, and most often a way to another core. What barging does to
 * those who wait is bounded by the clock: once the first in line has been there for PATIENCE_NS he is handed the lock,
 * but handing over happens at most COUNT times in ROUND_NS, where COUNT is how many wait. So all who wait are served
 * within about ROUND_NS however many there are, and the price is a switch each ROUND_NS / COUNT. The line is kept in
 * order of coming: who is woken and comes too late has his old place.
 *
 * The clock is read by the unlocker, once in LOOKS_IN unlocks that found somebody on his way (more often where these
 * take long), since that somebody may be behind the unlocker in the queue of the same worker.
 *
 * Who is handed it runs next on the unlocker's worker, once the unlocker waits. So it goes to somebody who sleeps, or
 * who is in that worker's queue: one that was woken elsewhere may be in the queue of a thread that is off its core.
 *
 * A waiter spins first, but only if who has the lock runs on another core, as far as `where` tells.
 *
 *   [U1] release word without LOCKED -> acquire LOCKED: what the last holder wrote is seen by the next. Where the lock
 *        is handed over, the lock of the line does that.
 *
 * Rejected, with figures in runtime/README.md: handing over at each unlock; waking at each unlock, with nothing to say
 * that somebody is on his way; a line that woken ones join again at its end.
 *
 * Explored by tests/model (model_mutex).
 */
#ifndef TH_SYNC_MUTEX_H
#define TH_SYNC_MUTEX_H

#include <thrum/sync.h>

#include "base/atomic.h"

struct th_task;

/* The task that has it; NULL if nobody or a thread has it. It may have changed by the time the caller looks. */
struct th_task *th_mutex_owner(const thrum_mutex *mutex);

/* Locks it whatever the scopes of the task say: for who had it and must have it again. */
void th_mutex_lock_firmly(thrum_mutex *mutex);

#endif
