/*
 * task/group: the opener of a group goes on when its last child has ended, once, by one of them or by itself, after its
 * context is saved; it sees what they did, and nobody touches the group after that.
 */
#include "model/model.h"

#include "base/mutant.h"
#include "task/group.h"

#include <string.h>

enum { CHILDREN_MOST = 3 };

static struct thrum_group group;
static th_atomic32 woken;      /* how often a child has woken the opener */
static int context;            /* plain: what a switch saves */
static int did[CHILDREN_MOST]; /* plain: what the children did */
static int added;              /* plain: how many children were spawned by children */

static void end_child(unsigned number)
{
    did[number] = 1;
    if (!th_group_child_ended(&group))
        return;
    MODEL_CHECK_EQ(context, 1);
    context = 0; /* it runs, on this worker */
    (void)th_atomic32_add_release(&woken, 1);
}

static void child(void *arg)
{
    end_child((unsigned)(uintptr_t)arg);
}

/* Spawns one more, which somebody else runs, and ends before or behind it. */
static void spawning_child(void *arg)
{
    unsigned number = (unsigned)(uintptr_t)arg;
    added++;
    th_group_child_added(&group);
    (void)th_model_thread(child, (void *)(uintptr_t)(CHILDREN_MOST - 1));
    end_child(number);
}

/* The switch to another stack, and what is done there: true if nobody else wakes the opener. */
static bool save_and_commit(void)
{
    if (TH_MUTANT(commit_before_save)) {
        bool is_over = th_group_commit(&group, group.elsewhere_);
        context = 1;
        return is_over;
    }
    context = 1;
    return th_group_commit(&group, group.elsewhere_);
}

static void park(void)
{
    if (save_and_commit())
        return;
    while (th_atomic32_load_acquire(&woken) == 0)
        continue;
    MODEL_CHECK_EQ(context, 0);
}

/* thrum_group_wait as its worker sees it: its own thread stands for the processor that saves the context. */
static void wait_for(uint64_t spawned, uint64_t ended_here)
{
    group.elsewhere_ = spawned - ended_here;
    if (th_atomic64_load_acquire(th_group_word(&group)) != (spawned - ended_here) * TH_GROUP_ONE)
        park();
    MODEL_CHECK(th_atomic32_load_relaxed(&woken) <= 1);
    for (uint64_t i = 0; i < spawned - ended_here; i++)
        MODEL_CHECK_EQ(did[i], 1);
    MODEL_CHECK_EQ(did[CHILDREN_MOST - 1], added);
    /* Whoever touched the group now would race. */
    memset(&group, 0, sizeof group);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(group_waits_for_one, .modes = ALL, .preemptions = MODEL_UNBOUNDED)
{
    th_model_thread(child, (void *)0);
    wait_for(1, 0);
}

MODEL(group_waits_for_two, .modes = ALL, .preemptions = 4)
{
    th_model_thread(child, (void *)0);
    th_model_thread(child, (void *)1);
    wait_for(2, 0);
}

/* Of three children one ended in place. */
MODEL(group_counts_who_ended_in_place, .modes = ALL, .preemptions = 3)
{
    th_model_thread(child, (void *)0);
    th_model_thread(child, (void *)1);
    wait_for(3, 1);
}

MODEL(group_waits_for_childrens_children, .modes = ALL, .preemptions = 3)
{
    th_model_thread(spawning_child, (void *)0);
    th_model_thread(child, (void *)1);
    wait_for(2, 0);
}
