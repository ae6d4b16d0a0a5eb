/*
 * The fault injector: makes the n-th system call or allocation of a kind fail, or come up short.
 *
 * Test builds (TH_FAULTS) count every call, and take a plan from the environment when they begin. In others a seam is a
 * load and a branch until a run with a seed sets a plan (sched/seeded.h).
 * A plan is text, so that a test and the environment (THRUM_FAULTS) speak the same language:
 *
 *     mmap:1:ENOMEM               the first mmap fails with -ENOMEM
 *     write:3:short=1             the third write moves one byte at most
 *     alloc:5+:ENOMEM             the fifth allocation and every later one fails
 *     read:2x4:EINTR              reads 2, 3, 4, 5
 *     recv:%50:EINTR              half of all, always the same ones
 *     mmap:1:ENOMEM,close:*:EIO   several rules; `*` is every call
 *
 * [X1] release th_fault_rules -> acquire th_fault_rules: the rules below the count are filled.
 * [X2] seq-cst lookers, before the look at th_fault_rules -> seq-cst th_fault_rules = 0, before the look at lookers:
 *      either who looks finds no rules, or who writes them waits. Release lookers -> acquire lookers: he has looked.
 *
 * Counting starts when the plan is set. Any thread may call; the counts are atomic. With a seed other threads than the
 * one that set the plan are let alone: what they do is not the run's.
 *
 * Explored by tests/model (model_publish).
 */
#ifndef TH_BASE_FAULT_H
#define TH_BASE_FAULT_H

#include "base/sys.h"

/* Replaces the plan; NULL or "" ends injection. 0, or -EINVAL with a line on stderr that says which rule is bad. */
int th_fault_plan(const char *plan);
/* The same for the calling thread alone; each seed (not 0) draws other calls of those that a percentage leaves open. */
int th_fault_plan_seeded(const char *plan, uint64_t seed);
/* Hears of each call of a plan with a seed that fails (code) or is cut (0); NULL: nobody does. */
extern void (*th_fault_heard)(enum th_sys_call call, int code);
/* Between the two nothing fails and nothing counts: the caller's calls are not the program's. */
void th_fault_hold(void);
void th_fault_release(void);
const char *th_fault_name(enum th_sys_call call);
/* How many calls of a kind were made, and how many were made to fail or shortened, since the plan was set. */
uint64_t th_fault_calls(enum th_sys_call call);
uint64_t th_fault_hits(enum th_sys_call call);
/* What this call must do: 0 go on, else -errno. *bytes may be made smaller. */
int th_fault_check(enum th_sys_call call, size_t *bytes);

/* How many rules there are. */
extern th_atomic32 th_fault_rules;

/* While it is, a call that moved less than it could says nothing of the kernel: it may have been cut. */
TH_INLINE bool th_fault_is_planned(void)
{
    return TH_UNLIKELY(th_atomic32_load_relaxed(&th_fault_rules) != 0);
}

TH_INLINE int th_fault_look(enum th_sys_call call, size_t *bytes)
{
#if !defined(TH_FAULTS)
    if (TH_LIKELY(th_atomic32_load_relaxed(&th_fault_rules) == 0))
        return 0;
#endif
    return th_fault_check(call, bytes);
}

#define TH_FAULT(name)              th_fault_look(TH_SYS_##name, NULL)
#define TH_FAULT_SHORT(name, bytes) th_fault_look(TH_SYS_##name, bytes)

#endif
