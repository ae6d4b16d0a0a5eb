/*
 * Queues: a channel whose store has an order, may grow, and counts what is not done.
 *
 * `open` counts an item from the moment that somebody sets out to put it, and no longer if that fails: an item may be
 * got, and done, before the one who waited to put it runs again.
 *
 * Explored by tests/model (model_queue).
 *
 * Key: c constant, q the channel's latch.
 */
#include <thrum/queues.h>

#include "base/sys.h"
#include "sync/exchange.h"
#include "task/waiting.h"

#include <errno.h>

struct thrum_queue {
    thrum_chan chan;
    bool may_grow;             /* c: its items are in memory of their own */
    uint64_t open;             /* q */
    struct th_entries joiners; /* q: who waits until nothing is open */
};

enum { GROWS_FROM = TH_SHRUNK(16, 1) };

static void enter(thrum_queue *queue)
{
    th_latch_take(th_chan_latch(&queue->chan));
}

static void leave(thrum_queue *queue)
{
    th_latch_leave(th_chan_latch(&queue->chan));
}

/* ---- The queue ---- */

int thrum_queue_create(thrum_queue **queue, size_t item_bytes, const thrum_queue_options *options)
{
    static const thrum_queue_options defaults;
    if (options == NULL)
        options = &defaults;
    size_t capacity = options->capacity;
    bool is_too_large = item_bytes > UINT32_MAX || (item_bytes != 0 && capacity > UINT32_MAX / item_bytes);
    if (is_too_large || capacity > UINT32_MAX || (options->order == THRUM_PRIORITY && options->compare == NULL))
        return -EINVAL;
    thrum_queue *made = th_sys_alloc_aligned(TH_NO_SHARING, sizeof *made + item_bytes * capacity);
    if (made == NULL)
        return -ENOMEM;
    *made = (thrum_queue){.may_grow = capacity == 0};
    thrum_chan_init(&made->chan, made + 1, (uint32_t)item_bytes, (uint32_t)capacity);
    made->chan.order_ = (uint32_t)options->order;
    made->chan.compare_ = options->compare;
    if (made->may_grow)
        made->chan.items_ = NULL;
    *queue = made;
    return 0;
}

void thrum_queue_destroy(thrum_queue *queue)
{
    if (queue == NULL)
        return;
    thrum_chan_fini(&queue->chan);
    THRUM_CHECK(th_entries_first(&queue->joiners) == NULL,
                "a queue is given up while somebody waits for it to be done: join them first");
    if (queue->may_grow)
        th_sys_free(queue->chan.items_);
    th_sys_free(queue);
}

/* ---- Growing ---- */

/* Inside, left and entered again: room for one more. The memory is got outside, where others may be quicker. */
static int grow(thrum_queue *queue)
{
    thrum_chan *chan = &queue->chan;
    uint32_t before = chan->capacity_, after = before != 0 ? before * 2 : GROWS_FROM;
    leave(queue);
    void *dropped = NULL;
    bool is_too_large = after < before || (uint64_t)after * chan->item_bytes_ > UINT32_MAX;
    void *items = is_too_large ? NULL : th_sys_alloc((size_t)after * chan->item_bytes_ + 1);
    enter(queue);
    if (items == NULL)
        return -ENOMEM;
    if (chan->capacity_ == before && !TH_MUTANT(queue_grows_twice)) {
        dropped = chan->items_;
        th_store_move(chan, items, after);
    } else {
        dropped = items;
    }
    leave(queue);
    th_sys_free(dropped);
    enter(queue);
    return 0;
}

static bool is_to_grow(const thrum_queue *queue)
{
    return queue->may_grow && th_store_count(&queue->chan) == queue->chan.capacity_;
}

/* ---- What is not done ---- */

static const struct th_wait_kind join_wait = {.name = "queue to be done"};

/* Inside: one less. */
static void count_done(thrum_queue *queue)
{
    struct th_entry *joiner;
    if (--queue->open != 0)
        return;
    while ((joiner = th_entries_win_first(&queue->joiners)) != NULL)
        th_entry_finish(joiner, 0);
}

int thrum_queue_done(thrum_queue *queue)
{
    enter(queue);
    bool has_one = queue->open != 0;
    if (has_one)
        count_done(queue);
    leave(queue);
    return has_one ? 0 : -EINVAL;
}

int thrum_queue_join(thrum_queue *queue)
{
    struct th_waiter waiter;
    struct th_entry entry = {.waiter = &waiter, .reason = TH_WAKE_PLAIN};
    int code = 0;
    enter(queue);
    bool is_done = queue->open == 0;
    if (!is_done && (code = th_await_begin(&waiter)) == 0)
        th_entries_add(&queue->joiners, &entry);
    leave(queue);
    if (is_done || code < 0)
        return code;
    th_waiting_begin(&join_wait, queue);
    code = th_await(&waiter, TH_SYS_FOREVER);
    th_waiting_end();
    if (code >= 0)
        return th_entry_finished(&entry);
    enter(queue);
    th_entries_remove(&queue->joiners, &entry);
    leave(queue);
    return code;
}

/* ---- Putting and getting ---- */

/* Inside; leaves. */
static int put(thrum_queue *queue, void *item, bool may_wait)
{
    int code = 0;
    queue->open++;
    while (is_to_grow(queue) && code == 0)
        code = grow(queue);
    if (code == 0)
        code = th_chan_transfer(&queue->chan, TH_SENDING, item);
    if (code == -EAGAIN && may_wait) {
        code = th_chan_wait(&queue->chan, TH_SENDING, item);
        if (code == 0)
            return 0;
        enter(queue);
    }
    if (code != 0)
        count_done(queue);
    leave(queue);
    return code;
}

int thrum_queue_put(thrum_queue *queue, const void *item)
{
    enter(queue);
    return th_point_after(put(queue, (void *)(uintptr_t)item, true));
}

int thrum_queue_try_put(thrum_queue *queue, const void *item)
{
    enter(queue);
    return th_point_after(put(queue, (void *)(uintptr_t)item, false));
}

int thrum_queue_get(thrum_queue *queue, void *item)
{
    return thrum_chan_receive(&queue->chan, item);
}

int thrum_queue_try_get(thrum_queue *queue, void *item)
{
    return thrum_chan_try_receive(&queue->chan, item);
}

void thrum_queue_close(thrum_queue *queue)
{
    thrum_chan_close(&queue->chan);
}

size_t thrum_queue_length(const thrum_queue *queue)
{
    return thrum_chan_length(&queue->chan);
}

thrum_chan *thrum_queue_outlet(thrum_queue *queue)
{
    return &queue->chan;
}
