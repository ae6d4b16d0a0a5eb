/* base/lock: one holder at a time, who sees what the one before wrote, and no sleeper is forgotten. */
#include "model/model.h"

#include "base/lock.h"

static struct th_lock lock;
static int protected; /* plain */

static void use_lock(void *arg)
{
    (void)arg;
    th_lock_take(&lock);
    protected++;
    th_lock_leave(&lock);
}

static void try_lock(void *arg)
{
    (void)arg;
    if (!th_lock_try(&lock))
        return;
    protected++;
    th_lock_leave(&lock);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(lock_excludes, .modes = ALL, .preemptions = 2)
{
    th_model_thread(use_lock, NULL);
    use_lock(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(protected, 2);
}

MODEL(lock_wakes_each_sleeper, .modes = ALL, .preemptions = 1, .exhausted = 2)
{
    th_model_thread(use_lock, NULL);
    th_model_thread(use_lock, NULL);
    use_lock(NULL);
    th_model_join_all();
    MODEL_CHECK_EQ(protected, 3);
}

MODEL(lock_try_gives_up_or_holds, .modes = ALL, .preemptions = 2)
{
    th_model_thread(use_lock, NULL);
    try_lock(NULL);
}
