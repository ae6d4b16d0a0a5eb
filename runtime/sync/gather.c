/* Functions side by side, as groups of tasks. */
#include <thrum/gather.h>

#include <thrum/deadline.h>

#include "base/atomic.h"

#include <errno.h>

enum { NOBODY = UINT32_MAX };

struct gathering {
    thrum_group group;
    thrum_work *works;
    th_atomic32 winner; /* of a race: its number, or NOBODY */
};

static int run_work(void *arg)
{
    thrum_work *work = arg;
    work->result = work->fn(work->arg);
    return work->result;
}

static int run_racer(void *arg)
{
    thrum_work *work = arg;
    struct gathering *race = work->owner_;
    uint32_t nobody = NOBODY;
    int result = run_work(work);
    if (result >= 0)
        (void)th_atomic32_cas_relaxed(&race->winner, &nobody, (uint32_t)(work - race->works));
    return result;
}

static int run_all(struct gathering *gathering, size_t count, thrum_fn run)
{
    thrum_work *works = gathering->works;
    int failed = 0;
    for (size_t i = 0; i < count; i++) {
        works[i].result = -ECANCELED;
        works[i].owner_ = gathering;
    }
    for (size_t i = 0; i < count && failed == 0; i++)
        failed = thrum_spawn(&gathering->group, run, &works[i]);
    /* A sibling may have ended the group meanwhile: that is no failure of its own. */
    if (failed < 0 && failed != -ECANCELED)
        thrum_cancel(&gathering->group);
    int result = thrum_group_wait(&gathering->group);
    return failed < 0 && failed != -ECANCELED ? failed : result;
}

static int gather(thrum_work works[], size_t count, enum thrum_policy policy)
{
    struct gathering gathering = {.group = THRUM_GROUP_WITH((uint16_t)policy), .works = works};
    return run_all(&gathering, count, run_work);
}

int thrum_gather(thrum_work works[], size_t count)
{
    return gather(works, count, THRUM_ALL);
}

int thrum_gather_each(thrum_work works[], size_t count)
{
    return gather(works, count, THRUM_EACH);
}

int thrum_race(thrum_work works[], size_t count, size_t *winner)
{
    struct gathering race = {.group = THRUM_GROUP_WITH(THRUM_RACE), .works = works, .winner = TH_ATOMIC_INIT(NOBODY)};
    if (count == 0 || count >= NOBODY)
        return -EINVAL;
    int result = run_all(&race, count, run_racer);
    uint32_t first = th_atomic32_load_relaxed(&race.winner);
    if (winner != NULL)
        *winner = first != NOBODY ? first : count;
    /* Of two that succeed at once the group may have taken the other's result. */
    return first != NOBODY ? works[first].result : result;
}

int thrum_shield(thrum_fn fn, void *arg)
{
    thrum_task *task;
    thrum_scope scope;
    size_t index;
    int result = 0;
    /* The task is to have no deadline of the caller's. */
    thrum_shield_begin(&scope, THRUM_FOREVER);
    int code = thrum_task_start(&task, NULL, NULL, fn, arg);
    (void)thrum_scope_end(&scope);
    if (code < 0)
        return code;
    /* Not by a join alone, which would run it on this stack, and could not return before it. */
    code = thrum_wait_any(&task, 1, &index);
    if (code < 0) {
        thrum_task_drop(task);
        return code;
    }
    (void)thrum_join(task, &result);
    return result;
}
