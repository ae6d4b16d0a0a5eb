#include "sched/lane.h"

static uint32_t sum_of_least(const struct th_lanes *lanes)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < TH_LANES; i++)
        sum += lanes->of[i].least;
    return sum;
}

static uint32_t part(uint32_t spares, uint32_t parts)
{
    return spares >= parts ? spares / parts : 1;
}

void th_lanes_init(struct th_lanes *lanes, uint32_t permits, uint32_t spares)
{
    lanes->of[TH_LANE_BLOCKING].least = part(spares, 8);
    lanes->of[TH_LANE_HOGS].least = th_lane_lesser(permits, spares);
    lanes->of[TH_LANE_USER].least = part(spares, 8);
    lanes->of[TH_LANE_FILES].least = part(spares, 16);
    lanes->of[TH_LANE_NAMES].least = part(spares, 16);
    lanes->of[TH_LANE_OWN].least = part(spares, 8);
    uint32_t least = sum_of_least(lanes);
    lanes->shared = spares - th_lane_lesser(least, spares);
    for (uint32_t i = 0; i < TH_LANES; i++)
        lanes->of[i].most = lanes->of[i].least;
    /* More hogs than cores serve nobody, and disks and name servers have queues of their own. */
    lanes->of[TH_LANE_BLOCKING].most += lanes->shared;
    lanes->of[TH_LANE_USER].most += lanes->shared;
}
