#include "task/post.h"

#include "sched/idle.h"
#include "task/life.h"

#include <errno.h>
#include <string.h>

void th_posts_init(struct th_posts *posts)
{
    memset(posts, 0, sizeof *posts);
    for (int i = 0; i < TH_POST_WORDS; i++)
        th_atomic64_store_relaxed(&posts->free[i], UINT64_MAX);
}

struct th_task *th_post_take(struct th_posts *posts)
{
    for (int i = 0; i < TH_POST_WORDS; i++) {
        uint64_t free = th_atomic64_load_relaxed(&posts->free[i]);
        while (free != 0) {
            uint64_t bit = free & -free;
            if (th_atomic64_cas_acquire(&posts->free[i], &free, free & ~bit)) /* [P1] */
                return &posts->tasks[i * 64 + __builtin_ctzll(bit)];
        }
    }
    return NULL;
}

void th_post_put(struct th_posts *posts, struct th_task *task)
{
    size_t index = (size_t)(task - posts->tasks);
    (void)th_atomic64_or_release(&posts->free[index / 64], (uint64_t)1 << (index % 64)); /* [P1] */
}

int thrum_post(thrum_runtime *runtime, thrum_fn fn, void *arg)
{
    struct th_task *task = th_post_take(runtime->posts);
    if (task == NULL)
        return -EAGAIN;
    th_runtime_visit(runtime);
    th_task_fill(task, runtime, th_task_id_outside(), fn, arg);
    task->flags = TH_TASK_IS_POST;
    (void)th_atomic64_add_release(&runtime->foreign_spawned, 1); /* [Q1] */
    bool is_in = th_worker_inject(runtime, task);
    if (!is_in) {
        (void)th_atomic64_sub_release(&runtime->foreign_spawned, 1); /* [Q1] */
        task->id = 0;
        th_post_put(runtime->posts, task);
        /* Who was about to end the runtime may have seen it counted, and stepped back: he has to look again. */
        th_idle_notify(runtime);
    }
    th_runtime_leave(runtime);
    return is_in ? 0 : -ESHUTDOWN;
}
