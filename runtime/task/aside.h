/*
 * Calls that run aside: as a task of their own in a lane (sched/crew.h), while the caller waits.
 *
 *   state    RUNNING     the caller waits in its first wait, or has left it
 *            AWAITED     its first wait was ended by its scope when the call had begun: it waits once more, firmly
 *            DONE        the result is there
 *
 *   [BL1] release state -> acquire state: whoever comes second, the end or the caller, sees what the first did
 *
 * The call's memory is the caller's stack. Who ends the call reads the first wait before it says DONE, and touches
 * nothing after that, but for the second wait, which he ends himself.
 *
 * Explored by tests/model (model_aside).
 */
#ifndef TH_TASK_ASIDE_H
#define TH_TASK_ASIDE_H

#include <thrum/blocking.h>

#include "sched/crew.h"

/* thrum_blocking in a lane of one's choice. */
int th_blocking_run(enum th_lane_kind lane, thrum_fn fn, void *arg);

#endif
