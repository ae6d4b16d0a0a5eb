/*
 * The fault injector: makes the n-th system call or allocation of a kind fail, or come up short.
 *
 * It exists in test builds only (TH_FAULTS); elsewhere each seam is the constant 0 and the compiler removes it.
 * A plan is text, so that a test and the environment (THRUM_FAULTS) speak the same language:
 *
 *     mmap:1:ENOMEM               the first mmap fails with -ENOMEM
 *     write:3:short=1             the third write moves one byte at most
 *     alloc:5+:ENOMEM             the fifth allocation and every later one fails
 *     read:2x4:EINTR              reads 2, 3, 4, 5
 *     recv:%50:EINTR              half of all, always the same ones
 *     mmap:1:ENOMEM,close:*:EIO   several rules; `*` is every call
 *
 * [X1] release rule_count -> acquire rule_count: the rules below the count are filled.
 *
 * Counting starts when the plan is set. Any thread may call; the counts are atomic.
 *
 * Explored by tests/model (model_publish).
 */
#ifndef TH_BASE_FAULT_H
#define TH_BASE_FAULT_H

#include "base/sys.h"

#if defined(TH_FAULTS)

/* Replaces the plan; NULL or "" ends injection. 0, or -EINVAL with a line on stderr that says which rule is bad. */
int th_fault_plan(const char *plan);
/* How many calls of a kind were made, and how many were made to fail or shortened, since the plan was set. */
uint64_t th_fault_calls(enum th_sys_call call);
uint64_t th_fault_hits(enum th_sys_call call);
/* What this call must do: 0 go on, else -errno. *bytes may be made smaller. */
int th_fault_check(enum th_sys_call call, size_t *bytes);

#define TH_FAULT(name)              th_fault_check(TH_SYS_##name, NULL)
#define TH_FAULT_SHORT(name, bytes) th_fault_check(TH_SYS_##name, bytes)

#else

#define TH_FAULT(name)              0
#define TH_FAULT_SHORT(name, bytes) 0

#endif
#endif
