/* task/post: a record that is posted belongs to one poster at a time, who sees that its last life is over. */
#include "model/model.h"

#include "task/post.h"

enum { RECORDS = 2 };

static struct th_posts posts;

static void set_up(void)
{
    th_atomic64_store_relaxed(&posts.free[0], (1 << RECORDS) - 1);
}

/* Posts, and another life of the record, which a worker would end. */
static void use_record(void *arg)
{
    struct th_task *task = th_post_take(&posts);
    if (task == NULL) {
        MODEL_CHECK(arg == NULL);
        return;
    }
    task->id++; /* plain: alone */
    th_post_put(&posts, task);
}

static void use_twice(void *arg)
{
    use_record(arg);
    use_record(arg);
}

static uint64_t lives(void)
{
    th_model_join_all();
    MODEL_CHECK_EQ(th_atomic64_load_relaxed(&posts.free[0]), (1 << RECORDS) - 1);
    return posts.tasks[0].id + posts.tasks[1].id;
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(post_records_are_enough_for_two, .modes = ALL, .preemptions = MODEL_UNBOUNDED)
{
    set_up();
    th_model_thread(use_twice, &posts);
    use_twice(&posts);
    MODEL_CHECK_EQ(lives(), 4);
}

/* A third finds none, or one. */
MODEL(post_records_run_out, .modes = ALL, .preemptions = 3)
{
    set_up();
    th_model_thread(use_record, NULL);
    th_model_thread(use_record, NULL);
    use_record(NULL);
    uint64_t count = lives();
    MODEL_CHECK(count == 2 || count == 3);
}
