/*
 * What a task waits for, for whoever reports: a dump, a search for cycles of owners.
 *
 * The waiting task writes it on its fiber just before it parks and takes it away when it goes on. It is read by others
 * while the task is parked; a reader who has not made sure of that may see the last wait's, or half of each.
 */
#ifndef TH_TASK_WAITING_H
#define TH_TASK_WAITING_H

#include "fiber/fiber.h"

struct th_task;

/* A way to wait; one constant for each. */
struct th_wait_kind {
    const char *name; /* "mutex" */
    /* The task that must act before the wait can end: NULL where there is none, or not one alone. May be NULL. Asked of
     * the object, or of a copy of its first `bytes`. */
    struct th_task *(*owner)(const void *object);
    size_t bytes;   /* that the owner is read from; 0: the object is the owner, and not looked into */
    bool is_number; /* the object: a file descriptor, a signal */
};

/* The object is a point in time. */
extern const struct th_wait_kind th_wait_for_time;

struct th_waiting {
    const struct th_wait_kind *kind; /* NULL: it does not wait, or for nothing that has a name */
    const void *object;
};

/* By the task itself, or by a thread, of which nothing is written. */
void th_waiting_begin(const struct th_wait_kind *kind, const void *object);
void th_waiting_end(void);

/* For a call that waits by other calls: what th_waiting_begin says until th_waiting_unname is this. Not nested. */
void th_waiting_name(const struct th_wait_kind *kind, const void *object);
void th_waiting_unname(void);

/* The same by a task that knows its fiber: two stores. */
TH_INLINE void th_waiting_note(struct th_fiber *self, const struct th_wait_kind *kind, const void *object)
{
    th_atomicptr_store_relaxed(&self->waits_for, (void *)(uintptr_t)object);
    th_atomicptr_store_relaxed(&self->waits_as, (void *)(uintptr_t)kind);
}

/* What the task that runs on a fiber waits for. */
struct th_waiting th_waiting_of(const struct th_fiber *fiber);

#endif
