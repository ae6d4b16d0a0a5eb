/*
 * Queues: work that some put and others get, first in first out, last in first out, or the best first; and a wait until
 * all of it is done.
 *
 *     thrum_queue *queue;
 *     thrum_queue_create(&queue, sizeof(struct job), &(thrum_queue_options){.capacity = 100});
 *     thrum_queue_put(queue, &job);                      ... waits while 100 are in it
 *     thrum_queue_get(queue, &job);                      ... waits while there is none
 *     thrum_queue_done(queue);                           ... for each job that was got, when it is done
 *     thrum_queue_join(queue);                           ... until all that was put is done
 *
 * Tasks and OS threads alike may do any of it. A channel is the same without orders and without the count of what is
 * not done yet.
 */
#ifndef THRUM_QUEUES_H
#define THRUM_QUEUES_H

#include <thrum/channel.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct thrum_queue thrum_queue;

enum thrum_order {
    THRUM_FIFO,
    THRUM_LIFO,
    THRUM_PRIORITY, /* the one that `compare` puts first; equal ones in any order */
};

/* Zero means the default. */
typedef struct thrum_queue_options {
    size_t capacity; /* 0: as much as there is memory for, below 4 GiB of items: a put does not wait */
    enum thrum_order order;
    /* For THRUM_PRIORITY: below 0 if a comes before b. Called with the queue locked: it must do nothing else. */
    int (*compare)(const void *a, const void *b);
} thrum_queue_options;

/* 0, -ENOMEM, -EINVAL (too large; no compare). options may be NULL. Never switches. */
THRUM_API THRUM_CHECKED int thrum_queue_create(thrum_queue **queue, size_t item_bytes,
                                               const thrum_queue_options *options);

/* Gives a queue up that nobody waits at; what is in it is dropped. NULL is fine. Never switches. */
THRUM_API void thrum_queue_destroy(thrum_queue *queue);

/* Puts a copy of *item in; waits while the queue is full. 0; -EPIPE if it is closed, also while waiting; -ENOMEM.
 * Unless the result is 0 the item was not taken. May switch, may be cancelled. */
THRUM_API THRUM_CHECKED int thrum_queue_put(thrum_queue *queue, const void *item);

/* Gets the item whose turn it is; waits while there is none. 0; -EPIPE if the queue is closed and empty. May switch.
 * May be cancelled: no item is lost by that. */
THRUM_API THRUM_CHECKED int thrum_queue_get(thrum_queue *queue, void *item);

/* The same without waiting: -EAGAIN where they would have to. Never switch. */
THRUM_API THRUM_CHECKED int thrum_queue_try_put(thrum_queue *queue, const void *item);
THRUM_API THRUM_CHECKED int thrum_queue_try_get(thrum_queue *queue, void *item);

/* An item that was got is done. 0; -EINVAL if none is open. Never switches. */
THRUM_API int thrum_queue_done(thrum_queue *queue);

/* Waits until every item that was put, or is being put, is done. 0. May switch, may be cancelled. */
THRUM_API int thrum_queue_join(thrum_queue *queue);

/* Nothing is put any more: who gets receives what is left, then -EPIPE; who waits to put gets -EPIPE at once. Closing
 * again does nothing. Never switches. */
THRUM_API void thrum_queue_close(thrum_queue *queue);

/* How many items are in it. Others may change that at any time. Never switches. */
THRUM_API size_t thrum_queue_length(const thrum_queue *queue);

/* What gets from the queue, for a select: THRUM_RECEIVE(thrum_queue_outlet(queue), &item). Do not send there. Never
 * switches. */
THRUM_API thrum_chan *thrum_queue_outlet(thrum_queue *queue);

#ifdef __cplusplus
}
#endif
#endif
