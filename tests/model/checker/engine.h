/*
 * What the parts of the checker share. One execution is on at a time, on one OS thread: `engine` is its state, and
 * the checker's own code runs between two modelled instructions, so nothing in here needs care about threads.
 *
 *   explore.c    which executions: strategies, bounds, backtracking, replay
 *   visited.c    states that were explored before
 *   schedule.c   the modelled threads, and who runs next
 *   location.c   atomic locations and the stores to them
 *   ordering.c   what atomic operations do, in each memory mode
 *   shadow.c     plain accesses: races, use after free; statics put back between executions
 *   arena.c      the addresses that modelled code gets: stacks, allocations, maps
 *   callbacks.c  what the compiler's instrumentation calls
 *   model_sys.c  base/sys.h, modelled
 *   transcript.c the interleaving of a failure, printed
 *   sites.c      from an address in the program to function:line; the sites of mutants
 *   mutants.c    the mutation campaign
 *   model_main.c the command
 */
#ifndef MODEL_ENGINE_H
#define MODEL_ENGINE_H

#include "model/model.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum {
    THREADS_MAX = MODEL_THREADS,
    BUFFER_SLOTS = 4, /* stores that wait in a thread's buffer (MODEL_TSO); a fifth makes the first one leave */
    SPIN_SLOTS = 8,   /* different reads that a spinning loop may consist of */
    NOBODY = -1,
};

/*
 * How far into each thread's past somebody knows. `hb` is happens-before, which orders plain accesses. `co` is
 * coherence: what must not be un-seen; it holds hb and what was learned without synchronisation, through
 * sequentially consistent fences. `sc` counts the sequentially consistent stores in co.
 */
struct view {
    uint32_t hb[THREADS_MAX];
    uint32_t co[THREADS_MAX];
    uint32_t sc;
};

static inline void view_join(struct view *view, const struct view *other)
{
    for (int t = 0; t < THREADS_MAX; t++) {
        view->hb[t] = view->hb[t] > other->hb[t] ? view->hb[t] : other->hb[t];
        view->co[t] = view->co[t] > other->co[t] ? view->co[t] : other->co[t];
    }
    view->sc = view->sc > other->sc ? view->sc : other->sc;
}

/* Whether all of `other` is in `view`. */
static inline bool view_covers(const struct view *view, const struct view *other)
{
    for (int t = 0; t < THREADS_MAX; t++)
        if (other->hb[t] > view->hb[t] || other->co[t] > view->co[t])
            return false;
    return other->sc <= view->sc;
}

enum thread_state {
    THREAD_UNUSED,
    THREAD_READY,
    THREAD_ON_FUTEX,
    THREAD_ASLEEP,
    THREAD_JOINING,
    THREAD_DRAINING, /* its body is over, its buffer not empty */
    THREAD_FINISHED,
};

/* A read that a thread made, to recognise that it makes it again and again. */
struct spin {
    uintptr_t site, address;
    uint64_t identity;
    uint32_t count;
};

/* A store on its way to memory (MODEL_TSO). */
struct buffered {
    struct location *location;
    uint64_t value, hash;
    struct view released;
    uint32_t epoch;
};

struct thread {
    void *context; /* where it was suspended, on whatever stack it stood then */
    enum thread_state state;
    bool is_fresh; /* its last step was to become ready: the next operation belongs to the same step */
    void (*body)(void *);
    void *arg;
    struct view now;      /* its own entry is the epoch of its next operation */
    struct view acquired; /* what an acquire fence would add */
    struct view released; /* what a relaxed store carries: the last release fence */
    uint64_t hash;        /* of everything that it has seen */

    uintptr_t futex; /* THREAD_ON_FUTEX */
    int64_t deadline;
    int outcome;
    int joined;     /* THREAD_JOINING: on whom */
    uintptr_t site; /* where it last waited */

    struct spin spins[SPIN_SLOTS];
    unsigned spin_next;
    struct buffered buffer[BUFFER_SLOTS];
    unsigned buffer_count;
    uint64_t priority; /* PCT */
    char *locals;      /* its thread-local variables while it does not run */
};

/* A store, in its place in the modification order of its location. */
struct message {
    uint64_t value, hash;
    struct view view;           /* what an acquire load of it learns */
    uint32_t seen[THREADS_MAX]; /* the epoch at which each thread first knew it; UNSEEN */
    uint32_t sc;                /* its number among sequentially consistent stores, or 0 */
    uint32_t epoch;
    uint8_t thread;
    bool is_update; /* of a read-modify-write: nothing may come between it and the store before it */
};

#define UNSEEN UINT32_MAX

struct location {
    uintptr_t address;
    unsigned size;
    uint32_t count, capacity;
    struct message **order; /* the modification order; in MODEL_SC and MODEL_TSO the newest alone */
    uint64_t hash, counted; /* of the order; its part in engine.state */
    uint32_t reads[THREADS_MAX], writes[THREADS_MAX]; /* the last epochs, for races with plain accesses */
    bool is_plainly_written;                          /* since the last atomic operation */
    uint8_t plain_thread;
    uint32_t plain_epoch;
};

enum strategy { STRATEGY_DFS, STRATEGY_PCT, STRATEGY_RANDOM };

/* How one outcome of an execution ends it. */
enum ending { ENDING_COMPLETE, ENDING_PRUNED, ENDING_FAILED };

struct engine {
    /* The run. */
    const struct model *model;
    struct model_options options; /* with defaults filled in */
    enum model_mode mode;
    enum strategy strategy;
    int preemption_bound; /* of this iteration */
    uint64_t seed;

    /* What is weakened: an operation, or a named mutant. */
    uintptr_t mutant_sites[16]; /* one place in the source, inlined here and there */
    unsigned mutant_site_count;
    int mutant_order; /* what its order becomes; ORDER_DROPPED */
    const char *mutant_name;

    /* The execution. */
    bool is_active; /* modelled code runs: instrumentation counts */
    bool is_recording;
    bool is_unmerged;
    bool is_fair; /* out of steps: no more choices, everybody in turn */
    int current;
    int thread_count;
    struct thread threads[THREADS_MAX];
    uint32_t spinning, yielded; /* masks of threads that let others go first */
    int exhausting;             /* who goes on alone until its loop has run out of turns; NOBODY */
    int turns_left;
    uint64_t steps;
    int preemptions, stale, spurious, early, weak_failures, exhausted;
    int64_t clock;
    uint64_t state; /* hash of what has happened, equal for equivalent interleavings */
    uint32_t sc_stores;
    uint64_t sc_store_sum, sc_fence_hash;
    struct view sc_view; /* of all sequentially consistent fences so far */
    uint64_t issued, done;
    enum ending ending;
    bool was_bounded; /* a bound kept an alternative out */
    char failure[512];
    uintptr_t failure_address;
};

extern struct engine engine;

static inline struct thread *current_thread(void)
{
    return &engine.threads[engine.current];
}

/* ---- hashing */
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
    uint64_t mixed = (uint64_t)product ^ (uint64_t)(product >> 64);
    return (mixed ^ (mixed >> 29)) * 0xbf58476d1ce4e5b9u;
}

/* A thread's history goes into the state as a sum, so that the order of independent steps leaves no trace. */
static inline void thread_saw(struct thread *thread, uint64_t what)
{
    uint64_t id = (uint64_t)(thread - engine.threads) + 1;
    engine.state -= hash_mix(thread->hash, id);
    thread->hash = hash_mix(thread->hash, what);
    engine.state += hash_mix(thread->hash, id);
}

/* ---- explore.c */
enum choice { CHOICE_THREAD, CHOICE_VALUE, CHOICE_PLACE, CHOICE_USER };
unsigned explore_choose(enum choice kind, unsigned count);
/* The same for threads, who[i] being the one that option i runs. May end the execution, if all this was seen before. */
unsigned explore_choose_thread(unsigned count, const int *who);
TH_NORETURN void explore_end(enum ending ending);

/* ---- visited.c */
void visited_reset(void);
/* Whether the state was entered before with no more preemptions used than now. */
bool visited_before(uint64_t key, unsigned used);
size_t visited_count(void);

/* ---- schedule.c */
void schedule_reset(void);
void schedule_execute(void (*body)(void));
TH_NORETURN void schedule_leave(void);
/* Before each operation that others can see. */
void schedule_point(uintptr_t site);
/* After each: `is_effective` if it changed what others can see. */
void schedule_stepped(bool is_effective);
/* Gives the processor away because the current thread cannot go on (its state says why). */
void schedule_block(void);
int schedule_start(void (*body)(void *), void *arg);
void schedule_join(int thread, uintptr_t site);
void schedule_yield(void);
void schedule_wake(struct thread *thread, int outcome);
/* Counts a read that is equal to earlier ones; marks the thread as spinning after too many. */
void schedule_note_read(uintptr_t site, uintptr_t address, uint64_t identity);
bool schedule_read_enough(uintptr_t site, uintptr_t address, uint64_t identity);
void schedule_progress(void);
void schedule_flushed(struct thread *thread);

/* ---- location.c */
void location_init(void);
void location_reset(void);
struct location *location_numbered(uint32_t index); /* from 1 */
/* NULL: not memory that is modelled. */
struct location *location_at(uintptr_t address, unsigned size);
struct message *location_newest(const struct location *location);
/* Puts a store at a place in the modification order. */
void location_place(struct location *location, uint32_t place, struct message *message);
struct message *message_create(void);
uint64_t value_read(uintptr_t address, unsigned size);
void value_write(uintptr_t address, unsigned size, uint64_t value);

/* ---- ordering.c */
enum update { UPDATE_EXCHANGE, UPDATE_ADD, UPDATE_SUB, UPDATE_AND, UPDATE_OR, UPDATE_XOR, UPDATE_NAND };
enum { ORDER_DROPPED = -1 };
uint64_t ordering_load(uintptr_t address, unsigned size, int order, uintptr_t site);
void ordering_store(uintptr_t address, unsigned size, uint64_t value, int order, uintptr_t site);
uint64_t ordering_update(uintptr_t address, unsigned size, enum update update, uint64_t operand, int order,
                         uintptr_t site);
bool ordering_compare_exchange(uintptr_t address, unsigned size, uint64_t *expected, uint64_t desired, bool is_weak,
                               int order, int order_failed, uintptr_t site);
void ordering_fence(int order, uintptr_t site);
void ordering_membarrier(uintptr_t site);
/* A system call on a word: a full fence, then a relaxed load that is no step of its own. */
uint64_t ordering_kernel_load(uintptr_t address, unsigned size, uintptr_t site);
void ordering_kernel_fence(void);
/* The oldest store of a buffer reaches memory (MODEL_TSO). */
void ordering_flush(struct thread *thread);
/* All of the current thread's do, as a step of their own. */
void ordering_drain(uintptr_t site);

/* ---- shadow.c */
struct cell {
    uint32_t write;    /* epoch of the last plain write */
    uint32_t read;     /* epoch of the last plain read, or which set of reads */
    uint32_t location; /* atomic location here, from 1 */
    uint32_t flags;    /* and, split into bytes, which set of cells */
};
void shadow_init(void);
void shadow_reset(void);
struct cell *shadow_cell(uintptr_t address); /* NULL: not memory that is modelled */
void shadow_access(uintptr_t address, size_t size, bool is_write, uintptr_t site);
/* An atomic operation: only against plain accesses. */
void shadow_atomic(struct location *location, bool is_write);
void shadow_poison(uintptr_t address, size_t size);
void shadow_clear(uintptr_t address, size_t size);

/* ---- arena.c */
void arena_init(void);
void arena_reset(void);
char *arena_stack_top(int thread);
size_t arena_stack_bytes(void);
bool arena_is_stack(uintptr_t address);
void *arena_alloc(size_t alignment, size_t bytes, bool is_zeroed, uintptr_t site);
void arena_free(void *memory, uintptr_t site);
int arena_map(size_t bytes, bool is_for_stacks, void **at);
int arena_unmap(void *at, size_t bytes);
void arena_check_leaks(void);
/* "block 2 of thread 1, +8"; false if the address is not of the arena. */
bool arena_describe(uintptr_t address, char *text, size_t capacity);
#define ARENA_BASE  ((uintptr_t)0x100000000000)
#define ARENA_BYTES ((size_t)1 << 30)

/* ---- sites.c */
void sites_init(void);
/* Which order an operation really has: a mutant's is weaker. Also remembers the site. */
enum operation { OP_LOAD, OP_STORE, OP_UPDATE, OP_FENCE, OP_MEMBARRIER };
int sites_order(uintptr_t site, enum operation operation, int order);
const char *sites_order_name(int order);
struct source {
    char function[64];
    char file[64];
    int line;
    bool is_model;  /* not of runtime/ */
    char label[16]; /* "[D1]", from the comment on the line */
};
void sites_resolve(const uintptr_t *sites, size_t count, struct source *sources);
bool sites_data_name(uintptr_t address, char *text, size_t capacity);
void sites_globals(uintptr_t *from, size_t *bytes);

/* ---- transcript.c */
enum event_kind {
    EVENT_LOAD,
    EVENT_STORE,
    EVENT_UPDATE,
    EVENT_CAS_DONE,
    EVENT_CAS_FAILED,
    EVENT_FENCE,
    EVENT_FLUSH,
    EVENT_FUTEX_WAIT,
    EVENT_FUTEX_WAKE,
    EVENT_READ,
    EVENT_WRITE,
    EVENT_NOTE,
};
void record_event(int thread, enum event_kind kind, uintptr_t address, unsigned size, uint64_t value, uint64_t value2,
                  int order, uintptr_t site);
TH_PRINTF(3, 4) void record_note(int thread, uintptr_t site, const char *format, ...);
void record_reset(void);
void record_print(FILE *to);

TH_NORETURN TH_PRINTF(2, 3) void engine_fail(uintptr_t address, const char *format, ...);

/* ---- explore.c, from outside */
struct statistics {
    uint64_t executions, pruned, bounded, steps, states;
    double seconds;
    bool is_complete; /* all within the bound was explored */
    bool hit_bound;   /* and the bound kept something out */
    int bound;
    bool has_failed;
    char failure[512];
    char trace[8192];
};
struct settings {
    enum model_mode mode;
    enum strategy strategy;
    int preemptions;
    uint64_t seed, executions;
    double seconds;
    const char *replay;
    bool is_quiet;
    bool is_unmerged; /* explore equivalent interleavings too: to check the checker */
};
void explore_run(const struct model *model, const struct settings *settings, struct statistics *statistics);
const char *mode_name(enum model_mode mode);

/* ---- outcomes.c */
void outcomes_begin(void); /* of a run */
void outcomes_reset(void); /* of an execution */
void outcomes_print(void);
void outcomes_commit(void); /* the execution came to its end */
/* Compares with "a|b|c"; false with a text that says what was missing and what is new. */
bool outcomes_match(const char *expected, bool may_miss, char *text, size_t capacity);

/* ---- mutants.c */
void mutants_add(const struct model *model, const struct settings *settings);
/* The campaign over all models that were added; false if a mutant survived that should not. */
bool mutants_run(void);
void mutants_note_site(uintptr_t site, enum operation operation, int order);
extern bool mutants_collecting;

/* ---- model_main.c */
/* Whether a run was as the model says; else `text` says how not. */
bool verdict(const struct model *model, const struct statistics *statistics, enum model_mode mode, char *text,
             size_t capacity);
extern struct model_survivor *first_survivor;

#endif
