#include "task/deadlock.h"

#include "base/panic.h"
#include "base/sys.h"
#include "sched/monitor.h"
#include "sched/rest.h"
#include "task/group.h"
#include "task/life.h"
#include "task/report.h"
#include "task/scope.h"
#include "task/waiting.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_DOUBT_NS = 1000000, DOUBTS_MOST = 11 };
enum { TASKS_TOLD_MOST = 20, DEPTH_MOST = 64, TEXT_BYTES = TH_SYMBOL_BYTES + 32 };

/* ---- Who could come from outside ---- */

/* The process's threads, from /proc/self/stat: the eighteenth field behind the name, which ends with the last ')'. 0 if
 * it is not to be had. */
static uint32_t count_threads(void)
{
    enum { FIELDS_BEFORE = 18 };
    char text[512];
    if (th_sys_read_file("/proc/self/stat", text, sizeof text) <= 0)
        return 0;
    const char *at = strrchr(text, ')');
    for (int field = 0; at != NULL && field < FIELDS_BEFORE; field++)
        at = strchr(at + 1, ' ');
    return at != NULL ? (uint32_t)strtoul(at + 1, NULL, 10) : 0;
}

/* A thread that is not known may just be on its way out, one of the runtime's own for one. So it is judged again, at
 * growing distances, 2 s in all, for as long as nothing happens. */
static void judge_again_later(struct thrum_runtime *runtime)
{
    struct th_doubt *doubt = &runtime->doubt;
    uint64_t events = th_rest_events(runtime);
    if (events != doubt->events)
        *doubt = (struct th_doubt){.events = events};
    if (doubt->times < DOUBTS_MOST)
        th_monitor_judge_again(runtime, th_sys_now() + (FIRST_DOUBT_NS << doubt->times++));
}

static bool is_alone(struct thrum_runtime *runtime)
{
    if (th_atomic32_load_relaxed(&runtime->is_known_outside) != 0)
        return false;
    bool is_so = count_threads() == th_rest_threads(runtime);
    if (!is_so)
        judge_again_later(runtime);
    return is_so;
}

/* ---- Who waits for what ---- */

/* "task 7 (reader)" */
static const char *describe(const struct th_task *task, char text[TEXT_BYTES])
{
    char name[TH_SYMBOL_BYTES];
    th_report_name(task, name);
    (void)snprintf(text, TEXT_BYTES, "task %lu (%s)", (unsigned long)task->id, name);
    return text;
}

void th_deadlock_tell(const struct th_task *task)
{
    char self[TEXT_BYTES], other[TEXT_BYTES];
    const struct th_task *runs = task->fiber->task;
    struct th_waiting waiting = th_waiting_of(task->fiber);
    describe(task, self);
    if (runs != task) {
        th_report("  %s waits for %s, which it began on its own stack", self, describe(runs, other));
        return;
    }
    if (waiting.kind == NULL) {
        th_report("  %s waits", self);
        return;
    }
    const struct th_task *owner = waiting.kind->owner != NULL ? waiting.kind->owner(waiting.object) : NULL;
    if (owner == NULL)
        th_report("  %s waits for %s %p", self, waiting.kind->name, waiting.object);
    else if ((const void *)owner == waiting.object)
        th_report("  %s waits for %s to end", self, describe(owner, other));
    else if (owner->id == 0)
        th_report("  %s waits for %s %p, whose holder has ended without giving it back", self, waiting.kind->name,
                  waiting.object);
    else
        th_report("  %s waits for %s %p, which %s has", self, waiting.kind->name, waiting.object,
                  describe(owner, other));
}

/* All that are listed below: whoever waits is. No locks, for nobody runs. */
static uint32_t tell_roster(const struct th_roster *roster, uint32_t told, uint32_t depth)
{
    for (const struct th_task *task = roster->newest; task != NULL; task = task->elder) {
        if (told++ < TASKS_TOLD_MOST)
            th_deadlock_tell(task);
        for (struct thrum_group *group = task->groups; group != NULL && depth < DEPTH_MOST; group = group->next_)
            told = tell_roster(th_group_roster(group), told, depth + 1);
    }
    return told;
}

static void tell(const struct thrum_runtime *runtime)
{
    uint32_t told = 0;
    th_report("deadlock: all tasks wait, and nobody is left to wake one");
    for (int i = 0; i < TH_ROOT_ROSTERS; i++)
        told = tell_roster(&runtime->roots[i], told, 0);
    if (told > TASKS_TOLD_MOST)
        th_report("  and %u more", told - TASKS_TOLD_MOST);
}

/* Nobody else judges meanwhile. */
static bool judge(struct thrum_runtime *runtime)
{
    uint32_t none = 0;
    if (!th_rest_is_reached(runtime) || !is_alone(runtime) || !th_rest_is_reached(runtime))
        return false;
    bool is_first = th_atomic32_cas_relaxed(&runtime->deadlocks, &none, 1);
    tell(runtime);
    if (!is_first || th_runtime_is_closing(runtime))
        th_panic("deadlock of tasks that are cancelled and wait all the same: this runtime cannot end");
    /* And where; not of each of a thousand runs with seeds. */
    if (th_panic_rest != NULL && !th_seeded_is_on())
        th_panic_rest();
    th_atomic32_store_release(&runtime->phase, TH_PHASE_CLOSING); /* [Q2] */
    th_scope_cancel_root(runtime, THRUM_CANCEL_SHUTDOWN);
    return true;
}

bool th_deadlock_judge(struct thrum_runtime *runtime)
{
    /* Several go to sleep at once and find all at rest: the second must see what the first has ended. */
    static struct th_lock gate = TH_LOCK_INIT;
    if (!th_rest_is_reached(runtime))
        return false;
    th_lock_take(&gate);
    bool is_one = judge(runtime);
    th_lock_leave(&gate);
    return is_one;
}
