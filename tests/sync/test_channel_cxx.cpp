/* Channels and select in C++: static, typed, and of a type of one's own. */
#include <thrum.h>

#include "kit/kit.h"

namespace
{
struct point {
    double x, y;
};

THRUM_CHANNEL_OF(points, point);

int memory[2];
thrum_chan channel = THRUM_CHAN_INIT(memory, sizeof(int), 2);
} // namespace

TEST(channels_read_the_same_in_cxx)
{
    points chan;
    point got = {0, 0};
    int number = 3;
    CHECK_EQ(points_create(&chan, 1), 0);
    CHECK_EQ(points_send(chan, point{1, 2}), 0);
    CHECK_EQ(points_receive(chan, &got), 0);
    CHECK_EQ(got.y, 2);
    points_destroy(chan);
    CHECK_EQ(thrum_chan_try_send(&channel, &number), 0);
    CHECK_EQ(thrum_chan_length(&channel), 1);
}

TEST(select_reads_the_same_in_cxx)
{
    int number = 4, got = 0;
    thrum_chan *chan = nullptr;
    CHECK_EQ(thrum_chan_create(&chan, sizeof number, 1), 0);
    thrum_case cases[] = {THRUM_RECEIVE(chan, &got), THRUM_AFTER(THRUM_MS(1)), THRUM_JOINED(nullptr), THRUM_DEFAULT};
    CHECK_EQ(thrum_select(cases, 4), 3);
    cases[3] = THRUM_SEND(chan, &number);
    CHECK_EQ(thrum_select(cases, 4), 3);
    CHECK_EQ(thrum_select(cases, 3), 0);
    CHECK_EQ(got, 4);
    thrum_chan_destroy(chan);
}
