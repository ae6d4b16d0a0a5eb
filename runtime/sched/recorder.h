/*
 * The flight recorder: what a worker did last, in a ring of its own.
 *
 * Its owner writes: the worker's thread, or the monitor's for its desk. What is rare is always written: a worker goes
 * to look for work and comes back, steals, loses its permit; and of dispatches those at which it looks around anyway,
 * one in some dozens, whose clock was read already. THRUM_DEBUG=events makes each dispatch one of those (the slow way
 * of sched/worker.c), and has spawns, wakes and runs in place written too, each with a look at the clock.
 *
 * Any thread reads, also a signal handler, while the owner writes on. An event that was overwritten meanwhile is told
 * by the head, which moves after each event and is looked at again after the event was copied.
 *
 *   [FR1] release head -> acquire head: the events below are whole
 *   [FR2] release of an event's words -> acquire of them: who has copied a newer event's word sees the head before it,
 *         and so that the older one is gone
 *
 * Rejected: all events always. By count of instructions an event is a twentieth of a switch, and a tenth with a clock.
 *
 * Explored by tests/model (model_recorder); tested by tests/observe/test_trace.c.
 *
 * Key: c constant, a atomic, written by the owner.
 */
#ifndef TH_SCHED_RECORDER_H
#define TH_SCHED_RECORDER_H

#include "base/atomic.h"
#include "base/mutant.h"

enum th_flight_kind {
    TH_EVENT_PICK,  /* goes on with a task; detail: how it was woken, or TH_EVENT_FRESH */
    TH_EVENT_ASIDE, /* the same, without a permit */
    TH_EVENT_LEAVE, /* what ran before leaves; detail: enum th_event_leave; place: what it waits for */
    TH_EVENT_IDLE,  /* looks for work */
    TH_EVENT_BUSY,  /* has found some; detail: how often it slept meanwhile */
    TH_EVENT_STEAL, /* detail: from which worker */
    TH_EVENT_POLL,  /* detail: how many tasks file descriptors made ready */
    TH_EVENT_TIMER, /* detail: how many timers fired */
    TH_EVENT_TAKEN, /* the monitor took the permit of worker `detail` */
    TH_EVENT_BACK,  /* the task that it was taken for has come back */
    /* With THRUM_DEBUG=events alone: */
    TH_EVENT_SPAWN,  /* of a task with this number */
    TH_EVENT_WAKE,   /* the same */
    TH_EVENT_BEGIN,  /* a task on top of the one that waits for it */
    TH_EVENT_RETURN, /* and back to that one */
};

enum { TH_EVENT_FRESH = 0x100 };
enum th_event_leave { TH_LEAVE_ENDED, TH_LEAVE_YIELDED, TH_LEAVE_WAITS };

/* As it is read. */
struct th_flight {
    int64_t at; /* on the monotonic clock; of dispatches: as the worker last read it */
    enum th_flight_kind kind;
    uint32_t detail;
    uint32_t dispatch; /* the worker's number of it, the low bits */
    uint64_t task;     /* a number; 0: none */
    const void *place; /* a task's function, or what it waits for (struct th_wait_kind) */
};

struct th_flight_words {
    th_atomic64 at, what, task; /* a */
    th_atomicptr place;         /* a */
};

struct th_recorder {
    uint64_t capacity;              /* c: a power of two */
    th_atomic64 head;               /* a: events ever */
    struct th_flight_words words[]; /* a */
};

/* A ring, for all events or for few; NULL where there is no memory: nothing is recorded then. */
struct th_recorder *th_recorder_create(bool has_all);
void th_recorder_destroy(struct th_recorder *recorder);

/* Any thread: event `number` (from 0) as it was; false if it is gone, or not there yet. */
bool th_recorder_read(const struct th_recorder *recorder, uint64_t number, struct th_flight *event);
uint64_t th_recorder_head(const struct th_recorder *recorder);

/* The owner. Without a recorder nothing happens. */
TH_INLINE void th_recorder_write(struct th_recorder *recorder, const struct th_flight *event)
{
    if (TH_UNLIKELY(recorder == NULL))
        return;
    uint64_t head = th_atomic64_load_relaxed(&recorder->head);
    struct th_flight_words *words = &recorder->words[head & (recorder->capacity - 1)];
    uint64_t what = (uint64_t)event->dispatch << 32 | (event->detail & 0xffffff) << 8 | (uint32_t)event->kind;
    if (TH_MUTANT(record_head_first))
        th_atomic64_store_release(&recorder->head, head + 1);                   /* [FR1] */
    th_atomic64_store_release(&words->at, (uint64_t)event->at);                 /* [FR2] */
    th_atomic64_store_release(&words->what, what);                              /* [FR2] */
    th_atomic64_store_release(&words->task, event->task);                       /* [FR2] */
    th_atomicptr_store_release(&words->place, (void *)(uintptr_t)event->place); /* [FR2] */
    th_atomic64_store_release(&recorder->head, head + 1);                       /* [FR1] */
}

#endif
