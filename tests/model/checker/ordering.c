/*
 * What atomic operations do.
 *
 * MODEL_WEAK is an operational form of RC11 (C11 without out-of-thin-air values): each location has its stores in
 * modification order; a thread may read any of them that is not older than one it knows (by coherence: its view), and
 * puts a new store anywhere behind those it knows. A read-modify-write comes directly behind the store it read.
 * What a store carries (`message.view`) is what an acquire load of it learns: the storing thread's view for release,
 * its last release fence's for relaxed, and for a read-modify-write that of the store it read as well (release
 * sequences as in C++20).
 *
 * Sequentially consistent operations take their place in the total order S when they execute.
 *   - A load or store does not come before a store to its location that is earlier in S, nor before one that
 *     happens before a fence earlier in S (`floor_index`).
 *   - A fence learns what all fences earlier in S knew, and all sequentially consistent stores so far; only `co`
 *     grows by that: it orders, it does not synchronise.
 * These are the conditions that make psc of RC11 acyclic when S is the order of execution; weaker than "each such
 * operation is also a fence", so that a relaxed load beside sequentially consistent stores still misbehaves.
 *
 * Not found: what needs a load to return a store that executes later (load buffering), as each thread executes in
 * program order. Known to every thread are the values that program order allows, nothing more.
 *
 * MODEL_SC and MODEL_TSO keep the newest store of each location alone; views still decide what races.
 */
#include "engine.h"

enum { PLACES_MAX = 64 };

static bool is_acquire(int order)
{
    return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order == __ATOMIC_ACQ_REL ||
           order == __ATOMIC_SEQ_CST;
}

static bool is_release(int order)
{
    return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL || order == __ATOMIC_SEQ_CST;
}

static uint32_t epoch_of(const struct thread *thread)
{
    return thread->now.hb[thread - engine.threads];
}

static uint64_t value_cut(uint64_t value, unsigned size)
{
    return size == 8 ? value : value & ((1ull << (size * 8)) - 1);
}

/* ---- What a thread may read, and where it may write */

static bool message_is_known(const struct message *message, const struct view *view)
{
    for (int t = 0; t < engine.thread_count; t++)
        if (message->seen[t] <= view->co[t])
            return true;
    return message->sc != 0 && message->sc <= view->sc;
}

/* The newest store that an operation may not come before. */
static uint32_t floor_index(const struct location *location, const struct thread *thread, bool is_sc)
{
    for (uint32_t i = location->count - 1; i > 0; i--) {
        const struct message *message = location->order[i];
        if (message_is_known(message, &thread->now))
            return i;
        if (is_sc && (message->sc != 0 || message->epoch <= engine.sc_view.hb[message->thread]))
            return i;
    }
    return 0;
}

static bool may_be_stale(void)
{
    return engine.mode == MODEL_WEAK && !engine.is_fair &&
           (engine.options.stale < 0 || engine.stale < engine.options.stale);
}

/*
 * Note [The oldest of equals]
 * Of two stores of the same value that a load may return, the newer one leaves the thread knowing more, if it carries
 * at least what the older one does: what it can do afterwards it can do after reading the older one too, and values
 * are all that a program can tell. So the newer one is no choice.
 */
static bool has_older_equal(const struct location *location, uint32_t at, uint32_t floor)
{
    const struct message *message = location->order[at];
    for (uint32_t i = floor; i < at; i++)
        if (location->order[i]->value == message->value && view_covers(&message->view, &location->order[i]->view))
            return true;
    return false;
}

/* The places among those from `floor` up that a load may read, newest first. */
static uint32_t read_places(const struct location *location, uint32_t floor, uint32_t *places)
{
    uint32_t count = 0;
    for (uint32_t i = location->count; i > floor && count < PLACES_MAX; i--)
        if (!has_older_equal(location, i - 1, floor))
            places[count++] = i - 1;
    return count;
}

/* Nobody reads an old value for ever. */
static uint32_t read_floor(const struct location *location, const struct thread *thread, bool is_sc, uintptr_t site)
{
    uint32_t newest = location->count - 1;
    if (newest == 0 || !may_be_stale())
        return newest;
    uint32_t floor = floor_index(location, thread, is_sc);
    while (floor < newest && schedule_read_enough(site, location->address, location->order[floor]->hash))
        floor++;
    return floor;
}

/* Which store a load returns: a choice. */
static uint32_t choose_read(const struct location *location, const struct thread *thread, bool is_sc, uintptr_t site)
{
    uint32_t places[PLACES_MAX];
    uint32_t count = read_places(location, read_floor(location, thread, is_sc, site), places);
    uint32_t read = places[count > 1 ? explore_choose(CHOICE_VALUE, count) : 0];
    engine.stale += read != location->count - 1;
    return read;
}

/* Behind which store a new one goes: a choice. */
static uint32_t choose_place(const struct location *location, const struct thread *thread, bool is_sc)
{
    uint32_t end = location->count;
    if (end == 1 || engine.mode != MODEL_WEAK || engine.options.append_only || engine.is_fair)
        return end;
    uint32_t floor = floor_index(location, thread, is_sc);
    uint32_t free_places = 1;
    for (uint32_t place = end - 1; place > floor; place--)
        free_places += !location->order[place]->is_update;
    uint32_t back = explore_choose(CHOICE_PLACE, free_places);
    uint32_t place = end;
    while (back > 0)
        back -= !location->order[--place]->is_update;
    return place;
}

/* ---- Effects */

static void thread_tick(struct thread *thread)
{
    size_t self = (size_t)(thread - engine.threads);
    thread->now.hb[self]++;
    thread->now.co[self]++;
}

static void effect_read(struct location *location, struct message *message, struct thread *thread, int order)
{
    size_t self = (size_t)(thread - engine.threads);
    uint32_t epoch = epoch_of(thread);
    if (epoch < message->seen[self])
        message->seen[self] = epoch;
    location->reads[self] = epoch;
    view_join(&thread->acquired, &message->view);
    if (is_acquire(order))
        view_join(&thread->now, &message->view);
    thread_saw(thread, message->hash);
}

static void released_view(const struct thread *thread, int order, struct view *view)
{
    *view = is_release(order) ? thread->now : thread->released;
}

static void effect_write(struct location *location, uint32_t place, struct message *message, uint64_t value,
                         struct thread *thread, int order)
{
    size_t self = (size_t)(thread - engine.threads);
    message->value = value;
    message->thread = (uint8_t)self;
    message->epoch = epoch_of(thread);
    message->seen[self] = message->epoch;
    location->writes[self] = message->epoch;
    if (order == __ATOMIC_SEQ_CST) {
        thread_saw(thread, engine.sc_fence_hash);
        message->sc = ++engine.sc_stores;
    }
    thread_saw(thread, 1);
    message->hash = thread->hash;
    if (order == __ATOMIC_SEQ_CST)
        engine.sc_store_sum += hash_mix(message->hash, 2);
    bool is_newest = engine.mode != MODEL_WEAK || place == location->count;
    location_place(location, place, message);
    if (is_newest)
        value_write(location->address, location->size, value);
}

/* ---- Store buffers (MODEL_TSO) */

void ordering_flush(struct thread *thread)
{
    struct buffered *oldest = &thread->buffer[0];
    struct location *location = oldest->location;
    size_t self = (size_t)(thread - engine.threads);
    struct message *message = message_create();
    message->value = oldest->value;
    message->hash = oldest->hash;
    message->view = oldest->released;
    message->thread = (uint8_t)self;
    message->epoch = oldest->epoch;
    message->seen[self] = oldest->epoch;
    location_place(location, 0, message);
    value_write(location->address, location->size, oldest->value);
    record_event((int)self, EVENT_FLUSH, location->address, location->size, oldest->value, 0, 0, 0);
    thread->buffer_count--;
    memmove(&thread->buffer[0], &thread->buffer[1], thread->buffer_count * sizeof thread->buffer[0]);
    schedule_flushed(thread);
}

static void buffer_drain(struct thread *thread)
{
    while (thread->buffer_count > 0)
        ordering_flush(thread);
}

void ordering_drain(uintptr_t site)
{
    if (current_thread()->buffer_count == 0)
        return;
    schedule_point(site);
    buffer_drain(current_thread());
}

static void buffer_store(struct location *location, struct thread *thread, uint64_t value, int order)
{
    if (thread->buffer_count == BUFFER_SLOTS)
        ordering_flush(thread);
    thread_saw(thread, 3);
    struct buffered *slot = &thread->buffer[thread->buffer_count++];
    slot->location = location;
    slot->value = value;
    slot->hash = thread->hash;
    slot->epoch = epoch_of(thread);
    released_view(thread, order, &slot->released);
    location->writes[thread - engine.threads] = slot->epoch;
}

static const struct buffered *buffer_find(const struct location *location, const struct thread *thread)
{
    for (unsigned i = thread->buffer_count; i > 0; i--)
        if (thread->buffer[i - 1].location == location)
            return &thread->buffer[i - 1];
    return NULL;
}

/* ---- Fences */

static void fence_sc(struct thread *thread)
{
    view_join(&thread->now, &thread->acquired);
    for (int t = 0; t < THREADS_MAX; t++) {
        if (thread->now.co[t] < engine.sc_view.co[t])
            thread->now.co[t] = engine.sc_view.co[t];
        else
            engine.sc_view.co[t] = thread->now.co[t];
        if (engine.sc_view.hb[t] < thread->now.hb[t])
            engine.sc_view.hb[t] = thread->now.hb[t];
    }
    thread->now.sc = engine.sc_stores;
    thread->released = thread->now;
    if (engine.mode == MODEL_WEAK) {
        thread_saw(thread, hash_mix(engine.sc_fence_hash, engine.sc_store_sum));
        engine.state -= engine.sc_fence_hash;
        engine.sc_fence_hash = hash_mix(thread->hash, 4);
        engine.state += engine.sc_fence_hash;
    }
    buffer_drain(thread);
}

void ordering_fence(int order, uintptr_t site)
{
    order = sites_order(site, OP_FENCE, order);
    if (order == ORDER_DROPPED || order == __ATOMIC_RELAXED)
        return;
    struct thread *thread = current_thread();
    if (order == __ATOMIC_SEQ_CST) {
        if (engine.mode != MODEL_SC)
            schedule_point(site);
        fence_sc(thread);
    } else {
        if (is_acquire(order))
            view_join(&thread->now, &thread->acquired);
        if (is_release(order))
            thread->released = thread->now;
    }
    record_event(engine.current, EVENT_FENCE, 0, 0, 0, 0, order, site);
    thread_tick(thread);
    if (order == __ATOMIC_SEQ_CST && engine.mode != MODEL_SC)
        schedule_stepped(false);
}

void ordering_kernel_fence(void)
{
    fence_sc(current_thread());
    thread_tick(current_thread());
}

/* Every thread executes a full fence (one that has ended did when it left its processor); the caller does before and
 * after, so that all learn of all. */
void ordering_membarrier(uintptr_t site)
{
    if (sites_order(site, OP_MEMBARRIER, __ATOMIC_SEQ_CST) == ORDER_DROPPED)
        return;
    schedule_point(site);
    fence_sc(current_thread());
    for (int t = 0; t < engine.thread_count; t++) {
        struct thread *other = &engine.threads[t];
        if (t != engine.current) {
            fence_sc(other);
            thread_tick(other);
        }
    }
    fence_sc(current_thread());
    record_note(engine.current, site, "membarrier");
    thread_tick(current_thread());
    schedule_stepped(true);
}

/* ---- Operations */

static uint64_t direct_update(uint64_t before, enum update update, uint64_t operand)
{
    switch (update) {
    case UPDATE_EXCHANGE:
        return operand;
    case UPDATE_ADD:
        return before + operand;
    case UPDATE_SUB:
        return before - operand;
    case UPDATE_AND:
        return before & operand;
    case UPDATE_OR:
        return before | operand;
    case UPDATE_XOR:
        return before ^ operand;
    case UPDATE_NAND:
        return ~(before & operand);
    }
    return operand;
}

uint64_t ordering_load(uintptr_t address, unsigned size, int order, uintptr_t site)
{
    order = sites_order(site, OP_LOAD, order);
    schedule_point(site);
    struct location *location = location_at(address, size);
    if (location == NULL)
        return value_read(address, size);
    struct thread *thread = current_thread();
    shadow_atomic(location, false);
    const struct buffered *own = buffer_find(location, thread);
    if (own != NULL) {
        thread_saw(thread, own->hash);
        record_event(engine.current, EVENT_LOAD, address, size, own->value, 0, order, site);
        location->reads[engine.current] = epoch_of(thread);
        thread_tick(thread);
        schedule_stepped(false);
        return own->value;
    }
    struct message *message = location->order[choose_read(location, thread, order == __ATOMIC_SEQ_CST, site)];
    effect_read(location, message, thread, order);
    record_event(engine.current, EVENT_LOAD, address, size, message->value, message != location_newest(location), order,
                 site);
    thread_tick(thread);
    schedule_note_read(site, address, message->hash);
    schedule_stepped(false);
    return message->value;
}

uint64_t ordering_kernel_load(uintptr_t address, unsigned size, uintptr_t site)
{
    struct location *location = location_at(address, size);
    if (location == NULL)
        return value_read(address, size);
    struct thread *thread = current_thread();
    shadow_atomic(location, false);
    struct message *message = location->order[choose_read(location, thread, false, site)];
    effect_read(location, message, thread, __ATOMIC_RELAXED);
    thread_tick(thread);
    return message->value;
}

void ordering_store(uintptr_t address, unsigned size, uint64_t value, int order, uintptr_t site)
{
    order = sites_order(site, OP_STORE, order);
    schedule_point(site);
    struct location *location = location_at(address, size);
    if (location == NULL) {
        value_write(address, size, value);
        return;
    }
    struct thread *thread = current_thread();
    shadow_atomic(location, true);
    value = value_cut(value, size);
    bool is_effective = true;
    record_event(engine.current, EVENT_STORE, address, size, value, 0, order, site);
    if (engine.mode == MODEL_TSO && order != __ATOMIC_SEQ_CST) {
        buffer_store(location, thread, value, order);
    } else {
        buffer_drain(thread);
        uint32_t place = choose_place(location, thread, order == __ATOMIC_SEQ_CST);
        struct message *message = message_create();
        released_view(thread, order, &message->view);
        is_effective = location_newest(location)->value != value;
        effect_write(location, place, message, value, thread, order);
    }
    thread_tick(thread);
    schedule_progress();
    schedule_stepped(is_effective);
}

/* A read-modify-write reads a store behind which none of its kind stands, and takes that place. */
static uint32_t update_places(const struct location *location, const struct thread *thread, bool is_sc,
                              uint32_t *places)
{
    uint32_t newest = location->count - 1, count = 0;
    uint32_t floor =
        newest != 0 && may_be_stale() && !engine.options.append_only ? floor_index(location, thread, is_sc) : newest;
    for (uint32_t i = newest + 1; i > floor && count < PLACES_MAX; i--)
        if (i - 1 == newest || !location->order[i]->is_update)
            places[count++] = i - 1;
    return count;
}

static void update_effects(struct location *location, uint32_t read, uint64_t value, struct thread *thread, int order)
{
    struct message *before = location->order[read];
    struct message *message = message_create();
    effect_read(location, before, thread, order);
    released_view(thread, order, &message->view);
    view_join(&message->view, &before->view);
    message->is_update = true;
    effect_write(location, read + 1, message, value, thread, order);
}

uint64_t ordering_update(uintptr_t address, unsigned size, enum update update, uint64_t operand, int order,
                         uintptr_t site)
{
    order = sites_order(site, OP_UPDATE, order);
    schedule_point(site);
    struct location *location = location_at(address, size);
    if (location == NULL) {
        uint64_t before = value_read(address, size);
        value_write(address, size, value_cut(direct_update(before, update, operand), size));
        return before;
    }
    struct thread *thread = current_thread();
    shadow_atomic(location, true);
    buffer_drain(thread);
    uint32_t places[PLACES_MAX];
    uint32_t count = update_places(location, thread, order == __ATOMIC_SEQ_CST, places);
    uint32_t read = places[explore_choose(CHOICE_PLACE, count)];
    engine.stale += read != location->count - 1;
    uint64_t before = location->order[read]->value;
    uint64_t after = value_cut(direct_update(before, update, operand), size);
    update_effects(location, read, after, thread, order);
    record_event(engine.current, EVENT_UPDATE, address, size, before, after, order, site);
    thread_tick(thread);
    /* Setting a flag that is set already: a loop around a test-and-set lock. */
    if (before == after)
        schedule_note_read(site, address, before);
    else
        schedule_progress();
    schedule_stepped(before != after);
    return before;
}

/* A failed compare-exchange is a load; its order may not be stronger than what is left of the operation's. */
static int failure_order(int order, int failed)
{
    if (order == __ATOMIC_RELAXED || order == __ATOMIC_RELEASE)
        return __ATOMIC_RELAXED;
    return failed == __ATOMIC_SEQ_CST && order != __ATOMIC_SEQ_CST ? __ATOMIC_ACQUIRE : failed;
}

struct outcome {
    uint32_t read;
    bool is_success;
};

/* All that a compare-exchange may do here: succeed behind a free place that holds `expected`, or fail. */
static uint32_t compare_outcomes(const struct location *location, const struct thread *thread, uint64_t expected,
                                 bool is_sc, bool is_sc_failed, uintptr_t site, struct outcome *outcomes)
{
    uint32_t newest = location->count - 1, count = 0;
    uint32_t floor = newest, floor_failed = read_floor(location, thread, is_sc_failed, site);
    if (newest != 0 && may_be_stale() && !engine.options.append_only)
        floor = floor_index(location, thread, is_sc);
    for (uint32_t i = newest + 1; i > 0 && count < PLACES_MAX; i--) {
        uint32_t at = i - 1;
        bool is_equal = location->order[at]->value == expected;
        bool is_free = at == newest || !location->order[i]->is_update;
        if (is_equal && is_free && at >= floor)
            outcomes[count++] = (struct outcome){at, true};
        else if (!is_equal && at >= floor_failed && !has_older_equal(location, at, floor_failed))
            outcomes[count++] = (struct outcome){at, false};
    }
    return count;
}

bool ordering_compare_exchange(uintptr_t address, unsigned size, uint64_t *expected, uint64_t desired, bool is_weak,
                               int order, int order_failed, uintptr_t site)
{
    order = sites_order(site, OP_UPDATE, order);
    order_failed = failure_order(order, order_failed);
    schedule_point(site);
    struct location *location = location_at(address, size);
    if (location == NULL) {
        uint64_t before = value_read(address, size);
        if (before == *expected)
            value_write(address, size, desired);
        bool is_done = before == *expected;
        *expected = before;
        return is_done;
    }
    struct thread *thread = current_thread();
    shadow_atomic(location, true);
    buffer_drain(thread);
    struct outcome outcomes[PLACES_MAX];
    uint32_t count = compare_outcomes(location, thread, *expected, order == __ATOMIC_SEQ_CST,
                                      order_failed == __ATOMIC_SEQ_CST, site, outcomes);
    struct outcome outcome = outcomes[count > 1 ? explore_choose(CHOICE_VALUE, count) : 0];
    engine.stale += outcome.read != location->count - 1;
    if (outcome.is_success && is_weak && !engine.is_fair && engine.weak_failures < engine.options.weak_failures &&
        explore_choose(CHOICE_VALUE, 2) == 1) {
        engine.weak_failures++;
        outcome.is_success = false;
    }
    struct message *message = location->order[outcome.read];
    uint64_t before = message->value;
    if (outcome.is_success) {
        update_effects(location, outcome.read, value_cut(desired, size), thread, order);
        record_event(engine.current, EVENT_CAS_DONE, address, size, before, desired, order, site);
        schedule_progress();
    } else {
        effect_read(location, message, thread, order_failed);
        record_event(engine.current, EVENT_CAS_FAILED, address, size, before, *expected, order_failed, site);
        schedule_note_read(site, address, message->hash);
    }
    thread_tick(thread);
    *expected = before;
    schedule_stepped(outcome.is_success && before != desired);
    return outcome.is_success;
}
