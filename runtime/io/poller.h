/*
 * The poller of a runtime: made when one of its tasks first waits for a file descriptor, gone with it.
 *
 * It is asked by workers alone (sched/runtime.h, struct th_poll_source): by one that would else sleep, which waits in
 * it; by those that look for work; and now and then by the busy. It returns who became ready, the scheduler wakes them.
 */
#ifndef TH_IO_POLLER_H
#define TH_IO_POLLER_H

#include "io/backend.h"
#include "sched/runtime.h"

struct th_poller {
    struct th_poll_source source;  /* first */
    struct th_backend backend;     /* c */
    struct thrum_runtime *runtime; /* c */
    uint32_t id;                   /* c: never used again in a process */
    th_atomic32 sweeps_left;       /* a: how many more are needed, after the last wait that began */
    th_atomic64 sweep_at;          /* a: when the next is due */
};

/* Between two sweeps (io/descriptor.h). Tests, which have no second, make it short before they run anything. */
extern int64_t th_poller_sweep_ns;

/* Tasks that are to be made ready, in their order, linked through next. */
struct th_ready {
    struct th_task *first, **end;
};

/* The runtime's, made if need be. */
int th_poller_of(struct thrum_runtime *runtime, struct th_poller **poller);

/* A wait has begun: sees to it that it is swept if it lasts. */
void th_poller_want_sweeps(struct th_poller *poller);

#endif
