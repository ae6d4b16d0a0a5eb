/*
 * The modelled threads, each a context on a stack of its own, and who runs next.
 *
 * A step of a thread is one operation that others can see, and all of its own code up to the next: schedule_point()
 * stands before each operation, and there, and where a thread blocks or ends, the next thread is chosen. What can
 * also happen there: a buffered store reaches memory, a deadline comes early, a futex wait returns for nothing.
 *
 * The modelled code may switch stacks itself (the runtime's fibers): who is current is this file's knowledge alone,
 * and a suspended thread's context is whatever stack it was on.
 *
 * A thread that makes the same read again and again, without doing anything else, spins. It lets others go first
 * until one of them changes something. This takes away no behaviour where an iteration of the loop leaves nothing
 * behind. For loops that count their turns there is one more choice, `.exhausted` times in an execution: the spinning
 * thread alone goes on until it does something else. If it does not, within 300 turns, nothing is lost by giving that
 * execution up: whatever the others do next they can do before.
 */
#include "engine.h"

#include <link.h>
#include <stdlib.h>

struct transfer {
    void *context;
    void *data;
};
struct transfer jump_fcontext(void *to, void *data);
void *make_fcontext(void *stack_top, size_t bytes, void (*entry)(struct transfer));

enum { FAIR_STEPS = 20000, FAIR_CLOCK = 64, TURNS_MOST = 300 };
enum option { OPTION_RUN = 0, OPTION_FLUSH = 8, OPTION_SPURIOUS = 16, OPTION_EXHAUST = 24, OPTION_CLOCK = 32 };

static struct thread explorer; /* only its context is used */
static void (*execution_body)(void);

/* ---- Thread-local variables of the modelled code: one set a thread, though all run on one. */

static char *locals;
static size_t locals_bytes, locals_initial_bytes;
static const char *locals_initial;

static int locals_find(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size;
    (void)unused;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_TLS) {
            locals = info->dlpi_tls_data;
            locals_bytes = info->dlpi_phdr[i].p_memsz;
            locals_initial_bytes = info->dlpi_phdr[i].p_filesz;
            locals_initial = (const char *)(info->dlpi_addr + info->dlpi_phdr[i].p_vaddr);
        }
    return 1; /* the program itself comes first */
}

static void locals_init(struct thread *thread)
{
    if (locals_bytes == 0)
        return;
    if (thread->locals == NULL && (thread->locals = malloc(locals_bytes)) == NULL)
        abort();
    memset(thread->locals, 0, locals_bytes);
    memcpy(thread->locals, locals_initial, locals_initial_bytes);
}

static void locals_switch(struct thread *from, struct thread *to)
{
    if (locals_bytes == 0)
        return;
    if (from != NULL)
        memcpy(from->locals, locals, locals_bytes);
    memcpy(locals, to->locals, locals_bytes);
}

/* ---- Switching */

static void arrived(struct transfer transfer)
{
    ((struct thread *)transfer.data)->context = transfer.context;
}

static void switch_to(int next)
{
    struct thread *from = current_thread(), *to = &engine.threads[next];
    locals_switch(from, to);
    engine.current = next;
    arrived(jump_fcontext(to->context, from));
}

TH_NORETURN void schedule_leave(void)
{
    struct thread abandoned;
    engine.is_active = false;
    (void)jump_fcontext(explorer.context, &abandoned);
    abort();
}

static void thread_finish(struct thread *thread)
{
    if (thread->buffer_count > 0) {
        thread->state = THREAD_DRAINING;
        return;
    }
    thread->state = THREAD_FINISHED;
    for (int t = 0; t < engine.thread_count; t++) {
        struct thread *joiner = &engine.threads[t];
        if (joiner->state == THREAD_JOINING && &engine.threads[joiner->joined] == thread)
            schedule_wake(joiner, 0);
    }
}

/* A store left its thread's buffer. */
void schedule_flushed(struct thread *thread)
{
    if (thread->state == THREAD_DRAINING)
        thread_finish(thread);
}

static void thread_entry(struct transfer transfer)
{
    arrived(transfer);
    struct thread *self = current_thread();
    self->body(self->arg);
    thread_finish(self);
    schedule_block();
    abort();
}

static void check_ledger(void)
{
    uint64_t lost = engine.issued & ~engine.done;
    if (lost != 0)
        engine_fail(0, "item %d of the ledger was issued and never done", __builtin_ctzll(lost));
}

static void first_entry(struct transfer transfer)
{
    arrived(transfer);
    engine.is_active = true;
    execution_body();
    th_model_join_all();
    check_ledger();
    arena_check_leaks();
    explore_end(ENDING_COMPLETE);
}

static struct thread *thread_create(void)
{
    if (engine.thread_count == THREADS_MAX)
        engine_fail(0, "more than %d threads in one execution", THREADS_MAX);
    int self = engine.thread_count++;
    struct thread *thread = &engine.threads[self];
    char *kept = thread->locals;
    memset(thread, 0, sizeof *thread);
    thread->locals = kept;
    thread->state = THREAD_READY;
    locals_init(thread);
    return thread;
}

static void thread_begin_clock(struct thread *thread)
{
    size_t self = (size_t)(thread - engine.threads);
    thread->now.hb[self] = 1;
    thread->now.co[self] = 1;
}

void schedule_reset(void)
{
    if (locals == NULL)
        dl_iterate_phdr(locals_find, NULL);
    engine.is_fair = false;
    engine.thread_count = 0;
    engine.spinning = 0;
    engine.yielded = 0;
    engine.exhausting = NOBODY;
    engine.exhausted = 0;
    engine.steps = 0;
    engine.preemptions = 0;
    engine.stale = 0;
    engine.spurious = 0;
    engine.early = 0;
    engine.weak_failures = 0;
    engine.clock = 1000000000;
    engine.state = 0;
    engine.sc_stores = 0;
    engine.sc_store_sum = 0;
    engine.sc_fence_hash = 0;
    engine.sc_view = (struct view){.sc = 0};
    engine.issued = 0;
    engine.done = 0;
    engine.was_bounded = false;
    engine.failure[0] = '\0';
    engine.failure_address = 0;
}

void schedule_execute(void (*body)(void))
{
    execution_body = body;
    struct thread *first = thread_create();
    thread_begin_clock(first);
    first->context = make_fcontext(arena_stack_top(0), arena_stack_bytes(), first_entry);
    engine.current = 0;
    locals_switch(NULL, first);
    (void)jump_fcontext(first->context, &explorer);
}

int schedule_start(void (*body)(void *), void *arg)
{
    /* Starting a thread is a full fence on every machine. */
    ordering_drain(0);
    struct thread *parent = current_thread(), *child = thread_create();
    int self = engine.thread_count - 1;
    child->body = body;
    child->arg = arg;
    child->is_fresh = true;
    child->now = parent->now;
    thread_begin_clock(child);
    parent->now.hb[engine.current]++;
    parent->now.co[engine.current]++;
    thread_saw(parent, 5);
    thread_saw(child, parent->hash);
    child->context = make_fcontext(arena_stack_top(self), arena_stack_bytes(), thread_entry);
    return self;
}

void schedule_join(int thread, uintptr_t site)
{
    struct thread *self = current_thread(), *other = &engine.threads[thread];
    if (thread < 0 || thread >= engine.thread_count || other == self)
        engine_fail(0, "thread %d joins thread %d, which it cannot", engine.current, thread);
    if (other->state != THREAD_FINISHED) {
        self->state = THREAD_JOINING;
        self->joined = thread;
        self->site = site;
        schedule_block();
    }
    view_join(&self->now, &other->now);
    thread_saw(self, other->hash);
}

/* ---- Spinning */

void schedule_note_read(uintptr_t site, uintptr_t address, uint64_t identity)
{
    struct thread *thread = current_thread();
    for (unsigned i = 0; i < SPIN_SLOTS; i++) {
        struct spin *spin = &thread->spins[i];
        if (spin->site == site && spin->address == address) {
            spin->count = spin->identity == identity ? spin->count + 1 : 1;
            spin->identity = identity;
            if (spin->count >= (unsigned)engine.options.spins)
                engine.spinning |= 1u << engine.current;
            else
                engine.spinning &= ~(1u << engine.current);
            return;
        }
    }
    thread->spins[thread->spin_next++ % SPIN_SLOTS] = (struct spin){site, address, identity, 1};
    engine.spinning &= ~(1u << engine.current);
}

static bool is_spin_site(const struct thread *thread, uintptr_t site)
{
    for (unsigned i = 0; i < SPIN_SLOTS; i++)
        if (thread->spins[i].site == site)
            return true;
    return false;
}

bool schedule_read_enough(uintptr_t site, uintptr_t address, uint64_t identity)
{
    const struct thread *thread = current_thread();
    for (unsigned i = 0; i < SPIN_SLOTS; i++) {
        const struct spin *spin = &thread->spins[i];
        if (spin->site == site && spin->address == address)
            return spin->identity == identity && spin->count >= (unsigned)engine.options.spins;
    }
    return false;
}

void schedule_progress(void)
{
    struct thread *thread = current_thread();
    if (thread->spin_next == 0)
        return;
    memset(thread->spins, 0, sizeof thread->spins);
    thread->spin_next = 0;
    engine.spinning &= ~(1u << engine.current);
}

void schedule_stepped(bool is_effective)
{
    engine.yielded &= 1u << engine.current;
    if (is_effective)
        engine.spinning &= 1u << engine.current;
}

void schedule_yield(void)
{
    engine.yielded |= 1u << engine.current;
    engine.steps++;
    thread_saw(current_thread(), 13);
    schedule_block();
    engine.yielded &= ~(1u << engine.current);
}

/* ---- Time, wakes */

void schedule_wake(struct thread *thread, int outcome)
{
    thread->state = THREAD_READY;
    thread->outcome = outcome;
    thread->is_fresh = true;
    thread_saw(thread, hash_mix(7, (uint64_t)(int64_t)outcome));
}

static int64_t earliest_deadline(void)
{
    int64_t earliest = INT64_MAX;
    for (int t = 0; t < engine.thread_count; t++) {
        const struct thread *thread = &engine.threads[t];
        if ((thread->state == THREAD_ON_FUTEX || thread->state == THREAD_ASLEEP) && thread->deadline < earliest)
            earliest = thread->deadline;
    }
    return earliest;
}

static void clock_advance(void)
{
    int64_t deadline = earliest_deadline();
    if (deadline > engine.clock) {
        engine.state += hash_mix((uint64_t)deadline, 9) - hash_mix((uint64_t)engine.clock, 9);
        engine.clock = deadline;
    }
    record_note(engine.current, 0, "the clock advances to %" PRId64, engine.clock);
    for (int t = 0; t < engine.thread_count; t++) {
        struct thread *thread = &engine.threads[t];
        if ((thread->state == THREAD_ON_FUTEX || thread->state == THREAD_ASLEEP) && thread->deadline <= deadline)
            schedule_wake(thread, -110 /* ETIMEDOUT */);
    }
}

/* ---- Choosing */

static bool is_ready(int thread)
{
    return engine.threads[thread].state == THREAD_READY;
}

static bool is_enabled(int thread)
{
    return is_ready(thread) && !((engine.spinning | engine.yielded) >> thread & 1);
}

static unsigned gather_runs(int *options)
{
    unsigned count = 0;
    bool goes_on = is_enabled(engine.current);
    if (goes_on)
        options[count++] = OPTION_RUN + engine.current;
    bool may_switch = !goes_on || engine.preemption_bound < 0 || engine.preemptions < engine.preemption_bound;
    for (int t = 0; t < engine.thread_count; t++) {
        if (t == engine.current || !is_enabled(t))
            continue;
        if (may_switch)
            options[count++] = OPTION_RUN + t;
        else
            engine.was_bounded = true;
    }
    return count;
}

static unsigned gather_events(int *options, unsigned count)
{
    unsigned runs = count;
    for (int t = 0; t < engine.thread_count; t++)
        if (engine.threads[t].buffer_count > 0)
            options[count++] = OPTION_FLUSH + t;
    if (runs == 0)
        return count;
    for (int t = 0; t < engine.thread_count && engine.exhausted < engine.options.exhausted; t++)
        if (is_ready(t) && (engine.spinning >> t & 1))
            options[count++] = OPTION_EXHAUST + t;
    for (int t = 0; t < engine.thread_count && engine.spurious < engine.options.spurious; t++)
        if (engine.threads[t].state == THREAD_ON_FUTEX)
            options[count++] = OPTION_SPURIOUS + t;
    if (engine.early < engine.options.early && earliest_deadline() != INT64_MAX)
        options[count++] = OPTION_CLOCK;
    return count;
}

static TH_NORETURN void deadlock(void)
{
    static const char *const waits[] = {"", "", "on a futex", "asleep", "for another thread", "", ""};
    char text[400];
    size_t length = 0;
    for (int t = 0; t < engine.thread_count && length < sizeof text - 100; t++) {
        const struct thread *thread = &engine.threads[t];
        if (thread->state == THREAD_FINISHED)
            continue;
        struct source source;
        sites_resolve(&thread->site, 1, &source);
        length += (size_t)snprintf(text + length, sizeof text - length, "%s thread %d waits %s (%s:%d)",
                                   length != 0 ? "," : "", t, waits[thread->state], source.function, source.line);
    }
    engine_fail(0, "deadlock:%s", text);
}

/* Nobody wants to run: let time pass, or the next of those who spin. */
static void unstick(void)
{
    if (earliest_deadline() != INT64_MAX) {
        clock_advance();
        return;
    }
    for (int i = 1; i <= engine.thread_count; i++) {
        int t = (engine.current + i) % engine.thread_count;
        if (is_ready(t)) {
            engine.spinning &= ~(1u << t);
            engine.yielded &= ~(1u << t);
            return;
        }
    }
    deadlock();
}

/* Out of steps: everybody in turn, stores reach memory at once, time passes. */
static int next_fair(void)
{
    for (int t = 0; t < engine.thread_count; t++)
        while (engine.threads[t].buffer_count > 0)
            ordering_flush(&engine.threads[t]);
    if (engine.steps % FAIR_CLOCK == 0 && earliest_deadline() != INT64_MAX)
        clock_advance();
    engine.spinning = 0;
    engine.yielded = 0;
    for (;;) {
        for (int i = 1; i <= engine.thread_count; i++) {
            int t = (engine.current + i) % engine.thread_count;
            if (is_ready(t))
                return t;
        }
        unstick();
    }
}

static int next_chosen(void)
{
    int options[5 * THREADS_MAX];
    for (;;) {
        bool goes_on = is_enabled(engine.current);
        unsigned count = gather_events(options, gather_runs(options));
        if (count == 0) {
            unstick();
            continue;
        }
        int option = options[count > 1 ? explore_choose_thread(count, options) : 0];
        int t = option % OPTION_FLUSH;
        if (option < OPTION_FLUSH) {
            engine.preemptions += goes_on && t != engine.current;
            return t;
        }
        if (option < OPTION_SPURIOUS) {
            ordering_flush(&engine.threads[t]);
        } else if (option >= OPTION_EXHAUST && option < OPTION_CLOCK) {
            engine.exhausted++;
            engine.exhausting = t;
            engine.turns_left = TURNS_MOST;
            return t;
        } else if (option < OPTION_EXHAUST) {
            engine.spurious++;
            record_note(t, engine.threads[t].site, "woken for nothing");
            schedule_wake(&engine.threads[t], 0);
        } else {
            engine.early++;
            clock_advance();
        }
    }
}

static void schedule_next(void)
{
    int next = engine.is_fair ? next_fair() : next_chosen();
    if (next != engine.current)
        switch_to(next);
}

void schedule_block(void)
{
    engine.exhausting = NOBODY;
    schedule_next();
}

/* The thread that runs out of turns goes on alone, up to the first operation that its loop does not have. */
static bool goes_on_exhausting(const struct thread *thread, uintptr_t site)
{
    if (engine.exhausting == NOBODY)
        return false;
    if (is_spin_site(thread, site)) {
        if (--engine.turns_left == 0)
            explore_end(ENDING_PRUNED);
        return true;
    }
    engine.exhausting = NOBODY;
    engine.spinning &= ~(1u << engine.current);
    return false;
}

void schedule_point(uintptr_t site)
{
    struct thread *thread = current_thread();
    engine.steps++;
    /* Every step changes the state, or it would be taken for one that was explored already. */
    thread_saw(thread, 12);
    if (thread->is_fresh) {
        thread->is_fresh = false;
        return;
    }
    if (goes_on_exhausting(thread, site))
        return;
    if (engine.steps > (uint64_t)engine.options.steps) {
        engine.is_fair = true;
        engine.was_bounded = true;
        if (engine.steps > (uint64_t)engine.options.steps + FAIR_STEPS)
            engine_fail(0, "livelock: no end in sight after %d steps, the last %d with everybody in turn",
                        engine.options.steps + FAIR_STEPS, FAIR_STEPS);
    }
    schedule_next();
    current_thread()->is_fresh = false;
}
