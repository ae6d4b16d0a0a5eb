/*
 * The inside of channels, for those who stand on them: select, queues.
 *
 * Whoever waits at a channel hangs an entry into one of its two lists. All of a channel is under its latch, which is
 * held for as long as it takes to move an item, and never over a switch.
 *
 *   receivers wait  =>  there is no item          senders wait  =>  there is no room
 *   items sent = received + in the store + dropped with it
 *
 * An item goes from a sender's memory to a receiver's in three steps, under the latch:
 *   1. the entry leaves the list, and its waiter is won (task/await.h). Where that fails something else was quicker
 *      (a cancel, a deadline, another case of a select) and the next one is tried: nothing has moved yet.
 *   2. the item moves, the result is written.
 *   3. `is_done`. The waiter runs from step 1 on, perhaps at once on another worker, and waits for that, a word in its
 *      own memory: not for the latch, since the channel may be given up by whoever has just moved the item.
 * So an item is taken from its sender if and only if a receiver, or the store, has it; and who gave up waiting, which
 * he knows from th_await, has lost none.
 *
 *   [N1] release is_done -> acquire is_done: the waiter sees the item and the result
 *
 * Note [Peeking]. Whether a channel is closed, how many items are in it and whether somebody waits may be read without
 * the latch: a hint. Who happened before the reader is seen, so a hint is never older than what the reader can know.
 *
 * Rejected: moving the item before the waiter is won (of two cases of a select with one destination the loser would
 * write over the winner's item); a lock-free ring (the hand-over to waiting receivers needs the lists anyway, and the
 * latch costs one read-modify-write, as the ring would).
 *
 * Explored by tests/model (model_channel).
 *
 * Key: c constant, q the channel's latch, a atomic (written under the latch).
 */
#ifndef TH_SYNC_EXCHANGE_H
#define TH_SYNC_EXCHANGE_H

#include <thrum/channel.h>

#include "base/latch.h"
#include "sync/store.h"
#include "task/await.h"

struct th_entry {
    struct th_entry *prev, *next; /* q */
    struct th_waiter *waiter;     /* c */
    void *item;                   /* c: where it goes, or where it is */
    uint32_t reason;              /* c: what the waiter is woken with */
    int32_t result;               /* q until is_done */
    th_atomic32 is_done;          /* a */
    bool is_listed;               /* q */
};

struct th_entries {
    th_atomicptr first;
    struct th_entry *last;
};

enum th_side { TH_RECEIVING, TH_SENDING };

TH_INLINE struct th_latch *th_chan_latch(thrum_chan *chan)
{
    return (struct th_latch *)(void *)&chan->latch_;
}

TH_INLINE struct th_entries *th_chan_entries(const thrum_chan *chan, enum th_side side)
{
    return (struct th_entries *)(uintptr_t)(side == TH_RECEIVING ? chan->receivers_ : chan->senders_);
}

/* ---- Lists of entries; latch held ---- */

TH_INLINE struct th_entry *th_entries_first(const struct th_entries *list)
{
    return th_atomicptr_load_relaxed(&list->first);
}

void th_entries_add(struct th_entries *list, struct th_entry *entry);
/* Of an entry that is not in it any more it does nothing. */
void th_entries_remove(struct th_entries *list, struct th_entry *entry);

/* The entry that has been in the list for longest leaves it. */
TH_INLINE void th_entries_pop(struct th_entries *list, struct th_entry *entry)
{
    entry->is_listed = false;
    if (entry->next != NULL)
        entry->next->prev = NULL;
    th_atomicptr_store_relaxed(&list->first, entry->next);
}

/* A task's wait is won in place: a call less on the way of each item that somebody waits for. */
TH_INLINE bool th_entry_win(struct th_entry *entry)
{
    struct th_waiter *waiter = entry->waiter;
    bool is_won = TH_LIKELY(waiter->task != NULL) ? th_unpark(waiter->task, waiter->epoch, entry->reason)
                                                  : th_await_wake(waiter, entry->reason);
    return is_won || TH_MUTANT(channel_ignores_the_loss);
}

/* Takes entries out, oldest first, until the waiter of one is won; NULL if there is none. */
TH_INLINE struct th_entry *th_entries_win_first(struct th_entries *list)
{
    struct th_entry *entry;
    while ((entry = th_entries_first(list)) != NULL) {
        th_entries_pop(list, entry);
        if (TH_LIKELY(th_entry_win(entry)))
            return entry;
    }
    return NULL;
}

/* Lets the waiter that was won go on. */
TH_INLINE void th_entry_finish(struct th_entry *entry, int result)
{
    entry->result = result;
    th_atomic32_store_release(&entry->is_done, 1); /* [N1] */
}

/* The waiter's side, latch not held: its result, once that is there. */
int th_entry_finished(struct th_entry *entry);

/* ---- Channels ---- */

/* See Note [Peeking]. */
TH_INLINE bool th_chan_is_closed(const thrum_chan *chan)
{
    return th_atomic32_load_relaxed((const th_atomic32 *)&chan->is_closed_) != 0;
}

TH_INLINE bool th_chan_somebody_waits(const thrum_chan *chan, enum th_side side)
{
    return th_atomicptr_load_relaxed(&th_chan_entries(chan, side)->first) != NULL;
}

/* The same as a hint, without the latch: see Note [Peeking]. */
TH_INLINE bool th_chan_may_transfer(const thrum_chan *chan, enum th_side side)
{
    uint32_t count = th_store_count(chan);
    bool has_stored = side == TH_SENDING ? count < chan->capacity_ : count != 0;
    return has_stored || th_chan_somebody_waits(chan, side == TH_SENDING ? TH_RECEIVING : TH_SENDING) ||
           th_chan_is_closed(chan);
}

/* Latch held. Sends or receives one item if that can be done without waiting: 0, -EPIPE, or -EAGAIN. */
int th_chan_transfer(thrum_chan *chan, enum th_side side, void *item);

/* Latch held: false if a transfer would say -EAGAIN, but for entries of the waiter `self`, which do not count. True is
 * no promise: those who wait there may have been won. */
bool th_chan_can_transfer(const thrum_chan *chan, enum th_side side, const struct th_waiter *self);

/* Latch held: sends or receives one item, waiting for it; leaves the latch. */
int th_chan_wait(thrum_chan *chan, enum th_side side, void *item);

#endif
