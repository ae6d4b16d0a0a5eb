/* For models of workers: no dispatch is looked at (sched/watched.h). */
#include "sched/watched.h"

void th_watched_leaves(struct th_worker *worker)
{
    (void)worker;
}

bool th_watched_sends_away(struct th_worker *worker, struct th_task *task)
{
    (void)worker;
    (void)task;
    return false;
}

void th_watched_stall_begins(struct th_worker *worker, enum th_lane_kind lane)
{
    (void)worker;
    (void)lane;
}

void th_watched_stall_ends(struct th_worker *worker)
{
    (void)worker;
}
