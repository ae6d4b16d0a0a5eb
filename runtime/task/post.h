/*
 * Tasks from signal handlers: a fixed set of records that is taken from without a lock or an allocation.
 *
 *   [P1] release bit set in free -> acquire bit taken: the record's last life is over
 *
 * Explored by tests/model (model_post, model_drain).
 */
#ifndef TH_TASK_POST_H
#define TH_TASK_POST_H

#include "sched/task_record.h"

enum { TH_POSTS = 256, TH_POST_WORDS = TH_POSTS / 64 };

struct th_posts {
    th_atomic64 free[TH_POST_WORDS]; /* a: a bit for each record that is free */
    struct th_task tasks[TH_POSTS];
};

void th_posts_init(struct th_posts *posts);
struct th_task *th_post_take(struct th_posts *posts);
void th_post_put(struct th_posts *posts, struct th_task *task);

#endif
