/*
 * The model checker: runs the runtime's real sources under every interleaving, and under every value that the memory
 * model lets a load return, within bounds that it prints.
 *
 *     static th_atomic32 flag;
 *     static int payload;
 *
 *     static void reader(void *arg)
 *     {
 *         if (th_atomic32_load_acquire(&flag) != 0)
 *             MODEL_CHECK_EQ(payload, 42);
 *     }
 *
 *     MODEL(published_payload_is_seen, .preemptions = 2)
 *     {
 *         th_model_thread(reader, NULL);
 *         payload = 42;
 *         th_atomic32_store_release(&flag, 1);
 *     }
 *
 * The body runs once per execution, as thread 0, and every execution starts from the same memory: statics have their
 * initial values again, allocations are gone. An execution ends when all its threads have. It fails when a check
 * fails, when all threads wait (deadlock), when none gets anywhere (livelock), when two plain accesses race, when
 * memory of th_sys_alloc is leaked or used after it was freed, when a ledger entry is lost or done twice, when
 * th_panic is called, and at a crash.
 *
 * README.md beside this file says how to run and replay, what the modes mean, and what is not modelled.
 */
#ifndef MODEL_H
#define MODEL_H

#include "base/compiler.h"

#include <inttypes.h>
#include <stdbool.h>

enum model_mode {
    MODEL_SC = 1,   /* every access takes effect at once, for everybody */
    MODEL_TSO = 2,  /* x86: a store waits in its thread's buffer; the thread itself sees it */
    MODEL_WEAK = 4, /* C11: a load may return any store that coherence and happens-before leave to it */
};

enum { MODEL_UNBOUNDED = -1, MODEL_NONE = -2 };

/* Zero means the default, in brackets. A budget counts per execution; MODEL_NONE is a budget of 0. */
struct model_options {
    unsigned modes;         /* modes that a run without --mode goes through [MODEL_SC | MODEL_WEAK] */
    int preemptions;        /* switches away from a thread that could have gone on [3] */
    int stale;              /* loads that return an older store than the newest; MODEL_WEAK [MODEL_UNBOUNDED] */
    int spurious;           /* futex waits that return for nothing [1] */
    int early;              /* deadlines that come although somebody could have run [1] */
    int weak_failures;      /* weak compare-exchanges that fail for nothing [1] */
    int failed_allocations; /* allocations that fail, whichever [0] */
    int spins;              /* equal reads in a row after which a thread counts as spinning [3] */
    int exhausted;          /* spinning loops that run out of turns while the others stand still [1] */
    int steps;              /* operations of an execution; then it must end under a fair schedule [2000] */
    int seconds;            /* after which a run ends incomplete [10] */
    bool leaks;             /* allocations may outlive the execution */
    bool recycle;           /* freed memory is allocated again, newest first; else never within an execution */
    bool append_only;       /* MODEL_WEAK: a store always becomes the newest of its location */
    const char *fails;      /* the model must fail, with a message that holds this text */
    unsigned fails_in;      /* and only in these modes [all of them] */
    const char *outcomes;   /* exactly these must be seen, separated by '|' (th_model_outcome) */
    const char *outcomes_tso, *outcomes_weak; /* the same for these modes [outcomes] */
};

struct model {
    const char *name;
    void (*body)(void);
    struct model_options options;
    struct model *next;
};

#define MODEL(model_name, ...)                                                                  \
    static void model_name(void);                                                               \
    static struct model model_of_##model_name = {#model_name, model_name, {__VA_ARGS__}, NULL}; \
    __attribute__((constructor)) static void model_register_##model_name(void)                  \
    {                                                                                           \
        th_model_register(&model_of_##model_name);                                              \
    }                                                                                           \
    static void model_name(void)

/*
 * A mutant that all models of the program may leave alive, and why. The key is the edge label in the comment on the
 * mutated line ("[D1]"), or the function and which of its mutable operations it is, as the campaign prints it
 * ("deque_push#2"; "deque_push#2->release" where there are two ways to weaken it), or the name of a TH_MUTANT.
 */
struct model_survivor {
    const char *key, *reason;
    struct model_survivor *next;
};

#define MODEL_SURVIVES(key, reason)          MODEL_SURVIVES_(key, reason, __COUNTER__)
#define MODEL_SURVIVES_(key, reason, number) MODEL_SURVIVES__(key, reason, number)
#define MODEL_SURVIVES__(key, reason, number)                                       \
    static struct model_survivor model_survivor_##number = {key, reason, NULL};     \
    __attribute__((constructor)) static void model_register_survivor_##number(void) \
    {                                                                               \
        th_model_register_survivor(&model_survivor_##number);                       \
    }

void th_model_register(struct model *model);
void th_model_register_survivor(struct model_survivor *survivor);

/* The place of the running model among those of its program, from 0: for bodies that several models share. */
int th_model_number(void);

/* Threads. The number of the new one, from 1; at most MODEL_THREADS in all, thread 0 included. */
enum { MODEL_THREADS = 8 };
int th_model_thread(void (*body)(void *arg), void *arg);
void th_model_join(int thread);
void th_model_join_all(void);
int th_model_self(void);
/* Lets the others run first; spinning loops are recognised without it. */
void th_model_yield(void);

/* A number in [0, count): each is explored. */
unsigned th_model_choose(unsigned count);

/* Checks. The failing interleaving is printed, then how to replay it. */
#define MODEL_CHECK(condition) \
    ((condition) ? (void)0 : th_model_fail("%s:%d: %s is false", __FILE__, __LINE__, #condition))
#define MODEL_CHECK_EQ(a, b) th_model_check_eq(__FILE__, __LINE__, #a, #b, (intmax_t)(a), (intmax_t)(b))

TH_NORETURN TH_PRINTF(1, 2) void th_model_fail(const char *format, ...);
void th_model_check_eq(const char *file, int line, const char *a_text, const char *b_text, intmax_t a, intmax_t b);

/* What this execution came to, for litmus tests: the set over all executions is compared with .outcomes. */
TH_PRINTF(1, 2) void th_model_outcome(const char *format, ...);

/* A ledger of work: each item issued must be done exactly once before the execution ends. Items are 0..63. */
void th_model_issue(unsigned item);
void th_model_done(unsigned item);

/* Says what an address is, for the printed interleaving; statics and allocations have a name already. */
void th_model_name(const void *address, const char *name);

#endif
