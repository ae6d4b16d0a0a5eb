/*
 * Futures: set once, awaited by many, called by many.
 *
 * Who touches a future is its user, any task or thread, at any time; so its lists have a lock. The lock and the state
 * are one word, for one reason: the moment at which the future is over must be the setter's last touch of it, since it
 * often lies on the stack of whoever waits for it.
 *
 *   word        who                  from                 to            then
 *   PENDING     anybody, to enter    PENDING              HELD          the lists are his
 *   HELD        anybody, to enter    HELD                 CONTENDED     sleeps on the word
 *   CONTENDED   who woke up          PENDING              CONTENDED     the lists are his; somebody may sleep still
 *               who leaves           HELD, CONTENDED      PENDING       wakes one, if contended
 *               the setter           HELD, CONTENDED      over          wakes all sleepers; touches it no more
 *   over        nobody                                                  result and value are there, for good
 *
 * The setter ends the waits while it is inside; a waiter that runs before the setter has left waits for the word. A
 * waiter whose wait ends otherwise enters and takes itself off the list, or finds the future over, and then has its
 * result after all. So the waits' memory, on their waiters' stacks, lives as long as the list knows it.
 *
 *   [F1] release PENDING (who leaves) -> acquire PENDING (who enters): the lists are as they were left
 *   [F2] release over -> acquire over: result and value
 *   [F3] release reference drop -> acquire last drop: nobody looks at a created future any more
 *
 * Calls run after that, on copies, one after the other: a chain of futures, however long, does not nest.
 *
 * Rejected: ending the waits after the word says that it is over (a waiter that was cancelled at that moment could not
 * tell when the setter has done with its node); a task for each step of a chain (4 KiB each, and no chains without a
 * runtime).
 *
 * Explored by tests/model (model_future).
 */
#include <thrum/future.h>

#include "base/panic.h"
#include "base/sys.h"
#include "task/await.h"
#include "task/waiting.h"

#include <errno.h>
#include <string.h>

enum { PENDING, HELD, CONTENDED, OVER = 3 }; /* OVER - 1 + enum thrum_future_state from there on */

struct th_future_wait {
    struct th_waiter waiter;
    struct th_future_wait *previous, *next;
};

/* A call, or a step of a chain: then it is the first part of a `struct step`. */
struct th_future_call {
    struct th_future_call *next;
    void (*call)(void *arg, int result); /* NULL: a step */
    void *arg;
};

/* A created future, with what it waits for if it is the next of a chain. */
struct step {
    struct th_future_call link;
    thrum_then_fn fn;
    struct thrum_future future;
};

static th_atomic32 *word_of(const struct thrum_future *future)
{
    return (th_atomic32 *)(uintptr_t)&future->word_;
}

static bool is_over(const struct thrum_future *future)
{
    return th_atomic32_load_acquire(word_of(future)) >= OVER; /* [F2] */
}

/* ---- The word ---- */

/* Who ends the future may have taken the word between a leave and the one that this leave has woken: it says HELD then,
 * although others sleep. So the one that was woken, who finds the future over, wakes the others. */
static TH_NOINLINE bool enter_contended(th_atomic32 *word, uint32_t seen)
{
    bool has_slept = false;
    for (;;) {
        if (seen >= OVER) {
            if (has_slept)
                (void)th_sys_futex_wake(word, INT32_MAX);
            return false;
        }
        if (seen != CONTENDED && !th_atomic32_cas_acquire(word, &seen, CONTENDED)) /* [F1] [F2] */
            continue;
        if (seen == PENDING)
            return true;
        (void)th_sys_futex_wait(word, CONTENDED, TH_SYS_FOREVER);
        has_slept = true;
        seen = th_atomic32_load_acquire(word); /* [F2] */
    }
}

/* False if the future is over. */
static bool enter(struct thrum_future *future)
{
    uint32_t seen = PENDING;
    return th_atomic32_cas_acquire(word_of(future), &seen, HELD) || /* [F1] [F2] */
           enter_contended(word_of(future), seen);
}

static void leave(struct thrum_future *future)
{
    th_atomic32 *word = word_of(future);
    if (th_atomic32_exchange_release(word, PENDING) == CONTENDED) /* [F1] */
        (void)th_sys_futex_wake(word, 1);
}

static void leave_for_ever(struct thrum_future *future, enum thrum_future_state state)
{
    th_atomic32 *word = word_of(future);
    if (th_atomic32_exchange_release(word, OVER - 1 + (uint32_t)state) == CONTENDED) /* [F2] */
        (void)th_sys_futex_wake(word, INT32_MAX);
}

/* ---- Setting ---- */

struct outcome {
    int result;
    void *value;
};

static struct outcome outcome_of(const struct thrum_future *future)
{
    return (struct outcome){future->result_, future->value_};
}

static enum thrum_future_state state_for(int result)
{
    if (result >= 0)
        return THRUM_FUTURE_DONE;
    return result == -ECANCELED ? THRUM_FUTURE_CANCELLED : THRUM_FUTURE_FAILED;
}

static void wake_all(const struct thrum_future *future)
{
    struct th_future_wait *wait = future->waits_;
    struct th_wakes wakes = {0};
    while (wait != NULL) {
        struct th_future_wait *next = wait->next;
        (void)th_await_wake_among(&wakes, &wait->waiter, TH_WAKE_PLAIN);
        wait = next;
    }
    th_await_wake_rest(&wakes);
}

/* False if it was over; else its calls, which are the caller's to run. */
static bool finish(struct thrum_future *future, struct outcome outcome, struct th_future_call **calls)
{
    if (!enter(future))
        return false;
    future->result_ = outcome.result;
    future->value_ = outcome.value;
    *calls = future->calls_;
    if (!TH_MUTANT(future_over_before_wakes))
        wake_all(future);
    leave_for_ever(future, state_for(outcome.result));
    if (TH_MUTANT(future_over_before_wakes))
        wake_all(future);
    return true;
}

/* A step's turn has come: if it was still pending and has calls itself, it is put on the list of those. */
static void take_step(struct step *step, struct outcome outcome, struct th_future_call **done)
{
    struct th_future_call *calls = NULL;
    if (outcome.result >= 0 && !is_over(&step->future))
        outcome.result = step->fn(step->link.arg, &outcome.value);
    if (outcome.result < 0)
        outcome.value = NULL;
    if (finish(&step->future, outcome, &calls) && calls != NULL) {
        step->link.next = *done;
        *done = &step->link;
    } else {
        thrum_future_drop(&step->future);
    }
}

static void run_calls(struct th_future_call *calls, struct outcome outcome, struct th_future_call **done)
{
    while (calls != NULL) {
        struct th_future_call *call = calls;
        calls = call->next;
        if (call->call == NULL) {
            take_step(TH_CONTAINER(call, struct step, link), outcome, done);
        } else {
            call->call(call->arg, outcome.result);
            th_sys_free(call);
        }
    }
}

/* Runs the calls of a future, and those of its next ones that are over by that, and so on. */
static void run_all_calls(struct th_future_call *calls, struct outcome outcome)
{
    struct th_future_call *done = NULL;
    run_calls(calls, outcome, &done);
    while (done != NULL) {
        struct step *step = TH_CONTAINER(done, struct step, link);
        done = done->next;
        run_calls(step->future.calls_, outcome_of(&step->future), &done);
        thrum_future_drop(&step->future);
    }
}

static int set(struct thrum_future *future, struct outcome outcome)
{
    struct th_future_call *calls;
    if (!finish(future, outcome, &calls))
        return -EALREADY;
    run_all_calls(calls, outcome);
    return th_point_after(0);
}

int thrum_future_set(thrum_future *future, void *value)
{
    return set(future, (struct outcome){.value = value});
}

int thrum_future_set_result(thrum_future *future, int result)
{
    return set(future, (struct outcome){.result = result});
}

int thrum_future_fail(thrum_future *future, int failure)
{
    return failure < 0 ? set(future, (struct outcome){.result = failure}) : -EINVAL;
}

int thrum_future_cancel(thrum_future *future)
{
    return set(future, (struct outcome){.result = -ECANCELED});
}

/* ---- Asking ---- */

static int take(const struct thrum_future *future, void **value)
{
    if (value != NULL)
        *value = future->value_;
    return future->result_;
}

int thrum_future_result(const thrum_future *future, void **value)
{
    return is_over(future) ? take(future, value) : -EAGAIN;
}

int thrum_future_state(const thrum_future *future)
{
    uint32_t seen = th_atomic32_load_acquire(word_of(future)); /* [F2] */
    return seen >= OVER ? (int)(seen - (OVER - 1)) : THRUM_FUTURE_PENDING;
}

static const struct th_wait_kind future_kind = {.name = "future"};

static void hang(struct thrum_future *future, struct th_future_wait *wait)
{
    wait->next = NULL;
    wait->previous = future->last_wait_;
    *(wait->previous != NULL ? &wait->previous->next : &future->waits_) = wait;
    future->last_wait_ = wait;
}

static void take_off(struct thrum_future *future, const struct th_future_wait *wait)
{
    *(wait->previous != NULL ? &wait->previous->next : &future->waits_) = wait->next;
    *(wait->next != NULL ? &wait->next->previous : &future->last_wait_) = wait->previous;
}

/* 0: the future is over. */
static int wait_for(struct thrum_future *future, thrum_time when)
{
    struct th_future_wait wait;
    int code = th_await_begin(&wait.waiter);
    if (code < 0)
        return code;
    if (!enter(future)) {
        th_await_abandon(&wait.waiter);
        return 0;
    }
    hang(future, &wait);
    leave(future);
    th_waiting_begin(&future_kind, future);
    code = th_await(&wait.waiter, when);
    th_waiting_end();
    if (TH_MUTANT(future_wait_leaves_its_node) && code != TH_WAKE_PLAIN)
        return -ETIMEDOUT;
    /* Woken by the setter it cannot be entered any more; otherwise it may still be set meanwhile. */
    if (!enter(future))
        return 0;
    TH_ASSERT(code != TH_WAKE_PLAIN);
    take_off(future, &wait);
    leave(future);
    return code < 0 ? code : -ETIMEDOUT;
}

int thrum_future_wait_until(thrum_future *future, void **value, thrum_time when)
{
    int code = is_over(future) ? 0 : wait_for(future, when);
    return code < 0 ? code : take(future, value);
}

int thrum_future_wait(thrum_future *future, void **value)
{
    return thrum_future_wait_until(future, value, THRUM_FOREVER);
}

/* ---- What comes next ---- */

/* Puts a call on the list, or makes it if the future is over. */
static void add_call(struct thrum_future *future, struct th_future_call *call)
{
    call->next = NULL;
    if (!enter(future)) {
        run_all_calls(call, outcome_of(future));
        return;
    }
    *(future->last_call_ != NULL ? &future->last_call_->next : &future->calls_) = call;
    future->last_call_ = call;
    leave(future);
}

int thrum_future_on_done(thrum_future *future, void (*call)(void *arg, int result), void *arg)
{
    struct th_future_call *made = th_sys_alloc(sizeof *made);
    if (made == NULL)
        return -ENOMEM;
    *made = (struct th_future_call){.call = call, .arg = arg};
    add_call(future, made);
    return 0;
}

static struct step *make_step(thrum_then_fn fn, void *arg, uint32_t references)
{
    struct step *step = th_sys_alloc(sizeof *step);
    if (step != NULL)
        *step = (struct step){.fn = fn, .link = {.arg = arg}, .future = {.references_ = references}};
    return step;
}

int thrum_future_then(thrum_future *future, thrum_then_fn fn, void *arg, thrum_future **next)
{
    struct step *step = make_step(fn, arg, 2);
    if (step == NULL)
        return -ENOMEM;
    *next = &step->future;
    add_call(future, &step->link);
    return 0;
}

/* ---- Created ones ---- */

int thrum_future_create(thrum_future **future)
{
    struct step *step = make_step(NULL, NULL, 1);
    if (step == NULL)
        return -ENOMEM;
    *future = &step->future;
    return 0;
}

static th_atomic32 *references_of(struct thrum_future *future)
{
    return (th_atomic32 *)&future->references_;
}

thrum_future *thrum_future_hold(thrum_future *future)
{
    (void)th_atomic32_add_relaxed(references_of(future), 1);
    return future;
}

void thrum_future_drop(thrum_future *future)
{
    uint32_t before = th_atomic32_sub_acqrel(references_of(future), 1); /* [F3] */
    THRUM_CHECK(before != 0, "a future was dropped once too often, or was not created by thrum_future_create");
    if (before != 1)
        return;
    /* Nobody can set it any more, and whoever asked to be called would wait for ever. */
    (void)thrum_future_cancel(future);
    th_sys_free(TH_CONTAINER(future, struct step, future));
}
