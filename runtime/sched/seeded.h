/*
 * Runs with a seed: the same program runs the same way, event for event, each time.
 *
 * One worker, no monitor, no other thread. Every choice comes from one generator, the worker's, which begins with the
 * seed: which of the ready tasks is next, whether a task goes on at a point where another could, which of several
 * ready cases a select takes, how long a dispatch takes. The clock is virtual (base/sys.h): a dispatch and a look at it
 * take a little time, and when all wait and no file descriptor is ready it jumps to the next timer.
 *
 * How it gets in, so that others pay nothing for it: the worker's permit is TH_PERMIT_SEEDED, which is none to all who
 * ask for one. So each pick takes its slow way and comes here, wakes go through the injection stack, and nobody runs a
 * child in place. Calls that never wait when all goes well (a spawn, an unlock, a send) ask th_debug_wanted, which the
 * locks ask anyway, whether there is a point in them.
 *
 * Points. On many cores a task can be overtaken anywhere; here it can at points alone: before what takes something, and
 * after what gives something or starts somebody. Never under a lock of the library.
 *
 * A seed is also its way of choosing (th_seeded_open): even ones choose at random, each with a probability of its own
 * of going on at points. Odd ones keep priorities (PCT): each task has a random one, the highest runs, and at a few
 * random steps the running task falls below all others; a yield does that too, or who waits by yielding would run for
 * ever. How many steps there will be nobody knows beforehand: so some seeds change early only, others over a long way.
 *
 * The ledger counts the events and keeps a hash over them, and over the generator: two runs are the same if their
 * ledgers are. It may be in memory that other processes share (observe/seeds.c), and is there also after a crash.
 * THRUM_SEED_TRACE=path writes the events too, a line each:
 *
 *     ready 3            task 3 can run (numbers count from the main task, which is 0)
 *     pick 3 of 5        it runs, one of five
 *     point 3            it lets others go first, though it could go on
 *     jump 2000          all wait: the clock goes there
 *     fault recv -104    a system call that fails, by the plan of faults; 0: it moves less than it was asked to
 *     end after 40       the run is over, after so many steps
 *
 * Faults (base/fault.h): a plan of them, from th_seeded_faults or THRUM_FAULTS, is the run's from its beginning to its
 * end. Which calls fail of those that a percentage leaves open is the seed's choice too, though not the generator's:
 * so a call more or less of another kind changes nothing.
 *
 * Rejected: choosing who of those that wait for a lock is handed it (that is the lock's policy, which programs may rely
 * on); a thread for each task (a switch costs a thousand times as much, and the kernel would have to be held back).
 *
 * Tested by tests/replay.
 */
#ifndef TH_SCHED_SEEDED_H
#define TH_SCHED_SEEDED_H

#include "base/debug.h"
#include "base/mutant.h"

struct th_fiber;
struct th_task;
struct th_worker;

/* Key: c constant, o the worker's thread. */
struct th_seeded {
    uint64_t seed;      /* c: 0: a run without */
    uint64_t first_id;  /* o: the main task's */
    uint64_t steps;     /* o: picks and points */
    uint64_t lowest;    /* o: the lowest priority given so far; those given at first are above all that is lowered */
    uint64_t change_at; /* o: the step at which the running task falls */
    uint32_t distance_bits; /* c: two changes are at most two to this power apart */
    uint32_t changes;       /* o: how many more there are */
    uint32_t in_a_row;      /* o: points at which one task went on */
    uint32_t goes_on_in;    /* c: at a point others are let in once in so many times; 0: by priority */
    bool is_apart;          /* o: nothing comes through file descriptors but from this run itself */
    int trace;              /* c: file descriptor, -1: none */
};

/* What has happened so far. */
struct th_ledger {
    uint64_t events, hash;
};

/* Where it is written: one for the process, replaced only while nothing runs. */
extern struct th_ledger *th_seeded_ledger;
/* After so many steps a run counts as endless and panics; 0: never. Set only while nothing runs. */
extern uint64_t th_seeded_steps_most;
/* The plan of faults; NULL: THRUM_FAULTS. Set only while nothing runs. */
extern const char *th_seeded_faults;

TH_INLINE bool th_seeded_is_on(void)
{
    return TH_SHRUNK(th_debug_is_on(TH_DEBUG_SEEDED), false);
}

/* How a seed chooses. */
TH_INLINE bool th_seeded_is_by_chance(uint64_t seed)
{
    return seed % 2 == 0;
}

/* The runtime's worker is made: from now on its choices are the seed's. 0, or why the trace cannot be written,
 * -EINVAL (the plan of faults). */
int th_seeded_open(struct th_worker *worker, uint64_t seed);
/* The run is over: how to have a failed one again is said on stderr. */
void th_seeded_close(struct th_worker *worker, int result);

/* Guard held: the next task, out of its queue. */
struct th_task *th_seeded_pick(struct th_worker *worker);

/* The host: nothing is ready. Returns when something may be, or the runtime has stopped. */
void th_seeded_rest(struct th_worker *worker);

/* The part of a point, and of a yield, that only runs with a seed have. */
void th_seeded_point(void);
void th_seeded_yield(struct th_fiber *self);

/* Another task may run here first, if this is a run with a seed. No lock held; nothing outside of tasks. */
TH_INLINE void th_point(void)
{
    if (TH_UNLIKELY(th_seeded_is_on()))
        th_seeded_point();
}

/* The same on the way out of a call: its result. */
TH_INLINE int th_point_after(int result)
{
    th_point();
    return result;
}

#endif
