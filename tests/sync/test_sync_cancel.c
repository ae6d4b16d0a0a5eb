/*
 * Each primitive where a wake, a hand-over, or a signal meets a cancel: it goes to the one who waits on, or the
 * cancelled one has it and passes it on. First with one worker and in an order that is fixed; then many times with the
 * cancel and the wake on different workers. Nobody else comes: what is lost here is never healed by a later wake.
 */
#include "task/harness.h"

#include "sync/line.h"

enum { ONE, OTHER, TASKS };

struct scene {
    thrum_mutex mutex;
    thrum_rwlock rwlock;
    thrum_semaphore semaphore;
    thrum_cond cond;
    thrum_once once;
    thrum_barrier barrier;
    thrum_event event;
    thrum_waitgroup waitgroup;
    thrum_task *tasks[TASKS];
    int results[TASKS];
    th_atomic32 calls, is_started;
    int turn;
};

static const struct scene new_scene = {.semaphore = THRUM_SEMAPHORE_INIT(0), .barrier = THRUM_BARRIER_INIT(2)};

/* ---- What the two do ---- */

static int lock_and_unlock(void *arg)
{
    struct scene *scene = arg;
    int code = thrum_mutex_lock(&scene->mutex);
    if (code == 0)
        thrum_mutex_unlock(&scene->mutex);
    return code;
}

static int write_and_leave(void *arg)
{
    struct scene *scene = arg;
    int code = thrum_rwlock_write_lock(&scene->rwlock);
    if (code == 0)
        thrum_rwlock_write_unlock(&scene->rwlock);
    return code;
}

static int read_and_leave(void *arg)
{
    struct scene *scene = arg;
    int code = thrum_rwlock_read_lock(&scene->rwlock);
    if (code == 0)
        thrum_rwlock_read_unlock(&scene->rwlock);
    return code;
}

static int take_and_give_back(void *arg)
{
    struct scene *scene = arg;
    int code = thrum_semaphore_acquire(&scene->semaphore);
    if (code == 0)
        CHECK_EQ(thrum_semaphore_release(&scene->semaphore), 0);
    return code;
}

static int wait_for_signal(void *arg)
{
    struct scene *scene = arg;
    int code = thrum_mutex_lock(&scene->mutex);
    CHECK_EQ(code, 0);
    code = thrum_cond_wait(&scene->cond, &scene->mutex);
    CHECK(thrum_mutex_is_mine(&scene->mutex));
    thrum_mutex_unlock(&scene->mutex);
    return code;
}

static int succeed(void *arg)
{
    count_up(&((struct scene *)arg)->calls);
    return 0;
}

static int need_it(void *arg)
{
    struct scene *scene = arg;
    return thrum_once_call(&scene->once, succeed, scene);
}

static int meet(void *arg)
{
    struct scene *scene = arg;
    int code = thrum_barrier_wait(&scene->barrier);
    return code < 0 ? code : 0;
}

static int await_event(void *arg)
{
    return thrum_event_wait(&((struct scene *)arg)->event);
}

static int await_work(void *arg)
{
    return thrum_waitgroup_wait(&((struct scene *)arg)->waitgroup);
}

/* ---- Stage directions ---- */

static void await_line(struct thrum_line_ *line, uint32_t count)
{
    for (uint32_t seen = 0; seen < count; thrum_yield()) {
        th_line_enter(line);
        seen = line->count_;
        th_line_leave(line);
    }
}

static void enter(struct scene *scene, int who, thrum_fn fn, struct thrum_line_ *line)
{
    CHECK_EQ(thrum_task_start(&scene->tasks[who], NULL, NULL, fn, scene), 0);
    await_line(line, (uint32_t)who + 1);
}

static void leave(struct scene *scene, int who)
{
    CHECK_EQ(thrum_join(scene->tasks[who], &scene->results[who]), 0);
}

static int cancel_the_one(void *arg)
{
    struct scene *scene = arg;
    flag_set(&scene->is_started);
    thrum_task_cancel(scene->tasks[ONE]);
    return 0;
}

/* The cancel comes before what the caller does next, from another worker at the same time, or at the caller's next
 * wait; in turns. */
static void cancel_meanwhile(struct scene *scene, thrum_group *group)
{
    if (scene->turn % 3 == 0) {
        thrum_task_cancel(scene->tasks[ONE]);
        return;
    }
    CHECK_EQ(thrum_spawn(group, cancel_the_one, scene), 0);
    if (scene->turn % 3 == 1 && thrum_workers() > 1)
        flag_wait(&scene->is_started);
}

static void is_cancelled_or(int result)
{
    CHECK(result == 0 || result == -ECANCELED);
}

/* ---- In a fixed order ---- */

static int cancel_then_unlock(void *arg)
{
    struct scene scene = new_scene;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&scene.mutex), 0);
    enter(&scene, ONE, lock_and_unlock, &scene.mutex.line_);
    enter(&scene, OTHER, lock_and_unlock, &scene.mutex.line_);
    thrum_task_cancel(scene.tasks[ONE]);
    thrum_mutex_unlock(&scene.mutex);
    leave(&scene, OTHER);
    leave(&scene, ONE);
    CHECK_EQ(scene.results[ONE], -ECANCELED);
    CHECK_EQ(scene.results[OTHER], 0);
    CHECK_EQ(scene.mutex.word_, 0);
    return 0;
}

TEST(mutex_unlock_after_a_cancel_wakes_the_next)
{
    run_on(1, cancel_then_unlock, NULL);
}

/* The first is woken, finds the mutex taken again, and is cancelled when it wants to wait again; the last unlock saw
 * him on his way and woke nobody else. */
static int cancel_the_woken_one(void *arg)
{
    struct scene scene = new_scene;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&scene.mutex), 0);
    enter(&scene, ONE, lock_and_unlock, &scene.mutex.line_);
    enter(&scene, OTHER, lock_and_unlock, &scene.mutex.line_);
    scene.mutex.patience_ = 64;
    for (int i = 0; i < 3; i++) {
        thrum_mutex_unlock(&scene.mutex);
        CHECK_EQ(thrum_mutex_try_lock(&scene.mutex), 0);
    }
    thrum_task_cancel(scene.tasks[ONE]);
    thrum_mutex_unlock(&scene.mutex);
    leave(&scene, OTHER);
    leave(&scene, ONE);
    CHECK_EQ(scene.results[OTHER], 0);
    CHECK_EQ(scene.mutex.word_, 0);
    return 0;
}

TEST(mutex_a_woken_waiter_that_is_cancelled_passes_the_wake_on)
{
    run_on(1, cancel_the_woken_one, NULL);
}

static int cancel_the_writer(void *arg)
{
    struct scene scene = new_scene;
    (void)arg;
    CHECK_EQ(thrum_rwlock_read_lock(&scene.rwlock), 0);
    enter(&scene, ONE, write_and_leave, &scene.rwlock.line_);
    enter(&scene, OTHER, read_and_leave, &scene.rwlock.line_);
    thrum_task_cancel(scene.tasks[ONE]);
    leave(&scene, OTHER);
    leave(&scene, ONE);
    CHECK_EQ(scene.results[ONE], -ECANCELED);
    CHECK_EQ(scene.results[OTHER], 0);
    thrum_rwlock_read_unlock(&scene.rwlock);
    CHECK_EQ(scene.rwlock.word_, 0);
    CHECK_EQ(scene.rwlock.writers_, 0);
    return 0;
}

TEST(rwlock_readers_go_in_when_the_writer_before_them_is_cancelled)
{
    run_on_each_count(cancel_the_writer);
}

static int lock_when_cancelled(void *arg)
{
    struct scene *scene = arg;
    while (!thrum_cancelled())
        thrum_yield();
    CHECK_EQ(thrum_mutex_lock(&scene->mutex), 0);
    thrum_mutex_unlock(&scene->mutex);
    CHECK_EQ(thrum_event_wait(&scene->event), -ECANCELED);
    CHECK_EQ(thrum_semaphore_acquire(&scene->semaphore), -ECANCELED);
    CHECK_EQ(thrum_mutex_lock(&scene->mutex), 0);
    CHECK_EQ(thrum_cond_wait(&scene->cond, &scene->mutex), -ECANCELED);
    CHECK(thrum_mutex_is_mine(&scene->mutex));
    thrum_mutex_unlock(&scene->mutex);
    return 0;
}

static int cancel_before_the_wait(void *arg)
{
    struct scene scene = new_scene;
    (void)arg;
    CHECK_EQ(thrum_task_start(&scene.tasks[ONE], NULL, NULL, lock_when_cancelled, &scene), 0);
    thrum_task_cancel(scene.tasks[ONE]);
    leave(&scene, ONE);
    CHECK_EQ(scene.results[ONE], 0);
    return 0;
}

TEST(sync_a_cancelled_task_has_what_is_free_and_waits_for_nothing)
{
    run_on_each_count(cancel_before_the_wait);
}

static int lock_in_time(void *arg)
{
    struct scene *scene = arg;
    THRUM_TIMEOUT(THRUM_US(100))
    {
        CHECK_EQ(thrum_mutex_lock(&scene->mutex), -ETIMEDOUT);
        CHECK_EQ(thrum_event_wait_until(&scene->event, THRUM_FOREVER), -ETIMEDOUT);
        CHECK_EQ(thrum_barrier_wait(&scene->barrier), -ETIMEDOUT);
    }
    return 0;
}

static int wait_under_a_deadline(void *arg)
{
    struct scene scene = new_scene;
    (void)arg;
    CHECK_EQ(thrum_mutex_lock(&scene.mutex), 0);
    CHECK_EQ(thrum_task_start(&scene.tasks[ONE], NULL, NULL, lock_in_time, &scene), 0);
    leave(&scene, ONE);
    thrum_mutex_unlock(&scene.mutex);
    CHECK_EQ(scene.mutex.word_, 0);
    CHECK_EQ(scene.barrier.arrived_, 0);
    return 0;
}

TEST(sync_deadlines_end_waits)
{
    run_on_each_count(wait_under_a_deadline);
}

/* ---- Cancel and wake at once ---- */

static void race_mutex(struct scene *scene, thrum_group *group)
{
    CHECK_EQ(thrum_mutex_lock(&scene->mutex), 0);
    enter(scene, ONE, lock_and_unlock, &scene->mutex.line_);
    enter(scene, OTHER, lock_and_unlock, &scene->mutex.line_);
    cancel_meanwhile(scene, group);
    thrum_mutex_unlock(&scene->mutex);
    leave(scene, OTHER);
    leave(scene, ONE);
    CHECK_EQ(scene->mutex.word_, 0);
}

static void race_semaphore(struct scene *scene, thrum_group *group)
{
    enter(scene, ONE, take_and_give_back, &scene->semaphore.line_);
    enter(scene, OTHER, take_and_give_back, &scene->semaphore.line_);
    cancel_meanwhile(scene, group);
    CHECK_EQ(thrum_semaphore_release(&scene->semaphore), 0);
    leave(scene, OTHER);
    leave(scene, ONE);
    CHECK_EQ(scene->semaphore.word_, 2);
}

static void race_writer(struct scene *scene, thrum_group *group)
{
    CHECK_EQ(thrum_rwlock_write_lock(&scene->rwlock), 0);
    enter(scene, ONE, write_and_leave, &scene->rwlock.line_);
    enter(scene, OTHER, write_and_leave, &scene->rwlock.line_);
    cancel_meanwhile(scene, group);
    thrum_rwlock_write_unlock(&scene->rwlock);
    leave(scene, OTHER);
    leave(scene, ONE);
    CHECK_EQ(scene->rwlock.word_, 0);
    CHECK_EQ(scene->rwlock.writers_, 0);
}

static void race_reader_behind_writer(struct scene *scene, thrum_group *group)
{
    CHECK_EQ(thrum_rwlock_read_lock(&scene->rwlock), 0);
    enter(scene, ONE, write_and_leave, &scene->rwlock.line_);
    enter(scene, OTHER, read_and_leave, &scene->rwlock.line_);
    cancel_meanwhile(scene, group);
    thrum_rwlock_read_unlock(&scene->rwlock);
    leave(scene, OTHER);
    leave(scene, ONE);
    CHECK_EQ(scene->rwlock.word_, 0);
}

/* Whoever the signal goes to: one of the two waits has ended by it. */
static void race_cond(struct scene *scene, thrum_group *group)
{
    enter(scene, ONE, wait_for_signal, &scene->cond.line_);
    enter(scene, OTHER, wait_for_signal, &scene->cond.line_);
    cancel_meanwhile(scene, group);
    thrum_cond_signal(&scene->cond);
    leave(scene, ONE);
    if (scene->results[ONE] == 0)
        thrum_cond_signal(&scene->cond);
    leave(scene, OTHER);
    CHECK_EQ(scene->mutex.word_, 0);
}

static int fail_when_both_wait(void *arg)
{
    struct scene *scene = arg;
    enter(scene, ONE, need_it, &scene->once.line_);
    enter(scene, OTHER, need_it, &scene->once.line_);
    return -EIO;
}

static void race_once(struct scene *scene, thrum_group *group)
{
    (void)group;
    CHECK_EQ(thrum_once_call(&scene->once, fail_when_both_wait, scene), -EIO);
    thrum_task_cancel(scene->tasks[ONE]);
    leave(scene, OTHER);
    leave(scene, ONE);
    CHECK_EQ(count_of(&scene->calls), 1);
}

/* If the one was cancelled before the caller came, the caller waits for the other. */
static void race_barrier(struct scene *scene, thrum_group *group)
{
    enter(scene, ONE, meet, &scene->barrier.line_);
    cancel_meanwhile(scene, group);
    CHECK_EQ(thrum_task_start(&scene->tasks[OTHER], NULL, NULL, meet, scene), 0);
    leave(scene, ONE);
    if (scene->results[ONE] < 0)
        CHECK(thrum_barrier_wait(&scene->barrier) >= 0);
    leave(scene, OTHER);
    CHECK_EQ(scene->barrier.arrived_, 0);
}

static void race_event(struct scene *scene, thrum_group *group)
{
    enter(scene, ONE, await_event, &scene->event.line_);
    enter(scene, OTHER, await_event, &scene->event.line_);
    cancel_meanwhile(scene, group);
    thrum_event_set(&scene->event);
    leave(scene, OTHER);
    leave(scene, ONE);
}

static void race_waitgroup(struct scene *scene, thrum_group *group)
{
    thrum_waitgroup_add(&scene->waitgroup, 1);
    enter(scene, ONE, await_work, &scene->waitgroup.line_);
    enter(scene, OTHER, await_work, &scene->waitgroup.line_);
    cancel_meanwhile(scene, group);
    thrum_waitgroup_done(&scene->waitgroup);
    leave(scene, OTHER);
    leave(scene, ONE);
    CHECK_EQ(scene->waitgroup.word_, 0);
}

static void (*const races[])(struct scene *scene, thrum_group *group) = {
    race_mutex,   race_semaphore, race_writer,   race_reader_behind_writer, race_cond, race_once,
    race_barrier, race_event,     race_waitgroup};

static int race_again_and_again(void *arg)
{
    int rounds = fewer(200, 20);
    (void)arg;
    for (int i = 0; i < rounds * (int)TH_COUNT_OF(races); i++) {
        struct scene scene = new_scene;
        scene.turn = i;
        thrum_group group = THRUM_GROUP_INIT;
        races[i / rounds](&scene, &group);
        CHECK_EQ(thrum_group_wait(&group), 0);
        is_cancelled_or(scene.results[ONE]);
        CHECK_EQ(scene.results[OTHER], 0);
    }
    return 0;
}

TEST(sync_cancel_and_wake_at_once_lose_nothing)
{
    run_on_each_count(race_again_and_again);
}
