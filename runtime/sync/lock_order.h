/*
 * Orders of locks: with THRUM_DEBUG=lockorder, what has been locked while something else was held is remembered, and an
 * order that contradicts what was remembered is reported, though nothing may have come to harm this time.
 *
 * Locks are told apart by their addresses. One whose memory becomes another lock's should go by its destroy function,
 * or the two are taken for one. Tables are of fixed size; when one is full that is said, and nothing new is remembered.
 *
 * Called by whoever locks and unlocks, outside of all other locks of the library. Everything is under one lock: it is
 * slow, and meant to be.
 */
#ifndef TH_SYNC_LOCK_ORDER_H
#define TH_SYNC_LOCK_ORDER_H

#include "base/debug.h"

TH_INLINE bool th_order_is_on(void)
{
    return th_debug_is_on(TH_DEBUG_LOCKORDER);
}

/* Either that, or points (sched/seeded.h): what a lock looks at once, where it would else look at both. */
TH_INLINE bool th_lock_is_watched(void)
{
    return th_debug_is_on(TH_DEBUG_LOCKORDER | TH_DEBUG_SEEDED);
}

/* The caller is going to wait for a lock if it must; has got one; has left one. */
void th_order_wants(const void *lock);
void th_order_has(const void *lock);
void th_order_left(const void *lock);

/* A lock's memory becomes something else. */
void th_order_forget(const void *lock);

#endif
