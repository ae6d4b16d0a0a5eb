/*
 * Generators: two tasks that take turns, and a value that goes from one to the other.
 *
 * The consumer leaves in `into_` where it wants the value, or the producer leaves in `from_` where it is, if nobody
 * asks any more (a `next` that was cancelled). Whoever comes second copies, so the value crosses once, and neither
 * memory is touched after its owner has gone on: whose wait ends otherwise takes its own pointer back. All under the
 * latch.
 *
 *   state     IDLE -> RUNS: the first next; RUNS -> CLOSED: the consumer leaves; RUNS or CLOSED -> ENDED: the producer
 *             has returned; ENDED -> IDLE: the close is through
 *   into_     only while the consumer is in next; NULL again: it has its value
 *   from_     only while the producer is in yield; NULL again: it was taken
 *   is_wanted the producer's turn: set by next, reset by yield
 *
 * The producer belongs to a group of the consumer's: it inherits cancels and deadlines, and the close waits for it.
 *
 * Rejected: handing out pointers into the producer's stack (a producer that is cancelled unwinds it while the consumer
 * still reads); a channel of capacity 0 (its sender goes on when its value is taken, and would be one ahead).
 *
 * Explored by tests/model (model_generator).
 */
#include <thrum/generator.h>

#include "base/latch.h"
#include "task/await.h"
#include "task/life.h"
#include "task/waiting.h"

#include <errno.h>
#include <string.h>

enum { IDLE, RUNS, CLOSED, ENDED };

static struct th_latch *latch_of(struct thrum_generator *generator)
{
    return (struct th_latch *)&generator->latch_;
}

static void take_latch(struct thrum_generator *generator)
{
    th_latch_take(latch_of(generator));
}

static void leave_latch(struct thrum_generator *generator)
{
    th_latch_leave(latch_of(generator));
}

/* Ends a side's wait, if it waits. */
static void wake(struct th_waiter **side)
{
    if (*side != NULL)
        (void)th_await_wake(*side, TH_WAKE_PLAIN);
    *side = NULL;
}

static const struct th_wait_kind generator_kind = {.name = "the other side of generator"};

/* Waits as a side until the other one wakes it; latch held on entry and on return. */
static int await_other(struct thrum_generator *generator, struct th_waiter **side, struct th_waiter *waiter)
{
    *side = waiter;
    leave_latch(generator);
    th_waiting_begin(&generator_kind, generator);
    int code = th_await(waiter, TH_SYS_FOREVER);
    th_waiting_end();
    take_latch(generator);
    *side = NULL;
    return code;
}

/* ---- The producer ---- */

static int run_producer(void *arg)
{
    struct thrum_generator *generator = arg;
    int result = generator->fn_(generator, generator->arg_);
    take_latch(generator);
    bool was_told_to_end = generator->state_ == CLOSED && result == -ECANCELED;
    generator->result_ = result < 0 && !was_told_to_end ? result : 0;
    generator->state_ = ENDED;
    wake(&generator->consumer_);
    leave_latch(generator);
    return 0;
}

static void offer(struct thrum_generator *generator, const void *item)
{
    generator->is_wanted_ = 0;
    if (generator->into_ != NULL) {
        memcpy(generator->into_, item, generator->item_bytes_);
        generator->into_ = NULL;
        wake(&generator->consumer_);
    } else {
        generator->from_ = item;
    }
}

/* Latch held. */
static int yield(struct thrum_generator *generator, const void *item)
{
    struct th_waiter waiter;
    int code = generator->state_ == RUNS ? th_await_begin(&waiter) : -ECANCELED;
    if (code < 0)
        return code;
    offer(generator, item);
    code = await_other(generator, &generator->producer_, &waiter);
    if (!TH_MUTANT(generator_leaves_its_item))
        generator->from_ = NULL;
    if (generator->state_ == CLOSED)
        return -ECANCELED;
    TH_ASSERT(generator->is_wanted_ != 0 || code < 0);
    return generator->is_wanted_ != 0 ? 0 : code;
}

int thrum_generator_yield(thrum_generator *generator, const void *item)
{
    take_latch(generator);
    int code = yield(generator, item);
    leave_latch(generator);
    return code;
}

/* ---- The consumer; latch held ---- */

static int begin(struct thrum_generator *generator)
{
    int code = th_task_spawn(&generator->group_, run_producer, generator);
    if (code == 0)
        generator->state_ = RUNS;
    return code;
}

static int ask(struct thrum_generator *generator, void *item)
{
    struct th_waiter waiter;
    int code = th_await_begin(&waiter);
    if (code < 0)
        return code;
    generator->into_ = item;
    generator->is_wanted_ = 1;
    wake(&generator->producer_);
    code = await_other(generator, &generator->consumer_, &waiter);
    bool has_item = generator->into_ == NULL;
    if (!TH_MUTANT(generator_leaves_its_place))
        generator->into_ = NULL;
    if (has_item)
        return 1;
    TH_ASSERT(generator->state_ == ENDED || code < 0);
    return generator->state_ == ENDED ? generator->result_ : code;
}

static int next(struct thrum_generator *generator, void *item)
{
    int code = generator->state_ == IDLE ? begin(generator) : 0;
    if (code < 0)
        return code;
    if (generator->from_ != NULL) {
        memcpy(item, generator->from_, generator->item_bytes_);
        generator->from_ = NULL;
        return 1;
    }
    return generator->state_ == ENDED ? generator->result_ : ask(generator, item);
}

int thrum_generator_next(thrum_generator *generator, void *item)
{
    take_latch(generator);
    int code = next(generator, item);
    leave_latch(generator);
    return code;
}

int thrum_generator_close(thrum_generator *generator)
{
    take_latch(generator);
    bool is_idle = generator->state_ == IDLE, is_early = generator->state_ == RUNS;
    if (is_early) {
        generator->state_ = CLOSED;
        wake(&generator->producer_);
    }
    leave_latch(generator);
    if (is_idle)
        return 0;
    if (is_early)
        thrum_cancel(&generator->group_);
    int code = thrum_group_wait(&generator->group_);
    if (code == -EPERM)
        return code;
    generator->state_ = IDLE;
    return generator->result_;
}
