/*
 * Several things at once: run functions side by side, race them, wait for whichever of some tasks ends first.
 *
 *     thrum_work works[] = {THRUM_WORK(fetch, &a), THRUM_WORK(fetch, &b)};
 *     int failed = thrum_gather(works, 2);      ... works[0].result, works[1].result ...
 */
#ifndef THRUM_GATHER_H
#define THRUM_GATHER_H

#include <thrum/task.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A function to run and, afterwards, what it returned; -ECANCELED if it was never begun. */
typedef struct thrum_work {
    thrum_fn fn;
    void *arg;
    int result;
    void *owner_;
} thrum_work;

#ifdef __cplusplus
#define THRUM_WORK(work_fn, work_arg)     \
    {                                     \
        (work_fn), (work_arg), 0, nullptr \
    }
#else
#define THRUM_WORK(work_fn, work_arg)      \
    {                                      \
        .fn = (work_fn), .arg = (work_arg) \
    }
#endif

/*
 * Runs all of them side by side, each as a task, and waits until every one has ended. The first failure cancels the
 * others and is the result; else 0. -ENOMEM if not all could be begun: the others were cancelled. May switch, may be
 * cancelled: -ECANCELED, -ETIMEDOUT then, once all have ended.
 */
THRUM_API int thrum_gather(thrum_work works[], size_t count);

/* The same, but a failure cancels nobody: the result is the first of them, or 0. */
THRUM_API int thrum_gather_each(thrum_work works[], size_t count);

/*
 * The same, but the first success (a result >= 0) cancels the others and is the result; else the first failure. *winner
 * is its number, or `count` if none succeeded; winner may be NULL. -EINVAL without any.
 */
THRUM_API int thrum_race(thrum_work works[], size_t count, size_t *winner);

/*
 * Runs fn(arg) as a task of the root group and waits for it: its result. If the caller is cancelled the wait ends
 * (-ECANCELED, -ETIMEDOUT) and the task goes on: what it uses must live as long as it. Only the end of the runtime
 * cancels it. Or -ENOMEM, -EPERM outside of tasks. May switch, may be cancelled.
 */
THRUM_API int thrum_shield(thrum_fn fn, void *arg);

/* ---- Whichever ends first ---- */

/*
 * Waits until one of the tasks has ended: its number in *index. The handles stay: join the one that is done, which then
 * does not wait. 0, -EINVAL without any, -ENOMEM, -ECANCELED, -ETIMEDOUT. May switch, from a foreign thread it blocks
 * the thread. May be cancelled.
 */
THRUM_API THRUM_CHECKED int thrum_wait_any(thrum_task *const tasks[], size_t count, size_t *index);

/*
 * One task after the other, in the order in which they end:
 *
 *     thrum_wait *wait;
 *     int code = thrum_wait_open(&wait, tasks, count);
 *     size_t index;
 *     while ((code = thrum_wait_each(wait, &index)) == 1)
 *         thrum_join(tasks[index], &result);
 *     thrum_wait_close(wait);
 */
typedef struct thrum_wait thrum_wait;

/* The handles must stay until they were given out, or the wait is closed. 0 or -ENOMEM. Never switches. */
THRUM_API THRUM_CHECKED int thrum_wait_open(thrum_wait **wait, thrum_task *const tasks[], size_t count);

/* Waits for the next one that ends: 1, and its number in *index; 0 when all were given out; -ECANCELED, -ETIMEDOUT,
 * and nothing is lost by it. One caller at a time. May switch, from a foreign thread it blocks the thread. May be
 * cancelled. */
THRUM_API THRUM_CHECKED int thrum_wait_each(thrum_wait *wait, size_t *index);

/* Ends it, at any time; tasks that still run go on. Never switches. */
THRUM_API void thrum_wait_close(thrum_wait *wait);

#ifdef __cplusplus
}
#endif
#endif
