/*
 * Algorithms from the books, right and wrong. The wrong ones must be caught, in the memory modes where they are wrong
 * and in no other; the right ones must pass, and fail again when the mutation campaign weakens them.
 */
#include "model/model.h"

#include "base/atomic.h"
#include "base/mutant.h"
#include "base/sys.h"

#include <errno.h>

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

static int protected; /* plain: two inside at once race */

static void critical(void)
{
    int before = protected;
    protected = before + 1;
}

static void both(void (*body)(void *))
{
    th_model_thread(body, (void *)(uintptr_t)0);
    th_model_thread(body, (void *)(uintptr_t)1);
    th_model_join_all();
}

/* ---- Mutual exclusion by loads and stores alone: each announces itself, then looks for the other. */

static th_atomic32 wants[2], turn;

static void peterson_seqcst(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg, other = 1 - me;
    th_atomic32_store_relaxed(&wants[me], 1);
    th_atomic32_store_seqcst(&turn, other); /* [PA1] */
    while (th_atomic32_load_seqcst(&wants[other]) == 1 && th_atomic32_load_seqcst(&turn) == other)
        continue;
    critical();
    th_atomic32_store_release(&wants[me], 0);
}

static void peterson_fence(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg, other = 1 - me;
    th_atomic32_store_relaxed(&wants[me], 1);
    th_atomic32_exchange_acqrel(&turn, other);
    th_fence_seqcst();
    while (th_atomic32_load_acquire(&wants[other]) == 1 && th_atomic32_load_relaxed(&turn) == other)
        continue;
    critical();
    th_atomic32_store_release(&wants[me], 0);
}

static void peterson_unfenced(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg, other = 1 - me;
    th_atomic32_store_release(&wants[me], 1);
    th_atomic32_store_release(&turn, other);
    while (th_atomic32_load_acquire(&wants[other]) == 1 && th_atomic32_load_acquire(&turn) == other)
        continue;
    critical();
    th_atomic32_store_release(&wants[me], 0);
}

static void dekker_try(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg, other = 1 - me;
    th_atomic32_store_relaxed(&wants[me], 1);
    th_fence_seqcst(); /* [DK1] */
    if (th_atomic32_load_acquire(&wants[other]) == 0)
        critical();
    th_atomic32_store_release(&wants[me], 0);
}

static void dekker_try_unfenced(void *arg)
{
    uint32_t me = (uint32_t)(uintptr_t)arg, other = 1 - me;
    th_atomic32_store_release(&wants[me], 1);
    if (th_atomic32_load_acquire(&wants[other]) == 0)
        critical();
    th_atomic32_store_release(&wants[me], 0);
}

/* The store of `turn` alone does not order the store of `wants` before it with the loads behind it, in C11. */
MODEL(peterson_with_seqcst_turn_only, .modes = ALL, .preemptions = -1, .fails = "data race", .fails_in = MODEL_WEAK)
{
    both(peterson_seqcst);
}

MODEL(peterson_with_fence, .modes = ALL, .preemptions = -1)
{
    both(peterson_fence);
    MODEL_CHECK_EQ(protected, 2);
}

MODEL_SURVIVES("peterson_fence#1->release", "the fence behind it acquires")
MODEL_SURVIVES("peterson_fence#2", "whoever swaps `turn` second reads from the first: no fence")

MODEL(peterson_without_fence, .modes = ALL, .preemptions = -1, .fails = "data race", .fails_in = MODEL_TSO | MODEL_WEAK)
{
    both(peterson_unfenced);
}

MODEL(dekker_with_fence, .modes = ALL, .preemptions = -1)
{
    both(dekker_try);
}

MODEL(dekker_without_fence, .modes = ALL, .preemptions = -1, .fails = "data race", .fails_in = MODEL_TSO | MODEL_WEAK)
{
    both(dekker_try_unfenced);
}

/* ---- Spin locks */

static th_atomic32 lock;

static void spin_lock_user(void *arg)
{
    (void)arg;
    uint32_t seen = 0;
    while (!th_atomic32_cas_acquire(&lock, &seen, 1)) /* [SL1] */
        seen = 0;
    critical();
    th_atomic32_store_release(&lock, 0); /* [SL1] */
}

MODEL(spin_lock_excludes, .modes = ALL)
{
    th_model_thread(spin_lock_user, NULL);
    both(spin_lock_user);
    MODEL_CHECK_EQ(protected, 3);
}

static void spin_lock_relaxed_user(void *arg)
{
    (void)arg;
    while (th_atomic32_exchange_acquire(&lock, 1) == 1)
        continue;
    critical();
    th_atomic32_store_relaxed(&lock, 0);
}

MODEL(spin_lock_with_relaxed_unlock, .modes = ALL, .fails = "data race")
{
    both(spin_lock_relaxed_user);
}

static th_atomic32 next_ticket, now_serving;

static void ticket_user(void *arg)
{
    (void)arg;
    uint32_t mine = th_atomic32_add_relaxed(&next_ticket, 1);
    while (th_atomic32_load_acquire(&now_serving) != mine)
        continue;
    critical();
    th_atomic32_store_release(&now_serving, mine + 1);
}

MODEL(ticket_lock_excludes, .modes = ALL, .preemptions = 2)
{
    th_model_thread(ticket_user, NULL);
    both(ticket_user);
    MODEL_CHECK_EQ(protected, 3);
}

static th_atomic32 counter;

static void increment_in_two(void *arg)
{
    (void)arg;
    th_atomic32_store_seqcst(&counter, th_atomic32_load_seqcst(&counter) + 1);
}

MODEL(increment_in_two_steps_loses_one, .modes = ALL, .fails = "== 2")
{
    both(increment_in_two);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&counter), 2);
}

/* ---- A mutex on a futex: 0 free, 1 held, 2 held and somebody may sleep. */

static th_atomic32 mutex;

static void mutex_lock(void)
{
    uint32_t seen = 0;
    if (th_atomic32_cas_acquire(&mutex, &seen, 1)) /* [MX1] */
        return;
    while (th_atomic32_exchange_acquire(&mutex, 2) != 0) /* [MX1] */
        (void)th_sys_futex_wait(&mutex, 2, TH_SYS_FOREVER);
}

static void mutex_unlock(void)
{
    if (th_atomic32_exchange_release(&mutex, 0) == 2) /* [MX1] */
        th_sys_futex_wake(&mutex, 1);
}

static void mutex_user(void *arg)
{
    (void)arg;
    mutex_lock();
    critical();
    mutex_unlock();
}

MODEL(futex_mutex_excludes_and_wakes, .modes = ALL, .preemptions = 2)
{
    th_model_thread(mutex_user, NULL);
    both(mutex_user);
    MODEL_CHECK_EQ(protected, 3);
}

/* Forgets, once it has slept, that others may sleep too. */
static void forgetful_user(void *arg)
{
    (void)arg;
    uint32_t seen = 0;
    while (!th_atomic32_cas_acquire(&mutex, &seen, 1)) {
        uint32_t held = 1;
        if (seen == 2 || th_atomic32_cas_relaxed(&mutex, &held, 2))
            (void)th_sys_futex_wait(&mutex, 2, TH_SYS_FOREVER);
        seen = 0;
    }
    critical();
    mutex_unlock();
}

MODEL(futex_mutex_that_forgets_sleepers, .modes = ALL, .preemptions = 2, .fails = "deadlock")
{
    th_model_thread(forgetful_user, NULL);
    both(forgetful_user);
}

/* ---- Wake-ups */

static th_atomic32 event;

static void sets_event(void *arg)
{
    (void)arg;
    protected = 7;
    th_atomic32_store_release(&event, 1);
    th_sys_futex_wake(&event, 1);
}

MODEL(event_is_not_lost, .modes = ALL, .preemptions = -1)
{
    th_model_thread(sets_event, NULL);
    while (th_atomic32_load_acquire(&event) == 0)
        (void)th_sys_futex_wait(&event, 0, TH_SYS_FOREVER);
    MODEL_CHECK_EQ(protected, 7);
}

/* Sleeps on whatever the word is by then, not on what it was when the decision to sleep was made. */
MODEL(event_is_lost, .modes = ALL, .fails = "deadlock")
{
    th_model_thread(sets_event, NULL);
    if (th_atomic32_load_acquire(&event) == 0)
        (void)th_sys_futex_wait(&event, th_atomic32_load_relaxed(&event), TH_SYS_FOREVER);
}

/*
 * Submit and sleep: the producer pushes, then looks whether somebody sleeps; the sleeper says that it sleeps, then
 * looks again whether there is work. One of the two must see the other.
 */
static th_atomic32 work, sleeping, bell;

static void submit(void)
{
    th_atomic32_store_release(&work, 1);
    th_fence_seqcst(); /* [SS1] */
    if (th_atomic32_load_relaxed(&sleeping) == 1) {
        th_atomic32_store_release(&bell, 1); /* [SS2] */
        th_sys_futex_wake(&bell, 1);
    }
}

static void submitter(void *arg)
{
    (void)arg;
    protected = 1;
    submit();
}

static bool work_take(void)
{
    return th_atomic32_load_acquire(&work) == 1;
}

MODEL(submit_and_sleep_meet, .modes = ALL, .preemptions = -1, .spurious = MODEL_NONE)
{
    th_model_thread(submitter, NULL);
    if (!work_take()) {
        th_atomic32_store_relaxed(&sleeping, 1);
        th_fence_seqcst(); /* [SS1] */
        if (TH_MUTANT(sleep_without_recheck) || !work_take())
            while (th_atomic32_load_acquire(&bell) == 0) /* [SS2] */
                (void)th_sys_futex_wait(&bell, 0, TH_SYS_FOREVER);
    }
    MODEL_CHECK(work_take());
    MODEL_CHECK_EQ(protected, 1);
}

MODEL_SURVIVES("submit#3", "the fence before it is a release fence too")

/* With release and acquire alone neither may see the other. */
static void submitter_unfenced(void *arg)
{
    (void)arg;
    th_atomic32_store_release(&work, 1);
    if (th_atomic32_load_acquire(&sleeping) == 1) {
        th_atomic32_store_release(&bell, 1);
        th_sys_futex_wake(&bell, 1);
    }
}

MODEL(submit_and_sleep_miss, .modes = ALL, .preemptions = -1, .fails = "deadlock", .fails_in = MODEL_TSO | MODEL_WEAK)
{
    th_model_thread(submitter_unfenced, NULL);
    th_atomic32_store_release(&sleeping, 1);
    if (!work_take())
        while (th_atomic32_load_relaxed(&bell) == 0)
            (void)th_sys_futex_wait(&bell, 0, TH_SYS_FOREVER);
}

/* ---- Initialisation */

struct thing {
    int a, b;
};
static struct thing the_thing;
static th_atomicptr thing;
static th_atomic32 thing_lock;

static struct thing *thing_get(bool is_right)
{
    struct thing *found = is_right ? th_atomicptr_load_acquire(&thing) : th_atomicptr_load_relaxed(&thing); /* [DC1] */
    if (found != NULL)
        return found;
    uint32_t seen = 0;
    while (!th_atomic32_cas_acquire(&thing_lock, &seen, 1))
        seen = 0;
    found = th_atomicptr_load_relaxed(&thing);
    if (found == NULL) {
        found = &the_thing;
        found->a = 1;
        found->b = 2;
        th_atomicptr_store_release(&thing, found); /* [DC1] */
    }
    th_atomic32_store_release(&thing_lock, 0);
    return found;
}

static void thing_user(void *arg)
{
    (void)arg;
    struct thing *found = thing_get(true);
    MODEL_CHECK_EQ(found->a + found->b, 3);
}

static void thing_wrong_user(void *arg)
{
    (void)arg;
    struct thing *found = thing_get(false);
    MODEL_CHECK_EQ(found->a + found->b, 3);
}

MODEL(double_checked_initialisation, .modes = ALL)
{
    both(thing_user);
}

MODEL(double_checked_initialisation_with_relaxed_load, .modes = ALL, .fails = "data race")
{
    both(thing_wrong_user);
}

/* ---- A sequence lock over relaxed words */

static th_atomic32 sequence, data_a, data_b;

static void sequence_writer(void *arg)
{
    (void)arg;
    th_atomic32_store_relaxed(&sequence, 1);
    th_fence_release(); /* [SQ1] */
    th_atomic32_store_relaxed(&data_a, 1);
    th_atomic32_store_relaxed(&data_b, 1);
    th_atomic32_store_release(&sequence, 2); /* [SQ2] */
}

MODEL(sequence_lock_reads_whole_pairs, .modes = ALL, .preemptions = -1)
{
    th_model_thread(sequence_writer, NULL);
    uint32_t before = th_atomic32_load_acquire(&sequence); /* [SQ2] */
    uint32_t a = th_atomic32_load_relaxed(&data_a), b = th_atomic32_load_relaxed(&data_b);
    th_fence_acquire(); /* [SQ1] */
    uint32_t after = th_atomic32_load_relaxed(&sequence);
    if (before == after && before % 2 == 0) {
        MODEL_CHECK_EQ(a, b);
        MODEL_CHECK_EQ(a, before / 2);
    }
}

MODEL(sequence_lock_without_fence, .modes = ALL, .preemptions = -1, .fails = "a == b", .fails_in = MODEL_WEAK)
{
    th_model_thread(sequence_writer, NULL);
    uint32_t before = th_atomic32_load_acquire(&sequence);
    uint32_t a = th_atomic32_load_relaxed(&data_a), b = th_atomic32_load_relaxed(&data_b);
    uint32_t after = th_atomic32_load_relaxed(&sequence);
    if (before == after && before % 2 == 0)
        MODEL_CHECK_EQ(a, b);
}

/* ---- A stack of nodes: pop compares the head alone, so a node that left and came back fools it. */

struct node {
    struct node *next;
    unsigned item;
};
static th_atomicptr head;

static void stack_push(unsigned item)
{
    struct node *node = th_sys_alloc(sizeof *node);
    void *seen = th_atomicptr_load_relaxed(&head);
    node->item = item;
    do
        node->next = seen;
    while (!th_atomicptr_cas_release(&head, &seen, node));
}

static void stack_pop(void *arg)
{
    (void)arg;
    void *seen = th_atomicptr_load_acquire(&head);
    struct node *next;
    do {
        if (seen == NULL)
            return;
        next = ((struct node *)seen)->next;
    } while (!th_atomicptr_cas_acquire(&head, &seen, next));
    th_model_done(((struct node *)seen)->item);
    th_sys_free(seen);
}

static void stack_pop_and_push(void *arg)
{
    stack_pop(arg);
    stack_pop(arg);
    th_model_issue(2);
    stack_push(2);
}

/* Nobody frees under another: a node that is read after another thread freed it. */
MODEL(stack_that_frees_popped_nodes, .modes = MODEL_SC, .preemptions = 2, .fails = "data race on block", .leaks = true)
{
    th_model_issue(0);
    th_model_issue(1);
    stack_push(0);
    stack_push(1);
    both(stack_pop);
}

static struct node pool[3];
static th_atomic64 tagged; /* index + 1 of the head in the low half, a count of pops in the high half */
static th_atomic32 links[4];

static void index_push(uint32_t index)
{
    uint64_t seen = th_atomic64_load_relaxed(&tagged), next;
    do {
        th_atomic32_store_relaxed(&links[index], (uint32_t)seen);
        next = (seen & ~(uint64_t)UINT32_MAX) | index;
    } while (!th_atomic64_cas_release(&tagged, &seen, next));
}

static uint32_t index_pop(uint64_t tag)
{
    uint64_t seen = th_atomic64_load_acquire(&tagged), next;
    do {
        if ((uint32_t)seen == 0)
            return 0;
        next = ((seen & ~(uint64_t)UINT32_MAX) + tag) | th_atomic32_load_relaxed(&links[(uint32_t)seen]);
    } while (!th_atomic64_cas_acquire(&tagged, &seen, next));
    pool[(uint32_t)seen - 1].item++; /* plain: whoever holds the index is alone with it */
    return (uint32_t)seen;
}

static void index_user(void *arg)
{
    uint64_t tag = (uint64_t)(uintptr_t)arg << 32;
    uint32_t first = index_pop(tag), second = index_pop(tag);
    if (first != 0)
        index_push(first);
    if (second != 0)
        pool[second - 1].item++;
}

static void index_two_users(uintptr_t tag)
{
    index_push(1);
    index_push(2);
    index_push(3);
    th_model_thread(index_user, (void *)tag);
    th_model_thread(index_user, (void *)tag);
}

MODEL(index_stack_without_tag_is_fooled, .modes = MODEL_SC, .fails = "data race on pool")
{
    index_two_users(0);
}

MODEL(index_stack_with_tag, .modes = MODEL_SC | MODEL_WEAK, .seconds = 20)
{
    index_two_users(1);
}

MODEL(recycled_memory_fools_a_stack, .modes = MODEL_SC, .preemptions = 2, .recycle = true, .leaks = true,
      .fails = "ledger")
{
    th_model_issue(0);
    th_model_issue(1);
    stack_push(1);
    stack_push(0);
    th_model_thread(stack_pop_and_push, NULL);
    stack_pop(NULL);
    while (th_atomicptr_load_relaxed(&head) != NULL)
        stack_pop(NULL);
}

/* ---- A work-stealing deque on a ring that never grows: the owner at the bottom, thieves at the top. */

enum { RING = 4, EMPTY = 99 };
static th_atomic64 top, bottom;
static th_atomic32 ring[RING];

static void deque_push(uint32_t item)
{
    uint64_t b = th_atomic64_load_relaxed(&bottom);
    th_model_issue(item);
    th_atomic32_store_relaxed(&ring[b % RING], item);
    th_atomic64_store_release(&bottom, b + 1); /* [CL1] */
}

static uint32_t deque_pop_fenced(bool is_fenced)
{
    uint64_t b = th_atomic64_load_relaxed(&bottom) - 1;
    th_atomic64_store_relaxed(&bottom, b);
    if (is_fenced)
        th_fence_seqcst(); /* [CL2] */
    uint64_t t = th_atomic64_load_relaxed(&top);
    if ((int64_t)(b - t) < 0) {
        th_atomic64_store_relaxed(&bottom, b + 1);
        return EMPTY;
    }
    uint32_t item = th_atomic32_load_relaxed(&ring[b % RING]);
    if (b != t)
        return item;
    /* The last one: thieves want it too. */
    if (!TH_MUTANT(take_last_without_asking) && !th_atomic64_cas_relaxed(&top, &t, t + 1))
        item = EMPTY;
    th_atomic64_store_relaxed(&bottom, b + 1);
    return item;
}

static uint32_t deque_pop(void)
{
    return deque_pop_fenced(true);
}

static uint32_t deque_steal(void)
{
    uint64_t t = th_atomic64_load_acquire(&top);
    th_fence_seqcst();                              /* [CL2] */
    uint64_t b = th_atomic64_load_acquire(&bottom); /* [CL1] */
    if ((int64_t)(b - t) <= 0)
        return EMPTY;
    uint32_t item = th_atomic32_load_relaxed(&ring[t % RING]);
    return th_atomic64_cas_seqcst(&top, &t, t + 1) ? item : EMPTY;
}

static void done_unless_empty(uint32_t item)
{
    if (item != EMPTY)
        th_model_done(item);
}

static void thief(void *arg)
{
    (void)arg;
    done_unless_empty(deque_steal());
    done_unless_empty(deque_steal());
}

static void thief_once(void *arg)
{
    (void)arg;
    done_unless_empty(deque_steal());
}

static void deque_drain(void)
{
    for (uint32_t item; (item = deque_pop()) != EMPTY;)
        th_model_done(item);
}

MODEL(deque_hands_out_each_item_once, .modes = ALL, .preemptions = 3)
{
    th_model_thread(thief, NULL);
    deque_push(0);
    deque_push(1);
    done_unless_empty(deque_pop());
    deque_push(2);
    done_unless_empty(deque_pop());
    th_model_join_all();
    deque_drain();
}

MODEL(deque_with_two_thieves, .modes = ALL, .preemptions = 2)
{
    th_model_thread(thief_once, NULL);
    th_model_thread(thief_once, NULL);
    deque_push(0);
    deque_push(1);
    done_unless_empty(deque_pop());
    done_unless_empty(deque_pop());
    th_model_join_all();
    deque_drain();
}

MODEL_SURVIVES("deque_steal#1", "the fence behind it is an acquire fence too")
MODEL_SURVIVES("deque_steal#4", "who asks for the last item is decided by atomicity, not by order")

MODEL(deque_without_fence_in_pop, .modes = ALL, .preemptions = 3, .fails = "done twice",
      .fails_in = MODEL_TSO | MODEL_WEAK)
{
    th_model_thread(thief, NULL);
    deque_push(0);
    deque_push(1);
    done_unless_empty(deque_pop_fenced(false));
    done_unless_empty(deque_pop_fenced(false));
    th_model_join_all();
    deque_drain();
}
