#include "sync/exchange.h"

#include "base/sys.h"
#include "task/waiting.h"

#include <errno.h>
#include <limits.h>

_Static_assert(sizeof(struct th_entries) == sizeof(((thrum_chan *)0)->receivers_), "the list is in the channel");
_Static_assert(sizeof(struct th_latch) == sizeof(((thrum_chan *)0)->latch_), "the latch is in the channel");

TH_INLINE void enter(thrum_chan *chan)
{
    th_latch_take(th_chan_latch(chan));
}

TH_INLINE void leave(thrum_chan *chan)
{
    th_latch_leave(th_chan_latch(chan));
}

/* ---- Who waits ---- */

void th_entries_add(struct th_entries *list, struct th_entry *entry)
{
    entry->next = NULL;
    entry->is_listed = true;
    if (th_entries_first(list) == NULL) {
        entry->prev = NULL;
        th_atomicptr_store_relaxed(&list->first, entry);
    } else {
        entry->prev = list->last;
        list->last->next = entry;
    }
    list->last = entry;
}

void th_entries_remove(struct th_entries *list, struct th_entry *entry)
{
    if (!entry->is_listed)
        return;
    entry->is_listed = false;
    if (entry->prev != NULL)
        entry->prev->next = entry->next;
    else
        th_atomicptr_store_relaxed(&list->first, entry->next);
    if (entry->next != NULL)
        entry->next->prev = entry->prev;
    else
        list->last = entry->prev;
}

int th_entry_finished(struct th_entry *entry)
{
    uint32_t turn = 0;
    /* In the waiter's own memory: the channel may be gone by now, given up by whoever moved the item. */
    while (th_atomic32_load_acquire(&entry->is_done) == 0 && !TH_MUTANT(channel_does_not_wait_for_the_item)) /* [N1] */
        th_latch_pause(&entry->is_done, 0, turn++);
    return entry->result;
}

/* ---- One item; latch held ---- */

/* Nobody waits to receive from a closed channel. */
TH_INLINE int send(thrum_chan *chan, const void *item)
{
    struct th_entry *receiver = th_entries_win_first(th_chan_entries(chan, TH_RECEIVING));
    if (receiver != NULL) {
        th_store_copy(receiver->item, item, chan->item_bytes_);
        th_entry_finish(receiver, 0);
        return 0;
    }
    if (TH_UNLIKELY(th_chan_is_closed(chan)))
        return -EPIPE;
    if (th_store_count(chan) == chan->capacity_)
        return -EAGAIN;
    th_store_push(chan, item);
    return 0;
}

TH_INLINE int receive(thrum_chan *chan, void *item)
{
    bool is_stored = th_store_count(chan) != 0;
    if (is_stored)
        th_store_pop(chan, item);
    struct th_entry *sender = th_entries_win_first(th_chan_entries(chan, TH_SENDING));
    if (sender == NULL)
        return is_stored ? 0 : th_chan_is_closed(chan) ? -EPIPE : -EAGAIN;
    if (is_stored)
        th_store_push(chan, sender->item);
    else
        th_store_copy(item, sender->item, chan->item_bytes_);
    th_entry_finish(sender, 0);
    return 0;
}

bool th_chan_can_transfer(const thrum_chan *chan, enum th_side side, const struct th_waiter *self)
{
    uint32_t count = th_store_count(chan);
    if (side == TH_SENDING ? count < chan->capacity_ : count != 0)
        return true;
    const struct th_entry *entry =
        th_entries_first(th_chan_entries(chan, side == TH_SENDING ? TH_RECEIVING : TH_SENDING));
    while (entry != NULL && entry->waiter == self && !TH_MUTANT(channel_meets_itself))
        entry = entry->next;
    return entry != NULL || th_chan_is_closed(chan);
}

int th_chan_transfer(thrum_chan *chan, enum th_side side, void *item)
{
    return side == TH_SENDING ? send(chan, item) : receive(chan, item);
}

/* ---- Waiting ---- */

static TH_NOINLINE int give_up(thrum_chan *chan, enum th_side side, struct th_entry *entry, int code)
{
    enter(chan);
    th_entries_remove(th_chan_entries(chan, side), entry);
    leave(chan);
    return code;
}

static const struct th_wait_kind wait_kinds[] = {
    [TH_RECEIVING] = {.name = "channel to receive from"},
    [TH_SENDING] = {.name = "channel to send to"},
};

int th_chan_wait(thrum_chan *chan, enum th_side side, void *item)
{
    struct th_waiter waiter;
    struct th_entry entry;
    int code = th_await_begin(&waiter);
    if (TH_UNLIKELY(code < 0)) {
        leave(chan);
        return code;
    }
    entry.waiter = &waiter;
    entry.item = item;
    entry.reason = TH_WAKE_PLAIN;
    th_atomic32_store_relaxed(&entry.is_done, 0);
    th_entries_add(th_chan_entries(chan, side), &entry);
    leave(chan);
    if (TH_LIKELY(waiter.task != NULL))
        th_waiting_note(waiter.task->fiber, &wait_kinds[side], chan);
    code = th_await(&waiter, TH_SYS_FOREVER);
    if (TH_LIKELY(waiter.task != NULL))
        th_waiting_note(waiter.task->fiber, NULL, NULL);
    if (TH_UNLIKELY(code < 0))
        return give_up(chan, side, &entry, code);
    return th_entry_finished(&entry);
}

/* ---- Sending and receiving ---- */

/* Latch held. What is nearly always the case ends in a tail call, so that no registers are saved for the rest. */
static int send_or_wait(thrum_chan *chan, void *item)
{
    int code = send(chan, item);
    if (code == -EAGAIN)
        return th_chan_wait(chan, TH_SENDING, item);
    leave(chan);
    return code;
}

static TH_NOINLINE int receive_some(thrum_chan *chan, void *item)
{
    int code = receive(chan, item);
    if (code == -EAGAIN)
        return th_chan_wait(chan, TH_RECEIVING, item);
    leave(chan);
    return code;
}

static int receive_or_wait(thrum_chan *chan, void *item)
{
    bool is_empty = th_store_count(chan) == 0 && !th_chan_somebody_waits(chan, TH_SENDING);
    if (is_empty && !th_chan_is_closed(chan))
        return th_chan_wait(chan, TH_RECEIVING, item);
    return receive_some(chan, item);
}

static TH_NOINLINE int transfer_later(thrum_chan *chan, enum th_side side, void *item)
{
    th_latch_wait(th_chan_latch(chan));
    return side == TH_SENDING ? send_or_wait(chan, item) : receive_or_wait(chan, item);
}

static TH_NOINLINE int transfer_between_points(thrum_chan *chan, enum th_side side, void *item)
{
    th_point();
    return th_point_after(transfer_later(chan, side, item));
}

int thrum_chan_send(thrum_chan *chan, const void *item)
{
    void *from = (void *)(uintptr_t)item;
    if (TH_UNLIKELY(th_seeded_is_on()))
        return transfer_between_points(chan, TH_SENDING, from);
    if (TH_UNLIKELY(!th_latch_try(th_chan_latch(chan))))
        return transfer_later(chan, TH_SENDING, from);
    return send_or_wait(chan, from);
}

int thrum_chan_receive(thrum_chan *chan, void *item)
{
    if (TH_UNLIKELY(th_seeded_is_on()))
        return transfer_between_points(chan, TH_RECEIVING, item);
    if (TH_UNLIKELY(!th_latch_try(th_chan_latch(chan))))
        return transfer_later(chan, TH_RECEIVING, item);
    return receive_or_wait(chan, item);
}

int thrum_chan_try_send(thrum_chan *chan, const void *item)
{
    enter(chan);
    int code = send(chan, item);
    leave(chan);
    return th_point_after(code);
}

int thrum_chan_try_receive(thrum_chan *chan, void *item)
{
    enter(chan);
    int code = receive(chan, item);
    leave(chan);
    return th_point_after(code);
}

/* Latch held: as many as can be without waiting, or why not one. */
static int transfer_more(thrum_chan *chan, enum th_side side, unsigned char *items, int count)
{
    int moved = 0, code = 0;
    while (moved < count && (code = th_chan_transfer(chan, side, items)) == 0) {
        items += chan->item_bytes_;
        moved++;
    }
    return moved > 0 ? moved : code;
}

static int transfer_many(thrum_chan *chan, enum th_side side, void *items, size_t count)
{
    int most = count < INT_MAX ? (int)count : INT_MAX;
    if (most == 0)
        return 0;
    enter(chan);
    int moved = transfer_more(chan, side, items, most);
    if (moved != -EAGAIN) {
        leave(chan);
        return moved;
    }
    int code = th_chan_wait(chan, side, items);
    if (code < 0)
        return code;
    enter(chan);
    moved = transfer_more(chan, side, (unsigned char *)items + chan->item_bytes_, most - 1);
    leave(chan);
    return moved > 0 ? moved + 1 : 1;
}

int thrum_chan_send_many(thrum_chan *chan, const void *items, size_t count)
{
    th_point();
    return transfer_many(chan, TH_SENDING, (void *)(uintptr_t)items, count);
}

int thrum_chan_receive_many(thrum_chan *chan, void *items, size_t count)
{
    th_point();
    return transfer_many(chan, TH_RECEIVING, items, count);
}

/* ---- The channel ---- */

void thrum_chan_init(thrum_chan *chan, void *items, uint32_t item_bytes, uint32_t capacity)
{
    *chan = (thrum_chan)THRUM_CHAN_INIT(items, item_bytes, capacity);
}

void thrum_chan_fini(thrum_chan *chan)
{
    enter(chan);
    bool is_waited_for = th_chan_somebody_waits(chan, TH_RECEIVING) || th_chan_somebody_waits(chan, TH_SENDING);
    leave(chan);
    THRUM_CHECK(!is_waited_for, "a channel is given up while somebody waits at it: close it first, and join them");
}

int thrum_chan_create(thrum_chan **chan, size_t item_bytes, size_t capacity)
{
    if (item_bytes > UINT32_MAX || capacity > UINT32_MAX || (item_bytes != 0 && capacity > UINT32_MAX / item_bytes))
        return -EINVAL;
    thrum_chan *made = th_sys_alloc_aligned(TH_NO_SHARING, sizeof *made + item_bytes * capacity);
    if (made == NULL)
        return -ENOMEM;
    thrum_chan_init(made, made + 1, (uint32_t)item_bytes, (uint32_t)capacity);
    *chan = made;
    return 0;
}

void thrum_chan_destroy(thrum_chan *chan)
{
    if (chan == NULL)
        return;
    thrum_chan_fini(chan);
    th_sys_free(chan);
}

void thrum_chan_close(thrum_chan *chan)
{
    struct th_entry *entry;
    enter(chan);
    th_atomic32_store_relaxed((th_atomic32 *)&chan->is_closed_, 1);
    while ((entry = th_entries_win_first(th_chan_entries(chan, TH_RECEIVING))) != NULL)
        th_entry_finish(entry, -EPIPE);
    while ((entry = th_entries_win_first(th_chan_entries(chan, TH_SENDING))) != NULL)
        th_entry_finish(entry, -EPIPE);
    leave(chan);
    th_point();
}

bool thrum_chan_is_closed(const thrum_chan *chan)
{
    return th_chan_is_closed(chan);
}

size_t thrum_chan_length(const thrum_chan *chan)
{
    return th_store_count(chan);
}

size_t thrum_chan_capacity(const thrum_chan *chan)
{
    return chan->capacity_;
}
