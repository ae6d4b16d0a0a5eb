#include "sync/store.h"

static void move_within(thrum_chan *chan, uint32_t to, uint32_t from)
{
    th_store_copy(th_store_at(chan, to), th_store_at(chan, from), chan->item_bytes_);
}

/* The heap moves a hole to where the item belongs: each level is one copy, and there is no item in between. */
static void heap_push(thrum_chan *chan, const void *item, uint32_t count)
{
    uint32_t hole = count;
    while (hole > 0) {
        uint32_t parent = (hole - 1) / 2;
        if (chan->compare_(item, th_store_at(chan, parent)) >= 0)
            break;
        move_within(chan, hole, parent);
        hole = parent;
    }
    th_store_copy(th_store_at(chan, hole), item, chan->item_bytes_);
}

static void heap_pop(thrum_chan *chan, void *item, uint32_t count)
{
    uint32_t last = count - 1, hole = 0, child;
    th_store_copy(item, th_store_at(chan, 0), chan->item_bytes_);
    while ((child = 2 * hole + 1) < last) {
        if (child + 1 < last && chan->compare_(th_store_at(chan, child + 1), th_store_at(chan, child)) < 0)
            child++;
        if (chan->compare_(th_store_at(chan, last), th_store_at(chan, child)) <= 0)
            break;
        move_within(chan, hole, child);
        hole = child;
    }
    if (hole != last)
        move_within(chan, hole, last);
}

void th_store_push_ordered(thrum_chan *chan, const void *item, uint32_t count)
{
    if (chan->order_ == TH_STORE_PRIORITY)
        heap_push(chan, item, count);
    else
        th_store_copy(th_store_at(chan, count), item, chan->item_bytes_);
}

void th_store_pop_ordered(thrum_chan *chan, void *item, uint32_t count)
{
    if (chan->order_ == TH_STORE_PRIORITY)
        heap_pop(chan, item, count);
    else
        th_store_copy(item, th_store_at(chan, count - 1), chan->item_bytes_);
}

void th_store_move(thrum_chan *chan, void *items, uint32_t capacity)
{
    /* A ring comes straight: first what lies up to the end of the memory. The other orders begin at 0. */
    uint32_t count = th_store_count(chan), left = chan->capacity_ - chan->first_;
    size_t front = (size_t)(count < left ? count : left) * chan->item_bytes_;
    size_t all = (size_t)count * chan->item_bytes_;
    if (front != 0)
        memcpy(items, th_store_at(chan, chan->first_), front);
    if (all != front)
        memcpy((unsigned char *)items + front, chan->items_, all - front);
    chan->items_ = items;
    chan->capacity_ = capacity;
    chan->first_ = 0;
}
