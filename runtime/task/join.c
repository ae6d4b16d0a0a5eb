/* Handles: join, hold, drop, ask, be called. */
#include "task/life.h"

#include "base/sys.h"

#include <errno.h>

static struct th_task *task_of(const thrum_task *handle)
{
    return (struct th_task *)(uintptr_t)handle;
}

/* ---- Waiting ---- */

/* A child that has not begun runs here and now, on the stack that waits for it. */
static bool run_if_fresh(struct th_fiber *self, struct th_task *task)
{
    struct th_worker *worker = th_worker_of(self);
    if (th_atomicptr_load_relaxed(&task->home) != worker || !th_task_has_room(self))
        return false;
    th_worker_enter(worker);
    /* Once more inside: a thief may have been quicker. */
    bool is_here = th_atomicptr_load_relaxed(&task->home) == worker;
    if (is_here)
        th_worker_remove_fresh(worker, task);
    th_worker_leave(worker);
    if (is_here) {
        struct thrum_group *group = task->group;
        th_task_run_in_place(self, task);
        th_task_tell_group(th_worker_of(self), group);
    }
    return is_here;
}

static void wait_as_task(struct th_fiber *self, struct th_task *task)
{
    struct th_task *me = self->task;
    struct th_done node = {.waiter = me, .epoch = th_wait_begin(me)};
    if (th_done_add(task, &node))
        (void)th_park(me);
    else
        th_wait_abandon(me);
}

struct thread_waiter {
    th_atomic32 is_done;
};

/* [T4] release is_done -> acquire: the thread sees the task's end; the waker's last touch is the futex's address. */
static void wake_thread(void *arg, int result)
{
    struct thread_waiter *waiter = arg;
    (void)result;
    th_atomic32_store_release(&waiter->is_done, 1); /* [T4] */
    (void)th_sys_futex_wake(&waiter->is_done, 1);
}

static void wait_as_thread(struct th_task *task)
{
    struct thread_waiter waiter = {.is_done = TH_ATOMIC_INIT(0)};
    struct th_done node = {.call = wake_thread, .arg = &waiter};
    if (!th_done_add(task, &node))
        return;
    while (th_atomic32_load_acquire(&waiter.is_done) == 0) /* [T4] */
        (void)th_sys_futex_wait(&waiter.is_done, 0, TH_SYS_FOREVER);
}

static void join(struct th_fiber *self, struct th_task *task, int *result)
{
    if (!th_done_is_closed(task)) {
        if (self == NULL)
            wait_as_thread(task);
        else if (!run_if_fresh(self, task))
            wait_as_task(self, task);
    }
    if (result != NULL)
        *result = task->result;
    (void)th_atomic32_or_relaxed(&task->cancel, TH_TASK_TAKEN);
    th_task_reference_drop(task);
}

int thrum_join(thrum_task *handle, int *result)
{
    struct th_task *task = task_of(handle);
    struct th_fiber *self = th_fiber_self();
    if (self != NULL && self->task == task)
        return -EDEADLK;
    struct thrum_runtime *runtime = task->runtime;
    bool is_inside = self != NULL && th_worker_of(self)->runtime == runtime;
    /* Once the task has ended, its runtime may end before we have looked at the result. */
    if (!is_inside)
        th_runtime_visit(runtime);
    join(self, task, result);
    if (!is_inside)
        th_runtime_leave(runtime);
    return 0;
}

/* ---- The rest ---- */

thrum_task *thrum_task_hold(thrum_task *handle)
{
    (void)th_atomic32_add_relaxed(&task_of(handle)->references, 1);
    return handle;
}

void thrum_task_drop(thrum_task *handle)
{
    th_task_reference_drop(task_of(handle));
}

bool thrum_task_is_done(const thrum_task *handle)
{
    return th_done_is_closed(task_of(handle));
}

uint64_t thrum_task_id(const thrum_task *handle)
{
    return task_of(handle)->id;
}

/* A callback's node lives until it has been called. */
struct callback {
    struct th_done node;
    void (*call)(void *arg, int result);
    void *arg;
};

static void run_callback(void *arg, int result)
{
    struct callback *callback = arg;
    callback->call(callback->arg, result);
    th_sys_free(callback);
}

int thrum_task_on_done(thrum_task *handle, void (*call)(void *arg, int result), void *arg)
{
    struct th_task *task = task_of(handle);
    struct callback *callback = th_sys_alloc(sizeof *callback);
    if (callback == NULL)
        return -ENOMEM;
    *callback = (struct callback){.node = {.call = run_callback, .arg = callback}, .call = call, .arg = arg};
    (void)th_atomic32_or_relaxed(&task->cancel, TH_TASK_TAKEN);
    if (!th_done_add(task, &callback->node))
        run_callback(callback, task->result);
    return 0;
}
