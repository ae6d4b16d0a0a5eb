/* sched/hogs: what got stuck before is known, bounded, and forgotten again. */
#include "kit/kit.h"
#include "sched/crew.h"

static struct th_hogs hogs;

static th_task_fn function(uintptr_t number)
{
    return (th_task_fn)(0x10000 + number * 16);
}

TEST(one_stall_is_enough_to_be_known_and_short_runs_undo_it)
{
    CHECK_EQ(th_hogs_lane_of(&hogs, function(1)), -1);
    th_hogs_blame(&hogs, function(1), TH_LANE_BLOCKING);
    CHECK_EQ(th_hogs_lane_of(&hogs, function(1)), TH_LANE_BLOCKING);
    th_hogs_blame(&hogs, function(1), TH_LANE_HOGS);
    CHECK_EQ(th_hogs_lane_of(&hogs, function(1)), TH_LANE_HOGS);
    for (int i = 0; i < 3; i++)
        th_hogs_praise(&hogs, function(1));
    CHECK_EQ(th_hogs_lane_of(&hogs, function(1)), -1);
    th_hogs_praise(&hogs, function(1));
    th_hogs_praise(&hogs, function(1));
    CHECK_EQ(th_atomic32_load_relaxed(&hogs.known), 0);
}

TEST(what_is_not_confirmed_fades)
{
    int64_t now = 0;
    for (int i = 0; i < 20; i++)
        th_hogs_blame(&hogs, function(1), TH_LANE_BLOCKING);
    int fades = 0;
    while (th_atomic32_load_relaxed(&hogs.known) > 0) {
        th_hogs_fade(&hogs, now += 10000000000);
        fades++;
    }
    CHECK_EQ(th_hogs_lane_of(&hogs, function(1)), -1);
    CHECK_EQ(fades, 4); /* the score has a bound: 8, 4, 2, 1 */
}

TEST(fading_takes_its_time)
{
    th_hogs_blame(&hogs, function(1), TH_LANE_BLOCKING);
    th_hogs_fade(&hogs, 10000000000);
    th_hogs_blame(&hogs, function(1), TH_LANE_BLOCKING);
    for (int i = 0; i < 100; i++)
        th_hogs_fade(&hogs, 10000000000 + i);
    CHECK_EQ(th_hogs_lane_of(&hogs, function(1)), TH_LANE_BLOCKING);
}

TEST(ten_thousand_functions_find_no_more_than_the_places)
{
    for (uintptr_t i = 0; i < 10000; i++) {
        th_hogs_blame(&hogs, function(i), TH_LANE_HOGS);
        CHECK_EQ(th_hogs_lane_of(&hogs, function(i)), TH_LANE_HOGS);
    }
    uint32_t known = 0;
    for (uintptr_t i = 0; i < 10000; i++)
        known += th_hogs_lane_of(&hogs, function(i)) >= 0;
    CHECK_LE(known, TH_HOGS);
    CHECK_EQ(known, th_atomic32_load_relaxed(&hogs.known));
}

TEST(who_got_stuck_often_keeps_his_place_among_those_who_did_once)
{
    for (int i = 0; i < 4; i++)
        th_hogs_blame(&hogs, function(0), TH_LANE_HOGS);
    for (uintptr_t i = 1; i < 1000; i++)
        th_hogs_blame(&hogs, function(i), TH_LANE_BLOCKING);
    CHECK_EQ(th_hogs_lane_of(&hogs, function(0)), TH_LANE_HOGS);
}
