/* base/latch: one holder at a time, who sees what the last one wrote; what is under it may go with its next holder. */
#include "model/model.h"

#include "base/latch.h"
#include "base/sys.h"

static struct th_latch latch;
static int count; /* plain: under the latch */

static void hold(void *arg)
{
    (void)arg;
    th_latch_take(&latch);
    count++;
    th_latch_leave(&latch);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(latch_of_two, .modes = ALL, .preemptions = 3)
{
    th_model_thread(hold, NULL);
    hold(NULL);
    hold(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(count, 3);
}

MODEL(latch_of_three, .preemptions = 2, .stale = 2)
{
    th_model_thread(hold, NULL);
    th_model_thread(hold, NULL);
    hold(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(count, 3);
}

struct thing {
    struct th_latch latch;
    int references;
};

static struct thing *thing;

static void drop(void *arg)
{
    struct thing *mine = thing;
    (void)arg;
    th_latch_take(&mine->latch);
    bool is_last = --mine->references == 0;
    th_latch_leave(&mine->latch);
    if (is_last)
        th_sys_free(mine);
}

MODEL(latch_goes_with_its_last_holder, .modes = ALL, .preemptions = 3)
{
    thing = th_sys_alloc_zeroed(sizeof *thing);
    thing->references = 2;
    th_model_thread(drop, NULL);
    drop(NULL);
}
