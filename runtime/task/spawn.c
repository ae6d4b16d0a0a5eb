/* Starting tasks: from tasks, from foreign threads, with and without a handle. */
#include "task/life.h"

#include "base/origins.h"
#include "base/sys.h"
#include "task/group.h"
#include "task/locals.h"
#include "task/scope.h"

#include <errno.h>
#include <string.h>

/* The first task that uses a group opens it. */
static void open_group(struct thrum_group *group, struct th_task *self)
{
    if (group->opener_ == NULL) {
        group->opener_ = self;
        group->is_shielded_ = (th_atomic32_load_relaxed(&self->cancel) & TH_TASK_IS_SHIELDED) != 0;
        self->flags += TH_TASK_OPEN_GROUP;
    }
}

static void join_group(struct thrum_group *group, struct th_task *task, struct th_task *self)
{
    task->group = group;
    if (TH_LIKELY(group->opener_ == self))
        group->elsewhere_++;
    else
        th_group_child_added(group);
}

/* From a thread that runs no tasks: into an open group, through the injection stack. */
static int start_outside(struct thrum_group *group, struct th_task *task)
{
    struct thrum_runtime *runtime = task->runtime;
    join_group(group, task, NULL);
    th_runtime_visit(runtime);
    (void)th_atomic64_add_release(&runtime->foreign_spawned, 1); /* [Q1] */
    /* The group's opener lives, so the runtime has not ended; at most it is looking whether it may. */
    while (!th_worker_inject(runtime, task))
        th_cpu_relax();
    th_runtime_leave(runtime);
    return 0;
}

static bool is_cancelled(struct thrum_group *group)
{
    return th_atomic32_load_acquire(th_group_cancel(group)) != 0; /* [G2] */
}

static bool has_deadline(const struct th_task *task)
{
    return (th_atomic32_load_relaxed(&task->cancel) & TH_TASK_HAS_DEADLINE) != 0;
}

/* Makes a task, not yet started; the caller is a task or, with an open group, a foreign thread. */
static int make(struct th_fiber *fiber, struct thrum_group *group, thrum_fn fn, void *arg, struct th_task **made)
{
    if (TH_UNLIKELY(fiber == NULL)) {
        if (group == NULL || group->opener_ == NULL)
            return -EPERM;
        *made = th_task_make_outside(group->opener_->runtime, fn, arg);
    } else {
        *made = th_task_make(th_worker_of(fiber), fn, arg);
    }
    if (TH_UNLIKELY(*made == NULL))
        return -ENOMEM;
    if (TH_UNLIKELY(group != NULL && is_cancelled(group))) {
        th_task_discard(fiber != NULL ? th_worker_of(fiber) : NULL, *made);
        return -ECANCELED;
    }
    return 0;
}

static int start(struct th_fiber *fiber, struct thrum_group *group, struct th_task *task)
{
    if (TH_UNLIKELY(fiber == NULL))
        return start_outside(group, task);
    struct th_task *self = fiber->task;
    if (TH_UNLIKELY(self->locals != NULL))
        task->locals = th_locals_share(self->locals);
    if (TH_UNLIKELY(has_deadline(self)))
        th_scope_inherit(self, task);
    if (group != NULL) {
        open_group(group, self);
        join_group(group, task, self);
    }
    th_task_enqueue(th_worker_of(fiber), task);
    return 0;
}

static TH_NOINLINE int spawn_otherwise(struct th_fiber *fiber, struct thrum_group *group, thrum_fn fn, void *arg)
{
    struct th_task *task;
    int code = make(fiber, group, fn, arg, &task);
    return TH_UNLIKELY(code < 0) ? code : start(fiber, group, task);
}

int th_task_spawn(struct thrum_group *group, thrum_fn fn, void *arg)
{
    return spawn_otherwise(th_fiber_self(), group, fn, arg);
}

/* The way of nearly all spawns, by the opener of a group, laid out so that it does nothing twice; whatever is special
 * takes the other. */
int thrum_spawn(thrum_group *group, thrum_fn fn, void *arg)
{
    struct th_fiber *fiber = th_fiber_self();
    if (TH_UNLIKELY(fiber == NULL || group == NULL))
        return th_point_after(spawn_otherwise(fiber, group, fn, arg));
    struct th_task *self = fiber->task;
    open_group(group, self);
    if (TH_UNLIKELY(group->opener_ != self || is_cancelled(group) || self->locals != NULL || has_deadline(self)))
        return th_point_after(spawn_otherwise(fiber, group, fn, arg));
    struct th_worker *worker = th_worker_of(fiber);
    struct th_task *task = th_task_make(worker, fn, arg);
    if (TH_UNLIKELY(task == NULL))
        return -ENOMEM;
    task->group = group;
    group->elsewhere_++;
    th_task_enqueue(worker, task);
    th_point();
    return 0;
}

int thrum_spawn_copy(thrum_group *group, thrum_fn fn, const void *args, size_t bytes)
{
    void *copy = th_sys_alloc(bytes != 0 ? bytes : 1);
    if (copy == NULL)
        return -ENOMEM;
    if (bytes != 0)
        memcpy(copy, args, bytes);
    struct th_fiber *fiber = th_fiber_self();
    struct th_task *task;
    int code = make(fiber, group, fn, copy, &task);
    if (code == 0) {
        task->flags = TH_TASK_HAS_COPY;
        code = start(fiber, group, task);
    }
    if (code < 0)
        th_sys_free(copy);
    return th_point_after(code);
}

int thrum_task_start(thrum_task **handle, thrum_group *group, const thrum_task_options *options, thrum_fn fn, void *arg)
{
    struct th_fiber *fiber = th_fiber_self();
    struct th_task *task;
    int code = make(fiber, group, fn, arg, &task);
    if (code < 0)
        return code;
    task->flags = TH_TASK_HAS_HANDLE;
    task->name = options != NULL ? options->name : NULL;
    th_atomic32_store_relaxed(&task->references, 2);
    th_atomicptr_store_relaxed(&task->done, NULL);
    *handle = (thrum_task *)task; /* the task may ask for it at once */
    th_origin_note(TH_ORIGIN_HANDLE, task->id, fn, task->name);
    return th_point_after(start(fiber, group, task));
}
