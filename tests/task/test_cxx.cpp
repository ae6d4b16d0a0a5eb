/* The public face from C++: initialisers, the block form, policies. */
#include <thrum.h>

#include "kit/kit.h"

namespace
{

int add_one(void *arg)
{
    ++*static_cast<int *>(arg);
    return 0;
}

int answer(void *)
{
    return 42;
}

int use_groups(void *arg)
{
    thrum_group race = THRUM_GROUP_WITH(THRUM_RACE);
    CHECK_EQ(thrum_spawn(&race, answer, nullptr), 0);
    CHECK_EQ(thrum_group_wait(&race), 42);
    THRUM_GROUP(group)
    {
        CHECK_EQ(thrum_spawn(&group, add_one, arg), 0);
    }
    return *static_cast<int *>(arg);
}

} // namespace

TEST(groups_read_the_same_in_cxx)
{
    int count = 0;
    CHECK_EQ(thrum_run(use_groups, &count), 1);
}
