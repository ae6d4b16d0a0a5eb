/*
 * A census: every task of a runtime, found and described without stopping anybody and without the scheduler's locks.
 *
 * Records of tasks never move and stay records until their runtime ends (sched/record.h), so all of them can be walked.
 * A record says by its number whether it is anybody's. What belongs to others is copied by th_sys_peek, which never
 * faults, and then judged; a stack counts only if the task was parked in the same wait before and after it was walked
 * (the wait word's epoch), so its frames were all there at one moment. What moved meanwhile is said to be moving.
 *
 * The caller holds the registry (sched/registry.h). Any thread, also a signal handler; the memory is mapped.
 *
 * Rejected: a list of all tasks (two locked instructions a spawn); stopping the workers by signals (it interrupts the
 * program's system calls, and says nothing when one does not come).
 *
 * Tested by tests/observe/test_dump.c.
 */
#ifndef TH_OBSERVE_CENSUS_H
#define TH_OBSERVE_CENSUS_H

#include "observe/unwind.h"
#include "sched/runtime.h"
#include "task/waiting.h"

enum { TH_CENSUS_FRAMES = 32 };

enum th_task_state {
    TH_TASK_FRESH,   /* has not begun */
    TH_TASK_RUNNING, /* on a thread */
    TH_TASK_READY,   /* waits for a worker */
    TH_TASK_PARKED,  /* waits for something */
    TH_TASK_BENEATH, /* runs another one in place, on top of its own stack */
    TH_TASK_MOVING,  /* was on its way from one of these to another */
    TH_TASK_OVER,    /* has ended; somebody has its handle */
    TH_TASK_STATES
};

enum { TH_NO_STACK = 0xffffffffu };

/* What was seen of a task. */
struct th_sighting {
    uint64_t id;
    const struct th_task *record;
    th_task_fn fn;
    const char *name;
    const struct thrum_group *group;
    struct th_waiting waiting;
    const struct th_task *owner; /* who has what it waits for, or runs on top of it; NULL: nobody knows */
    uint64_t owner_id;
    int64_t parked_at;
    enum th_task_state state;
    uint32_t worker;     /* where it runs, or ran last; of no meaning while fresh */
    uint32_t stack_used; /* bytes, while it does not run */
    uint32_t stack;      /* among the census' stacks, or TH_NO_STACK */
    uint32_t next;       /* the next sighting with the same stack, or of those without one */
};

/* Calls that are equal in all their places. */
struct th_calls {
    uintptr_t places[TH_CENSUS_FRAMES];
    uint32_t count; /* of places */
    uint32_t tasks;
    uint32_t first;     /* sighting */
    uint32_t same_hash; /* the next one in its place of the table, or TH_NO_STACK */
};

enum { TH_CENSUS_TABLE = 4096, TH_CENSUS_KEPT = 64, TH_CENSUS_OBJECT = 32 };

struct th_census {
    struct thrum_runtime *runtime;
    bool has_calls;
    struct th_sighting *sightings;
    uint32_t count, capacity;
    struct th_calls *stacks;
    uint32_t stack_count;
    uint32_t without_stack; /* the first sighting of these */
    uint32_t states[TH_TASK_STATES];
    /* For its own use. */
    size_t mapped;
    struct {
        const struct th_wait_kind *at;
        struct th_wait_kind copy;
    } kinds[TH_CENSUS_KEPT];
    struct {
        const struct th_worker *at;
        uint32_t index;
    } workers[TH_CENSUS_KEPT];
    uint32_t table[TH_CENSUS_TABLE];
    struct th_unwind unwind;
    uint64_t object[TH_CENSUS_OBJECT]; /* a copy of what a task waits for */
    uintptr_t places[TH_CENSUS_FRAMES];
    TH_ALIGNED(TH_CACHE_LINE) char chunk[1 << 16]; /* records as they were, and aligned as they are */
};

/* With the tasks' calls, which is nearly all of the price, or without. 0, or -ENOMEM. */
int th_census_take(struct thrum_runtime *runtime, bool has_calls, struct th_census **census);
void th_census_drop(struct th_census *census);

/* A copy of what a sighting waits for; NULL: nothing, or it cannot be told. Stays until the census is dropped or
 * another kind is asked for. */
const struct th_wait_kind *th_census_kind(struct th_census *census, const struct th_sighting *seen);

/* The record's number and a copy of it, if it is still that task's. */
bool th_census_copy(const struct th_task *record, uint64_t id, struct th_task *copy);

/* Who opened a group: NULL for the root's. */
const struct th_task *th_census_opener(const struct thrum_group *group, uint64_t *id);

#endif
