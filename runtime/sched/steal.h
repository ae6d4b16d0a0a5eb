/*
 * How tasks get from a worker that has many to one that has none.
 *
 * A thief asks: it puts its number into the victim's `attention` and waits for an answer in its own mail, so the
 * victim's memory stays in the victim's cache. The victim sees the request at its next entry and gives of its
 * oldest. A victim that stays silent (its task computes without a call to the runtime) is revoked, and the thief helps
 * itself (sched/guard.h).
 *
 * Manners. What a thief takes should be worth the trip, which costs both sides a few cache misses (0.3 us): if its
 * last theft kept it busy for less than 20 us, it waits before the next, doubling up to 200 us; so a worker that
 * turns over empty tasks by itself is left alone. It takes one task at first (of a tree, the oldest is the largest
 * part), and half once a single one has lasted.
 *
 * Explored by tests/model (model_steal, model_slot).
 */
#ifndef TH_SCHED_STEAL_H
#define TH_SCHED_STEAL_H

#include "sched/worker.h"

/* The worker's host, with nothing to do: searches, steals, sleeps. Returns when there may be something in its
 * queues, or the runtime has stopped. */
void th_steal_find_work(struct th_worker *worker);

/* The same for a worker that is alone, after it has looked: sleeps until somebody comes from outside. */
void th_steal_sleep(struct th_worker *worker);

#endif
