/*
 * sched/wait: of all who end a wait one wins; the task is made ready exactly once, after its context is saved and by
 * one who sees that; what the winner did before is seen after the wait.
 */
#include "model/model.h"

#include "sched/wait.h"

static struct th_task task;
static th_atomic64 told;   /* the epoch + 1, for those who end the wait */
static th_atomic32 ready;  /* how often the task was made ready */
static int context;        /* plain: what a switch saves */
static int done_before[4]; /* plain: what each winner did before */

static void end_wait(uint32_t epoch, uint32_t reason)
{
    done_before[reason] = 1;
    switch (th_wait_win(&task, epoch, reason)) {
    case TH_WAIT_LOST:
    case TH_WAIT_EARLY:
        break;
    case TH_WAIT_ITS_WAKE:
        MODEL_CHECK_EQ(context, 1);
        context = 0; /* it runs, on this worker */
        (void)th_atomic32_add_release(&ready, 1);
        break;
    }
}

static void contender(void *arg)
{
    uint64_t known = th_atomic64_load_acquire(&told);
    if (known != 0)
        end_wait((uint32_t)(known - 1), (uint32_t)(uintptr_t)arg);
}

static void sure_contender(void *arg)
{
    uint64_t known;
    while ((known = th_atomic64_load_acquire(&told)) == 0)
        continue;
    end_wait((uint32_t)(known - 1), (uint32_t)(uintptr_t)arg);
}

/* A whole wait, as a worker sees it: its own thread stands for the processor that saves the context. */
static void wait_once(void)
{
    uint32_t epoch = th_wait_begin(&task);
    th_atomic64_store_release(&told, (uint64_t)epoch + 1);
    context = 1;
    if (th_wait_commit(&task)) {
        while (th_atomic32_load_acquire(&ready) == 0)
            continue;
        MODEL_CHECK_EQ(context, 0);
    }
    uint32_t reason = th_wait_reason(&task);
    MODEL_CHECK_EQ(done_before[reason], 1);
    MODEL_CHECK(th_atomic32_load_relaxed(&ready) <= 1);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(wait_has_one_winner, .modes = ALL, .preemptions = 3)
{
    th_model_thread(sure_contender, (void *)(uintptr_t)TH_WAKE_TIMER);
    th_model_thread(contender, (void *)(uintptr_t)TH_WAKE_CANCEL);
    wait_once();
}

MODEL(wait_by_one, .modes = ALL, .preemptions = MODEL_UNBOUNDED)
{
    th_model_thread(sure_contender, (void *)(uintptr_t)TH_WAKE_PLAIN);
    wait_once();
}

/* A contender of the wait before must not end this one. */
static void late_contender(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(th_wait_win(&task, 1, TH_WAKE_CLOSE), TH_WAIT_LOST);
}

MODEL(wait_is_not_ended_by_an_old_epoch, .modes = ALL, .preemptions = 3)
{
    MODEL_CHECK_EQ(th_wait_begin(&task), 1);
    th_wait_abandon(&task);
    th_model_thread(late_contender, NULL);
    th_model_thread(sure_contender, (void *)(uintptr_t)TH_WAKE_PLAIN);
    wait_once();
}
MODEL_SURVIVES("[W4]", "no deadlines here: see model_scope")
MODEL_SURVIVES("th_wait_commit#1->acq_rel", "no scopes here: see model_scope")
