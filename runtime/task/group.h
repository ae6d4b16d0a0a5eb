/*
 * Groups: who waits for whom.
 *
 * Most children of a group are spawned by its opener and many end on the opener's own stack, run in place while it
 * waits. Those are counted in plain memory, by the opener alone: `elsewhere` is how many it has spawned and not run
 * itself. Everybody else goes through one word:
 *
 *   word = count << 1 | is_waiting
 *   a child that ended elsewhere     +1 to the count
 *   a child spawned by a member      -1
 *   the opener, parked               - elsewhere, and is_waiting
 *   the opener, late                 takes that back
 *
 * Whoever brings the word to exactly `is_waiting` with a count of 0 wakes the opener. The opener subtracts only
 * after its context is saved; a child's addition is its last touch of the group, but for the last child: it still has
 * to read whom to wake. The opener waits for that wake, with one exception: its deadline was quicker. Then that child
 * says so (`was_told`), and the opener, who finds when it takes its subtraction back that the last child has come,
 * waits for this word instead.
 *
 *   [G1] release of a child's addition -> acquire in the opener: what the child did is seen after the wait
 *   [G3] release was_told -> acquire was_told: the child has looked its last
 *   [G2] release cancel -> acquire in thrum_cancelled: what the canceller did before is seen
 *
 * Explored by tests/model (model_group, model_park).
 */
#ifndef TH_TASK_GROUP_H
#define TH_TASK_GROUP_H

#include <thrum/task.h>

#include "base/atomic.h"
#include "sched/runtime.h"

enum { TH_GROUP_WAITING = 1, TH_GROUP_ONE = 2 };

struct th_task;

TH_INLINE th_atomic64 *th_group_word(struct thrum_group *group)
{
    return (th_atomic64 *)&group->word_;
}

TH_INLINE th_atomic32 *th_group_cancel(struct thrum_group *group)
{
    return (th_atomic32 *)&group->cancel_;
}

/* From 88 bytes on gcc clears one by a string instruction, at 20 cycles: fib took half as long again. */
_Static_assert(sizeof(thrum_group) <= 80, "cleared by a few stores");
_Static_assert(sizeof(((thrum_group *)0)->roster_) == sizeof(struct th_roster), "a roster in a user's memory");

TH_INLINE struct th_roster *th_group_roster(struct thrum_group *group)
{
    return (struct th_roster *)(void *)&group->roster_;
}

TH_INLINE th_atomic32 *th_group_was_told(struct thrum_group *group)
{
    return (th_atomic32 *)&group->was_told_;
}

/* A child has ended elsewhere than in place: true if the opener must be woken by the caller. */
TH_INLINE bool th_group_child_ended(struct thrum_group *group)
{
    return th_atomic64_add_acqrel(th_group_word(group), TH_GROUP_ONE) + TH_GROUP_ONE == TH_GROUP_WAITING; /* [G1] */
}

/* A member that is not the opener spawns one more. */
TH_INLINE void th_group_child_added(struct thrum_group *group)
{
    (void)th_atomic64_sub_relaxed(th_group_word(group), TH_GROUP_ONE);
}

/* The opener, its context saved, waits for `count` children that it has spawned: true if all have ended already. */
TH_INLINE bool th_group_commit(struct thrum_group *group, uint64_t count)
{
    uint64_t change = TH_GROUP_WAITING - count * TH_GROUP_ONE;
    return th_atomic64_add_acqrel(th_group_word(group), change) + change == TH_GROUP_WAITING; /* [G1] */
}

/* The opener goes on without having been woken by a child: true if all have ended meanwhile. */
TH_INLINE bool th_group_take_back(struct thrum_group *group, uint64_t count)
{
    uint64_t change = TH_GROUP_WAITING - count * TH_GROUP_ONE;
    return th_atomic64_sub_relaxed(th_group_word(group), change) == TH_GROUP_WAITING;
}

/* All children have ended and the opener waits: wakes it. */
void th_group_wake_opener(struct thrum_group *group);

/* A child's result counts for the group. */
void th_group_take_result(struct thrum_group *group, const struct th_task *child, int result);

#endif
