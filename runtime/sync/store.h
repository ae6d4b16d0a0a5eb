/*
 * What is in a channel: items of one size in a flat piece of memory, first in first out, last in first out, or the best
 * first. Data only; whoever calls holds the channel's latch.
 *
 *   FIFO      a ring: the oldest at first_, count_ of them
 *   LIFO      a stack: the newest at count_ - 1; first_ is 0
 *   PRIORITY  a binary heap: the best at 0; first_ is 0
 *
 * count_ is read by others without the latch, as a hint.
 */
#ifndef TH_SYNC_STORE_H
#define TH_SYNC_STORE_H

#include <thrum/channel.h>

#include "base/atomic.h"

#include <string.h>

enum { TH_STORE_FIFO, TH_STORE_LIFO, TH_STORE_PRIORITY };

/* Most items are a pointer or a number: a copy of known size is two instructions. */
TH_INLINE void th_store_copy(void *to, const void *from, uint32_t bytes)
{
    if (TH_LIKELY(bytes == 8))
        memcpy(to, from, 8);
    else if (bytes == 4)
        memcpy(to, from, 4);
    else if (bytes != 0)
        memcpy(to, from, bytes);
}

TH_INLINE uint32_t th_store_count(const thrum_chan *chan)
{
    return th_atomic32_load_relaxed((const th_atomic32 *)&chan->count_);
}

TH_INLINE void th_store_set_count(thrum_chan *chan, uint32_t count)
{
    th_atomic32_store_relaxed((th_atomic32 *)&chan->count_, count);
}

TH_INLINE unsigned char *th_store_at(const thrum_chan *chan, uint32_t at)
{
    return chan->items_ + (size_t)at * chan->item_bytes_;
}

/* The other orders. */
void th_store_push_ordered(thrum_chan *chan, const void *item, uint32_t count);
void th_store_pop_ordered(thrum_chan *chan, void *item, uint32_t count);

/* Into other memory, of another capacity, in which they fit. */
void th_store_move(thrum_chan *chan, void *items, uint32_t capacity);

/* There is room. */
TH_INLINE void th_store_push(thrum_chan *chan, const void *item)
{
    uint32_t count = th_store_count(chan);
    if (TH_LIKELY(chan->order_ == TH_STORE_FIFO)) {
        uint32_t left = chan->capacity_ - chan->first_; /* to the end of the memory */
        uint32_t at = count < left ? chan->first_ + count : count - left;
        th_store_copy(th_store_at(chan, at), item, chan->item_bytes_);
    } else {
        th_store_push_ordered(chan, item, count);
    }
    th_store_set_count(chan, count + 1);
}

/* There is one. */
TH_INLINE void th_store_pop(thrum_chan *chan, void *item)
{
    uint32_t count = th_store_count(chan);
    if (TH_LIKELY(chan->order_ == TH_STORE_FIFO)) {
        th_store_copy(item, th_store_at(chan, chan->first_), chan->item_bytes_);
        chan->first_ = chan->first_ + 1 == chan->capacity_ ? 0 : chan->first_ + 1;
    } else {
        th_store_pop_ordered(chan, item, count);
    }
    th_store_set_count(chan, count - 1);
}

#endif
