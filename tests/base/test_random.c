#include "base/random.h"
#include "kit/kit.h"

TEST(the_same_seed_gives_the_same_choices)
{
    struct th_random a, b;
    th_random_init(&a, 7);
    th_random_init(&b, 7);
    for (int i = 0; i < 1000; i++)
        CHECK_EQ(th_random_next(&a), th_random_next(&b));
}

TEST(neighbouring_seeds_differ_at_once)
{
    struct th_random a, b;
    th_random_init(&a, 0);
    th_random_init(&b, 1);
    CHECK_NE(th_random_next(&a), th_random_next(&b));
}

TEST(below_covers_its_range_evenly)
{
    struct th_random random;
    th_random_init(&random, kit_seed());
    unsigned seen[10] = {0};
    for (int i = 0; i < 100000; i++) {
        uint32_t choice = th_random_below(&random, 10);
        CHECK_LT(choice, 10);
        seen[choice]++;
    }
    /* 10,000 expected, standard deviation 95: ten of them is no accident. */
    for (int i = 0; i < 10; i++) {
        CHECK_GT(seen[i], 9000);
        CHECK_LT(seen[i], 11000);
    }
    CHECK_EQ(th_random_below(&random, 1), 0);
}
