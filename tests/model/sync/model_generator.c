/*
 * sync/generator: each value crosses once or is taken back, whatever is cancelled; the producer is never ahead; a close
 * ends it, and what it did is seen after.
 *
 * The producer is a thread of the checker, its group is that thread.
 */
#include "model/model.h"

#include <thrum/generator.h>

#include "model/sync/played_waits.h"

enum { VALUES = 2 };

static int producer;     /* its thread */
static thrum_fn run;     /* and what that runs */
static int asked, begun; /* plain: how many values were asked for, and begun */
static int did;          /* plain: the producer's last act */
static bool is_checking; /* that it is not ahead */

static void run_thread(void *arg)
{
    (void)run(arg);
}

int th_task_spawn(struct thrum_group *group, thrum_fn fn, void *arg)
{
    (void)group;
    run = fn;
    producer = th_model_thread(run_thread, arg);
    return 0;
}

void thrum_cancel(thrum_group *group)
{
    (void)group;
    cancel_thread((void *)(uintptr_t)producer);
}

int thrum_group_wait(thrum_group *group)
{
    (void)group;
    th_model_join(producer);
    return 0;
}

/* Yields 1, 2; each is taken (the ledger) or taken back. */
static int produce(thrum_generator *generator, void *arg)
{
    int code = 0;
    for (int i = 1; i <= VALUES && code == 0; i++) {
        if (is_checking)
            MODEL_CHECK(++begun <= asked);
        code = thrum_generator_yield(generator, &i);
        use_the_stack();
    }
    did = 1;
    return code < 0 ? code : *(int *)arg;
}

static int ends_with;
static thrum_generator generator = THRUM_GENERATOR(produce, &ends_with, sizeof(int));

static int ask_for_one(int *item)
{
    asked++;
    int code = thrum_generator_next(&generator, item);
    use_the_stack();
    return code;
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(generator_gives_each_value_and_its_end, .modes = ALL, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    int item = 0;
    is_checking = true;
    ends_with = -EIO;
    for (int i = 1; i <= VALUES; i++) {
        MODEL_CHECK_EQ(ask_for_one(&item), 1);
        MODEL_CHECK_EQ(item, i);
    }
    MODEL_CHECK_EQ(ask_for_one(&item), -EIO);
    MODEL_CHECK_EQ(thrum_generator_close(&generator), -EIO);
    MODEL_CHECK_EQ(did, 1);
}

MODEL(generator_is_closed_early, .modes = ALL, .preemptions = 2, .stale = 2)
{
    int item = 0;
    is_checking = true;
    MODEL_CHECK_EQ(ask_for_one(&item), 1);
    MODEL_CHECK_EQ(item, 1);
    MODEL_CHECK_EQ(thrum_generator_close(&generator), 0);
    MODEL_CHECK_EQ(did, 1);
    MODEL_CHECK_EQ(begun, 1);
}

/* The consumer's wait is cancelled; the value that it asked for comes with the next call. */
MODEL(generator_next_meets_cancel, .preemptions = 2, .stale = 2, .spurious = MODEL_NONE)
{
    int item = 0, canceller = th_model_thread(cancel_thread, (void *)0);
    int code = thrum_generator_next(&generator, &item);
    use_the_stack();
    if (code < 0) {
        MODEL_CHECK_EQ(code, -ECANCELED);
        MODEL_CHECK_EQ(item, 0);
        th_model_join(canceller);
        end_cancel();
        code = thrum_generator_next(&generator, &item);
    }
    MODEL_CHECK_EQ(code, 1);
    MODEL_CHECK_EQ(item, 1);
    MODEL_CHECK_EQ(thrum_generator_close(&generator), 0);
}

static void cancel_producer(void *arg)
{
    (void)arg;
    if (producer != 0)
        cancel_thread((void *)(uintptr_t)producer);
}

/* The producer is cancelled by others, at any time: it ends, and what it had not handed over is gone. */
MODEL(generator_producer_meets_cancel, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    int item = 0, code = ask_for_one(&item);
    MODEL_CHECK_EQ(code, 1);
    th_model_thread(cancel_producer, NULL);
    code = ask_for_one(&item);
    MODEL_CHECK(code == -ECANCELED || (code == 1 && item == 2));
    int closed = thrum_generator_close(&generator);
    MODEL_CHECK(closed == 0 || closed == -ECANCELED);
    MODEL_CHECK_EQ(did, 1);
}

/* First the consumer is cancelled, so that the value stays with the producer; then that is, and takes it back. */
MODEL(generator_both_meet_cancel, .preemptions = 2, .stale = 1, .spurious = MODEL_NONE)
{
    int item = 0, canceller = th_model_thread(cancel_thread, (void *)0);
    int code = thrum_generator_next(&generator, &item);
    th_model_join(canceller);
    end_cancel();
    if (code < 0) {
        cancel_producer(NULL);
        code = thrum_generator_next(&generator, &item);
        use_the_stack();
    }
    MODEL_CHECK((code == 1 && item == 1) || (code == -ECANCELED && item == 0));
    (void)thrum_generator_close(&generator);
}
