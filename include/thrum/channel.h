/*
 * Channels: items by value from whoever sends to whoever receives, any number of either, tasks and OS threads alike.
 *
 *     thrum_chan *jobs;
 *     thrum_chan_create(&jobs, sizeof(struct job), 16);
 *     thrum_chan_send(jobs, &job);            ... waits while 16 items are under way
 *     thrum_chan_receive(jobs, &job);         ... waits while there is none
 *     thrum_chan_close(jobs);                 ... receivers get what is left, then -EPIPE
 *
 * Capacity 0 makes it a rendezvous: a send ends when a receiver has its item. Items arrive in the order they were sent;
 * those who wait are served in the order they came. An item goes straight to a receiver that waits for one.
 *
 * Calls that may switch block the thread where they are made outside of tasks. In a task they return -ECANCELED or
 * -ETIMEDOUT where they would have to wait, or wait, in a scope that has ended.
 */
#ifndef THRUM_CHANNEL_H
#define THRUM_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include <thrum/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct th_entry;

/* The fields are the library's. */
typedef struct thrum_chan {
    uint32_t latch_;
    uint32_t is_closed_;
    uint32_t count_;
    uint32_t capacity_;
    struct th_entry *receivers_[2];
    struct th_entry *senders_[2];
    unsigned char *items_;
    int (*compare_)(const void *a, const void *b);
    uint32_t first_;
    uint32_t item_bytes_;
    uint32_t order_;
    uint32_t spare_;
} thrum_chan;

/*
 * A channel in memory of one's own, for `capacity` items of `item_bytes` each: items points to that many bytes (NULL
 * where the capacity is 0). As a constant, for static channels; thrum_chan_init does the same at run time.
 */
#define THRUM_CHAN_INIT(items, item_bytes, capacity)                                                      \
    {                                                                                                     \
        0, 0, 0, (capacity), {0, 0}, {0, 0}, (unsigned char *)(items), 0, 0, (uint32_t)(item_bytes), 0, 0 \
    }

/* Never switches. */
THRUM_API void thrum_chan_init(thrum_chan *chan, void *items, uint32_t item_bytes, uint32_t capacity);

/* Gives a channel up that nobody waits at; what is in it is dropped. It waits until whoever was inside has left. Never
 * switches. */
THRUM_API void thrum_chan_fini(thrum_chan *chan);

/* The same in the library's memory. 0, -ENOMEM, -EINVAL (more than 4 GiB). Never switches. */
THRUM_API THRUM_CHECKED int thrum_chan_create(thrum_chan **chan, size_t item_bytes, size_t capacity);
THRUM_API void thrum_chan_destroy(thrum_chan *chan); /* NULL is fine */

/*
 * Sends a copy of *item; waits while the channel is full. 0; -EPIPE if it is closed, also while waiting. May switch,
 * may be cancelled. Unless the result is 0 the item was not taken.
 */
THRUM_API THRUM_CHECKED int thrum_chan_send(thrum_chan *chan, const void *item);

/* Receives the oldest item; waits while there is none. 0; -EPIPE if the channel is closed and empty. May switch. May be
 * cancelled: no item is lost by that. */
THRUM_API THRUM_CHECKED int thrum_chan_receive(thrum_chan *chan, void *item);

/* The same without waiting: -EAGAIN where they would have to. Never switch. */
THRUM_API THRUM_CHECKED int thrum_chan_try_send(thrum_chan *chan, const void *item);
THRUM_API THRUM_CHECKED int thrum_chan_try_receive(thrum_chan *chan, void *item);

/*
 * Sends, or receives, as many of `count` items as can be without waiting, and waits only for the first: how many, at
 * least 1 (0 where count is 0); or as thrum_chan_send, thrum_chan_receive. May switch, may be cancelled.
 */
THRUM_API THRUM_CHECKED int thrum_chan_send_many(thrum_chan *chan, const void *items, size_t count);
THRUM_API THRUM_CHECKED int thrum_chan_receive_many(thrum_chan *chan, void *items, size_t count);

/* Nobody sends any more: receivers get what is left, then -EPIPE; whoever waits to send gets -EPIPE at once. Closing
 * again does nothing. Never switches. */
THRUM_API void thrum_chan_close(thrum_chan *chan);
THRUM_API bool thrum_chan_is_closed(const thrum_chan *chan);

/* How many items are in it, and how many fit. Others may change the first at any time. Never switch. */
THRUM_API size_t thrum_chan_length(const thrum_chan *chan);
THRUM_API size_t thrum_chan_capacity(const thrum_chan *chan);

/*
 * THRUM_CHANNEL_OF(numbers, int) declares a type `numbers` of channels of int, and numbers_create, numbers_destroy,
 * numbers_send(chan, 5), numbers_receive(chan, &number), numbers_try_send, numbers_try_receive, numbers_close: as those
 * above, but that items have their type. `chan.of` is the channel itself, for select and the rest.
 */
#define THRUM_CHANNEL_OF(name, type)                                          \
    typedef struct name {                                                     \
        thrum_chan *of;                                                       \
    } name;                                                                   \
    THRUM_TYPED_ THRUM_CHECKED int name##_create(name *chan, size_t capacity) \
    {                                                                         \
        return thrum_chan_create(&chan->of, sizeof(type), capacity);          \
    }                                                                         \
    THRUM_TYPED_ void name##_destroy(name chan)                               \
    {                                                                         \
        thrum_chan_destroy(chan.of);                                          \
    }                                                                         \
    THRUM_TYPED_ THRUM_CHECKED int name##_send(name chan, type item)          \
    {                                                                         \
        return thrum_chan_send(chan.of, &item);                               \
    }                                                                         \
    THRUM_TYPED_ THRUM_CHECKED int name##_receive(name chan, type *item)      \
    {                                                                         \
        return thrum_chan_receive(chan.of, item);                             \
    }                                                                         \
    THRUM_TYPED_ THRUM_CHECKED int name##_try_send(name chan, type item)      \
    {                                                                         \
        return thrum_chan_try_send(chan.of, &item);                           \
    }                                                                         \
    THRUM_TYPED_ THRUM_CHECKED int name##_try_receive(name chan, type *item)  \
    {                                                                         \
        return thrum_chan_try_receive(chan.of, item);                         \
    }                                                                         \
    THRUM_TYPED_ void name##_close(name chan)                                 \
    {                                                                         \
        thrum_chan_close(chan.of);                                            \
    }                                                                         \
    typedef struct name name

#define THRUM_TYPED_ __attribute__((unused)) static inline

#ifdef __cplusplus
}
#endif
#endif
