/* Channels in C++: static, typed, and of a type of one's own. */
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
