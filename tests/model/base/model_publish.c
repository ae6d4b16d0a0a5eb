/*
 * What is published by one word and read by anybody, at any time: the arena of stacks (fiber/stack), the kinds of a
 * select's cases (task/cases), a plan of faults (base/fault).
 */
#include "model/model.h"

#include "base/fault.h"
#include "fiber/stack.h"
#include "task/cases.h"

#include <errno.h>

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

/* ---- The arena: who stands in none asks while it opens */

enum { LOW_ADDRESS = 4096 }; /* in an arena whose base is not known yet */

static void open_arena(void *arg)
{
    (void)arg;
    struct th_stack_options options = {.slot_bytes = 32 << 10, .slots = 64, .is_uncoloured = true};
    MODEL_CHECK_EQ(th_stack_open(&options), 0);
}

MODEL(an_arena_that_opens_holds_nobody_else, .modes = ALL, .preemptions = 3)
{
    th_model_thread(open_arena, NULL);
    MODEL_CHECK(!th_stack_contains(LOW_ADDRESS));
    th_model_join_all();
    th_stack_close();
}

/* ---- Kinds of cases: a module adds its own when it is first used */

static struct th_case_kind kind, none;

static bool is_always_ready(const thrum_case *which)
{
    (void)which;
    return true;
}

static void add_kind(void *arg)
{
    (void)arg;
    kind.is_ready = is_always_ready;
    th_case_add_kind(THRUM_CASE_READABLE_, &kind);
}

MODEL(a_kind_of_case_is_whole, .modes = ALL, .preemptions = 3)
{
    thrum_case which = thrum_case_make_(THRUM_CASE_READABLE_, NULL, NULL, 0);
    th_case_add_kind(THRUM_CASE_READABLE_, &none);
    th_model_thread(add_kind, NULL);
    const struct th_case_kind *seen = th_case_kind_of(&which);
    MODEL_CHECK(seen == &none || seen->is_ready == is_always_ready);
    th_model_join_all();
}

/* ---- Faults: a plan is set while calls are made */

static void plan(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(th_fault_plan("read:1+:EINTR"), 0);
}

MODEL(a_plan_of_faults_is_whole, .modes = ALL, .preemptions = 3)
{
    th_model_thread(plan, NULL);
    int code = th_fault_check(TH_SYS_read, NULL);
    MODEL_CHECK(code == 0 || code == -EINTR);
    th_model_join_all();
    MODEL_CHECK_EQ(th_fault_check(TH_SYS_read, NULL), -EINTR);
}

static void plan_anew(void *arg)
{
    (void)arg;
    MODEL_CHECK_EQ(th_fault_plan("read:1+:EIO"), 0);
}

MODEL(a_plan_of_faults_takes_the_place_of_another, .modes = ALL, .preemptions = 3)
{
    MODEL_CHECK_EQ(th_fault_plan("read:1+:EINTR"), 0);
    th_model_thread(plan_anew, NULL);
    int code = th_fault_check(TH_SYS_read, NULL);
    MODEL_CHECK(code == 0 || code == -EINTR || code == -EIO);
    th_model_join_all();
    MODEL_CHECK_EQ(th_fault_check(TH_SYS_read, NULL), -EIO);
}

MODEL_SURVIVES("[L1]", "one thread alone opens the arena; see model_lock")
MODEL_SURVIVES("th_stack_close#1", "who ran in the arena has ended before it closes")
