/*
 * Random trees of tasks: each node does what a seed says (yields, sleeps, starts children in groups or with handles,
 * fails, posts) and adds its number to a sum that is known beforehand, whatever the order.
 */
#include "task/harness.h"

struct world {
    thrum_runtime *runtime;
    th_atomic64 sum;
    th_atomic32 posts_made, posts_run;
};

struct node {
    struct world *world;
    uint64_t seed;
    uint32_t size; /* nodes of this tree, itself counted */
};

static int run_node(void *arg);

static void add(struct world *world, uint64_t number)
{
    (void)th_atomic64_add_relaxed(&world->sum, number);
}

static int run_post(void *arg)
{
    struct world *world = arg;
    add(world, 1);
    count_up(&world->posts_run);
    return 0;
}

static void idle_a_little(struct th_random *random)
{
    switch (th_random_below(random, 8)) {
    case 0:
        CHECK_EQ(thrum_sleep(th_random_below(random, 200000)), 0);
        break;
    case 1:
        CHECK_EQ(thrum_sleep(0), 0);
        break;
    case 2:
    case 3:
        thrum_yield();
        break;
    default:
        break;
    }
}

static void post_a_little(struct world *world, struct th_random *random)
{
    if (th_random_below(random, 8) == 0 && thrum_post(world->runtime, run_post, world) == 0) {
        count_up(&world->posts_made);
    }
}

/* Parts of random sizes that sum up to what is left. */
static uint32_t part(struct th_random *random, uint32_t left)
{
    return 1 + th_random_below(random, left);
}

static void grow_in_group(const struct node *node, struct th_random *random, uint32_t left)
{
    thrum_group group = THRUM_GROUP_WITH(THRUM_EACH);
    bool has_failed = false;
    while (left > 0) {
        struct node child = {.world = node->world, .seed = th_random_next(random), .size = part(random, left)};
        left -= child.size;
        CHECK_EQ(thrum_spawn_copy(&group, run_node, &child, sizeof child), 0);
        has_failed |= child.seed % 5 == 0;
        idle_a_little(random);
    }
    CHECK_EQ(thrum_group_wait(&group), has_failed ? -EIO : 0);
}

static void grow_with_handles(const struct node *node, struct th_random *random, uint32_t left)
{
    enum { MOST = 8 };
    struct node children[MOST];
    thrum_task *tasks[MOST];
    uint32_t count = 0;
    for (; left > 0; count++) {
        uint32_t size = count == MOST - 1 ? left : part(random, left);
        children[count] = (struct node){.world = node->world, .seed = th_random_next(random), .size = size};
        left -= size;
        CHECK_EQ(thrum_task_start(&tasks[count], NULL, NULL, run_node, &children[count]), 0);
        idle_a_little(random);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i % 2 ? i / 2 : count - 1 - i / 2; /* from both ends */
        int result = 1;
        CHECK_EQ(thrum_join(tasks[at], &result), 0);
        CHECK_EQ(result, children[at].seed % 5 == 0 ? -EIO : 0);
    }
}

static int run_node(void *arg)
{
    struct node node = *(const struct node *)arg;
    struct th_random random;
    th_random_init(&random, node.seed);
    idle_a_little(&random);
    add(node.world, node.seed % 1000);
    if (node.size > 1) {
        if (th_random_below(&random, 3) == 0)
            grow_with_handles(&node, &random, node.size - 1);
        else
            grow_in_group(&node, &random, node.size - 1);
    }
    post_a_little(node.world, &random);
    idle_a_little(&random);
    add(node.world, 1000);
    return node.seed % 5 == 0 ? -EIO : 0;
}

static int grow(void *arg)
{
    struct node *root = arg;
    root->world->runtime = thrum_runtime_current();
    int expected = root->seed % 5 == 0 ? -EIO : 0;
    CHECK_EQ(run_node(root), expected);
    count_wait(&root->world->posts_run, count_of(&root->world->posts_made));
    return 0;
}

/* How often 1000 was added is the number of nodes. */
static void stress(unsigned workers, uint32_t size)
{
    struct th_random random;
    th_random_init(&random, kit_seed() + workers);
    struct world world = {.runtime = NULL};
    struct node root = {.world = &world, .seed = th_random_next(&random), .size = size};
    run_on(workers, grow, &root);
    uint64_t sum = th_atomic64_load_relaxed(&world.sum) - count_of(&world.posts_run);
    CHECK_EQ(count_of(&world.posts_run), count_of(&world.posts_made));
    CHECK_GE(sum, (uint64_t)size * 1000);
    CHECK_LT(sum, (uint64_t)size * 2000);
}

TEST(random_trees_on_1_worker_add_up)
{
    stress(1, (uint32_t)fewer(50000, 3000));
}

TEST(random_trees_on_2_workers_add_up)
{
    stress(2, (uint32_t)fewer(50000, 3000));
}

TEST(random_trees_on_4_workers_add_up)
{
    stress(4, (uint32_t)fewer(50000, 3000));
}

TEST(random_trees_on_16_workers_add_up)
{
    stress(16, (uint32_t)fewer(30000, 2000));
}

TEST(random_trees_on_64_workers_add_up)
{
    stress(64, (uint32_t)fewer(30000, 1000));
}

/* Fresh runtimes: start, growth and end have races of their own. */
TEST(random_small_trees_on_many_short_runtimes_add_up)
{
    struct th_random random;
    th_random_init(&random, kit_seed());
    for (int i = 0; i < fewer(1000, 60); i++) {
        struct world world = {.runtime = NULL};
        struct node root = {.world = &world, .seed = th_random_next(&random), .size = 1 + th_random_below(&random, 40)};
        run_on(1 + th_random_below(&random, 8), grow, &root);
    }
}
