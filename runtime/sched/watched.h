/*
 * Dispatches that are looked at: THRUM_DEBUG=stalls, migrate, locks.
 *
 * While one of them is on, each pick takes its slow way (sched/worker.c, pick_otherwise) and calls here; while none is
 * nobody pays for it.
 *
 *   stalls    A line when a worker is replaced: what it ran, whether that blocks or computes, for how long already, and
 *             for one that blocks the place in the program, which the kernel tells of a thread in a system call.
 *             Another when the task comes back, with its name, how long it was, and its stack. The stuck task itself is
 *             not touched: a signal would end its system call, and from outside nobody can tell where its frames are.
 *             Ten lines a second at most.
 *   migrate   A task that was on this thread before goes on on another: it goes aside, where a thread without a permit
 *             takes it. For programs that keep the address of errno or of a thread-local variable over a call.
 *   locks     A task that leaves its thread and holds a pthread lock is reported. Who holds what is known to a library
 *             of its own that stands before libc (LD_PRELOAD=libthrum_locks.so, base/lock_watch.h).
 *
 * The other answer for locks was to define pthread_mutex_lock and its kin in this library: every lock of every program
 * would go through it, also where nobody looks, and a static library would bring them in unasked.
 */
#ifndef TH_SCHED_WATCHED_H
#define TH_SCHED_WATCHED_H

#include "base/debug.h"
#include "sched/crew.h"

/* What is wanted and can be had, when a runtime opens: of TH_DEBUG_DISPATCHES. Says on stderr what cannot. */
uint32_t th_watched_open(void);

/* The worker's own thread, at a pick, guard held: the task that runs leaves, if there is one. */
void th_watched_leaves(struct th_worker *worker);
/* And this one is to run next: true if it has been sent elsewhere. */
bool th_watched_sends_away(struct th_worker *worker, struct th_task *task);

/* The monitor's: a worker has lost its permit. */
void th_watched_stall_begins(struct th_worker *worker, enum th_lane_kind lane);
/* The worker's own thread: the task that ran then leaves, or has ended. */
void th_watched_stall_ends(struct th_worker *worker);

#endif
