/*
 * Lanes: where tasks wait that run aside, each kind on its own, and how many of each may run at once.
 *
 * A lane has a few threads that are its alone, so that a crowd in another one never keeps it waiting. The rest of the
 * threads are for whoever comes: who waits for all of them in vain has his few, and all of them where nobody else
 * wants any.
 *
 *   room = those of its own that are free + those of all that are free, up to its bound
 *
 * Rejected: fixed shares. The lane of what blocks without saying so had three eighths of all threads, and 256 tasks
 * that each blocked for 50 ms got 3,870 blocks a second done where 4,900 were possible, while half of the threads were
 * kept for nobody.
 *
 * All of it is under the crew's lock.
 */
#ifndef TH_SCHED_LANE_H
#define TH_SCHED_LANE_H

#include "sched/queue.h"

/* What runs aside, and why. */
enum th_lane_kind { TH_LANE_BLOCKING, TH_LANE_HOGS, TH_LANE_USER, TH_LANE_FILES, TH_LANE_NAMES, TH_LANE_OWN, TH_LANES };

struct th_lane {
    struct th_queue queue;
    uint32_t running;
    uint32_t least; /* of threads that are its own */
    uint32_t most;  /* of them at once */
};

struct th_lanes {
    struct th_lane of[TH_LANES];
    uint32_t shared; /* threads for all, that are free */
};

/* For a runtime with so many permits and spares. */
void th_lanes_init(struct th_lanes *lanes, uint32_t permits, uint32_t spares);

TH_INLINE uint32_t th_lane_lesser(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* How many more of its tasks may run now. */
TH_INLINE uint32_t th_lanes_room(const struct th_lanes *lanes, enum th_lane_kind kind)
{
    const struct th_lane *lane = &lanes->of[kind];
    uint32_t own = lane->least - th_lane_lesser(lane->running, lane->least);
    return th_lane_lesser(own + lanes->shared, lane->most - th_lane_lesser(lane->running, lane->most));
}

/* One of its tasks runs; there is room. */
TH_INLINE void th_lanes_begin(struct th_lanes *lanes, enum th_lane_kind kind)
{
    struct th_lane *lane = &lanes->of[kind];
    lanes->shared -= lane->running++ >= lane->least;
}

TH_INLINE void th_lanes_end(struct th_lanes *lanes, enum th_lane_kind kind)
{
    struct th_lane *lane = &lanes->of[kind];
    lanes->shared += --lane->running >= lane->least;
}

/* Tasks of a lane that wait although they may run. */
TH_INLINE uint32_t th_lanes_due(const struct th_lanes *lanes, enum th_lane_kind kind)
{
    return th_lane_lesser(th_queue_count(&lanes->of[kind].queue), th_lanes_room(lanes, kind));
}

#endif
