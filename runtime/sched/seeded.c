#include "sched/seeded.h"

#include "base/fault.h"
#include "base/panic.h"
#include "base/sys_file.h"
#include "sched/idle.h"
#include "sched/steal.h"

#include <fcntl.h>
#include <stdio.h>

enum {
    /* The clock begins at a time that is no special one. */
    BEGIN_NS = 1000000000,
    /* A dispatch takes up to that, chosen evenly: so who sleeps is overtaken by who works now and then. */
    DISPATCH_NS = 2000,
    /* More than these, the oldest, are not looked at: a pick must stay cheap where a million are ready. */
    CANDIDATES_MOST = 1024,
    CHANGES_MOST = 3,
    /* Points that the highest task may pass before others get a turn: it may be waiting for them, by trying. */
    IN_A_ROW_MOST = 1000,
    TEXT_BYTES = 96
};

enum event { EVENT_READY, EVENT_PICK, EVENT_POINT, EVENT_JUMP, EVENT_FAULT, EVENT_END };

/* Priorities that are given at first begin here. */
#define RANK_FIRST ((uint64_t)1 << 32)

static struct th_ledger own_ledger;
struct th_ledger *th_seeded_ledger = &own_ledger;
uint64_t th_seeded_steps_most;
const char *th_seeded_faults;
/* The run's; note_fault is told of nobody. */
static struct th_worker *the_worker;

/* Somebody else counts, and says what is to be said of seeds. */
static bool is_explored(void)
{
    return th_seeded_ledger != &own_ledger;
}

/* ---- What is told ---- */

static void trace(const struct th_seeded *seeded, enum event event, uint64_t what, uint64_t count)
{
    char text[TEXT_BYTES];
    int length = 0;
    switch (event) {
    case EVENT_READY:
        length = snprintf(text, sizeof text, "ready %lu\n", what);
        break;
    case EVENT_PICK:
        length = snprintf(text, sizeof text, "pick %lu of %lu\n", what, count);
        break;
    case EVENT_POINT:
        length = snprintf(text, sizeof text, "point %lu\n", what);
        break;
    case EVENT_JUMP:
        length = snprintf(text, sizeof text, "jump %ld\n", (long)what);
        break;
    case EVENT_FAULT:
        length = snprintf(text, sizeof text, "fault %s %d\n", th_fault_name((enum th_sys_call)what), -(int)count);
        break;
    case EVENT_END:
        length = snprintf(text, sizeof text, "end after %lu\n", what);
        break;
    }
    th_fault_hold();
    (void)th_sys_write(seeded->trace, text, (size_t)length);
    th_fault_release();
}

static uint64_t mixed(uint64_t hash, uint64_t with)
{
    hash = (hash ^ with) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static void note(struct th_worker *worker, enum event event, uint64_t what, uint64_t count)
{
    struct th_ledger *ledger = th_seeded_ledger;
    const struct th_seeded *seeded = &worker->runtime->seeded;
    ledger->events++;
    ledger->hash = mixed(mixed(mixed(ledger->hash, event), what), count);
    ledger->hash = mixed(ledger->hash, worker->random.a);
    if (TH_UNLIKELY(seeded->trace >= 0))
        trace(seeded, event, what, count);
}

static void note_task(struct th_worker *worker, enum event event, const struct th_task *task, uint64_t count)
{
    note(worker, event, task->id - worker->runtime->seeded.first_id, count);
}

static void note_fault(enum th_sys_call call, int code)
{
    note(the_worker, EVENT_FAULT, call, (uint64_t)-code);
}

/* ---- Priorities ---- */

static bool is_by_priority(const struct th_seeded *seeded)
{
    return seeded->goes_on_in == 0;
}

static void plan_change(struct th_seeded *seeded, struct th_random *random)
{
    uint32_t bits = 1 + th_random_below(random, seeded->distance_bits);
    seeded->change_at = seeded->steps + 1 + th_random_below(random, 1u << bits);
}

static void fall(struct th_seeded *seeded, struct th_task *task)
{
    task->rank = --seeded->lowest;
}

/* One step more; the running task falls if its time has come. */
static void step(struct th_worker *worker, struct th_task *running)
{
    struct th_seeded *seeded = &worker->runtime->seeded;
    seeded->steps++;
    if (TH_UNLIKELY(seeded->steps == th_seeded_steps_most))
        th_panic("no end after %lu steps", seeded->steps);
    if (seeded->changes == 0 || seeded->steps < seeded->change_at)
        return;
    if (running != NULL)
        fall(seeded, running);
    seeded->changes--;
    plan_change(seeded, &worker->random);
}

/* ---- Picking ---- */

static void push_all(struct th_worker *worker, struct th_task *tasks)
{
    while (tasks != NULL) {
        struct th_task *next = tasks->next;
        th_queue_push_newest(&worker->ready, tasks);
        tasks = next;
    }
}

static void push_fresh(struct th_worker *worker)
{
    struct th_task *task;
    while ((task = th_queue_pop_oldest(&worker->fresh)) != NULL) {
        th_atomicptr_store_relaxed(&task->home, NULL);
        th_queue_push_newest(&worker->ready, task);
    }
}

static void push_slot(struct th_worker *worker)
{
    struct th_task *task = th_worker_slot(worker);
    if (task == NULL)
        return;
    th_worker_set_slot(worker, NULL);
    th_queue_push_newest(&worker->ready, task);
}

/* What has come into the queue behind `known`. */
static void note_ready(struct th_worker *worker, struct th_task *known)
{
    struct th_task *task = known != NULL ? known->next : worker->ready.oldest;
    for (; task != NULL; task = task->next) {
        if (task->fiber == NULL)
            task->rank = RANK_FIRST + (th_random_next(&worker->random) >> 1);
        note_task(worker, EVENT_READY, task, 0);
    }
}

/* All that can run, in one queue. Guard held. */
static void gather(struct th_worker *worker)
{
    struct th_task *known = worker->ready.newest;
    int64_t now = th_sys_now();
    push_slot(worker);
    push_fresh(worker);
    push_all(worker, th_inject_take(&worker->runtime->inject));
    (void)th_worker_fire(worker, &worker->timers, now);
    (void)th_worker_poll(worker, now);
    note_ready(worker, known);
}

static struct th_task *find_highest(const struct th_queue *queue)
{
    struct th_task *highest = queue->oldest;
    uint32_t left = CANDIDATES_MOST;
    for (struct th_task *task = highest; task != NULL && left > 0; task = task->next, left--) {
        if (task->rank > highest->rank)
            highest = task;
    }
    return highest;
}

static struct th_task *find_any(struct th_worker *worker)
{
    uint32_t count = th_queue_count(&worker->ready);
    struct th_task *task = worker->ready.oldest;
    uint32_t left = count > 1 ? th_random_below(&worker->random, count < CANDIDATES_MOST ? count : CANDIDATES_MOST) : 0;
    while (left-- > 0)
        task = task->next;
    return task;
}

static struct th_task *running_task(void)
{
    const struct th_fiber *self = th_fiber_self();
    return self != NULL ? self->task : NULL;
}

static struct th_task *choose(struct th_worker *worker)
{
    struct th_task *task = is_by_priority(&worker->runtime->seeded) ? find_highest(&worker->ready) : find_any(worker);
    if (task == NULL)
        return NULL;
    note_task(worker, EVENT_PICK, task, th_queue_count(&worker->ready));
    th_queue_remove(&worker->ready, task);
    if (task != running_task())
        worker->runtime->seeded.in_a_row = 0;
    return task;
}

struct th_task *th_seeded_pick(struct th_worker *worker)
{
    step(worker, running_task());
    worker->clock = th_sys_now() + th_random_below(&worker->random, DISPATCH_NS);
    th_sys_clock_reach(worker->clock);
    gather(worker);
    /* No stack was to be had: the host is next, and then whoever can run by then. */
    if (TH_UNLIKELY(worker->is_starved)) {
        worker->is_starved = false;
        return NULL;
    }
    return choose(worker);
}

/* ---- Points ---- */

/* The running task is one of those that can run. */
static void let_better_go_first(struct th_worker *worker, struct th_fiber *self)
{
    th_worker_enter(worker);
    th_queue_push_newest(&worker->ready, self->task);
    th_worker_switch(self, th_worker_pick(worker));
}

/* It goes on only if nobody else can run. */
static void let_others_go_first(struct th_worker *worker, struct th_fiber *self)
{
    th_worker_enter(worker);
    struct th_task *next = th_worker_pick(worker);
    if (next == NULL) {
        th_worker_leave(worker);
        return;
    }
    th_queue_push_newest(&worker->ready, self->task);
    th_worker_switch(self, next);
}

void th_seeded_point(void)
{
    struct th_fiber *self = th_fiber_self();
    if (self == NULL || self->task == NULL)
        return;
    struct th_worker *worker = th_worker_of(self);
    struct th_seeded *seeded = &worker->runtime->seeded;
    if (is_by_priority(seeded)) {
        if (++seeded->in_a_row == IN_A_ROW_MOST)
            fall(seeded, self->task);
        note_task(worker, EVENT_POINT, self->task, 0);
        let_better_go_first(worker, self);
    } else if (th_random_below(&worker->random, seeded->goes_on_in) == 0) {
        note_task(worker, EVENT_POINT, self->task, 0);
        let_others_go_first(worker, self);
    }
}

void th_seeded_yield(struct th_fiber *self)
{
    struct th_worker *worker = th_worker_of(self);
    if (is_by_priority(&worker->runtime->seeded))
        fall(&worker->runtime->seeded, self->task);
    let_others_go_first(worker, self);
}

/* ---- Nothing to do ---- */

static bool has_ready(struct th_worker *worker)
{
    th_worker_enter(worker);
    gather(worker);
    th_worker_leave(worker);
    return th_queue_count(&worker->ready) > 0;
}

void th_seeded_rest(struct th_worker *worker)
{
    if (has_ready(worker))
        return;
    th_runtime_stop_if_drained(worker->runtime);
    if (th_atomic32_load_acquire(&worker->runtime->phase) == TH_PHASE_STOPPED) /* [Q2] */
        return;
    int64_t next = th_timers_next(&worker->timers);
    if (next == INT64_MAX) {
        /* Somebody outside is to come, if it is no deadlock. */
        th_steal_sleep(worker);
        return;
    }
    note(worker, EVENT_JUMP, (uint64_t)next, 0);
    th_sys_clock_reach(next);
}

/* ---- Begin and end ---- */

static int open_trace(struct th_seeded *seeded)
{
    const char *path = th_sys_getenv("THRUM_SEED_TRACE");
    seeded->trace = -1;
    if (path == NULL || path[0] == '\0')
        return 0;
    seeded->trace = th_sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (seeded->trace >= 0)
        return 0;
    th_report("THRUM_SEED_TRACE=%s: cannot be written (%d)", path, seeded->trace);
    return seeded->trace;
}

static void close_trace(const struct th_seeded *seeded)
{
    if (seeded->trace >= 0)
        (void)th_sys_close(seeded->trace);
}

static int plan_faults(struct th_worker *worker, uint64_t seed)
{
    const char *plan = th_seeded_faults != NULL ? th_seeded_faults : th_sys_getenv("THRUM_FAULTS");
    the_worker = worker;
    th_fault_heard = note_fault;
    int code = plan != NULL ? th_fault_plan_seeded(plan, seed) : 0;
    if (code < 0)
        close_trace(&worker->runtime->seeded);
    return code;
}

int th_seeded_open(struct th_worker *worker, uint64_t seed)
{
    static const uint8_t goes_on_in[] = {1, 2, 8, 64}, distance_bits[] = {2, 4, 8, 16};
    struct th_seeded *seeded = &worker->runtime->seeded;
    int code = open_trace(seeded);
    if (code == 0)
        code = plan_faults(worker, seed);
    if (code < 0)
        return code;
    th_random_init(&worker->random, seed);
    th_atomic32_store_relaxed(&worker->permit, TH_PERMIT_SEEDED);
    seeded->seed = seed;
    seeded->lowest = RANK_FIRST;
    if (th_seeded_is_by_chance(seed)) {
        seeded->goes_on_in = goes_on_in[th_random_below(&worker->random, TH_COUNT_OF(goes_on_in))];
    } else {
        seeded->distance_bits = distance_bits[th_random_below(&worker->random, TH_COUNT_OF(distance_bits))];
        seeded->changes = th_random_below(&worker->random, CHANGES_MOST + 1);
        plan_change(seeded, &worker->random);
    }
    th_panic_seed = is_explored() ? 0 : seed;
    *th_seeded_ledger = (struct th_ledger){0};
    th_sys_clock_begin(BEGIN_NS);
    (void)th_atomic32_or_relaxed(&th_debug_wanted, TH_DEBUG_SEEDED);
    return 0;
}

void th_seeded_close(struct th_worker *worker, int result)
{
    th_panic_seed = 0;
    (void)th_fault_plan(NULL);
    (void)th_atomic32_and_relaxed(&th_debug_wanted, ~(uint32_t)TH_DEBUG_SEEDED);
    th_sys_clock_end();
    note(worker, EVENT_END, worker->runtime->seeded.steps, 0);
    close_trace(&worker->runtime->seeded);
    if (result < 0 && !is_explored())
        th_report_seed(worker->runtime->seeded.seed);
}
