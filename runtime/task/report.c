#include "task/report.h"

#include <thrum/base.h>

#include "base/panic.h"
#include "fiber/fiber.h"
#include "sched/runtime.h"
#include "sched/task_record.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>

/* The name given at the start, or the function's, if the program lets its symbols be seen. */
static const char *name_of(const struct th_task *task)
{
    Dl_info info;
    if (task->name != NULL)
        return task->name;
    if (dladdr((void *)(uintptr_t)task->fn, &info) != 0 && info.dli_sname != NULL)
        return info.dli_sname;
    return NULL;
}

void th_report_name(const struct th_task *task, char name[TH_REPORT_NAME_BYTES])
{
    _Static_assert((int)TH_REPORT_NAME_BYTES == (int)TH_SYMBOL_BYTES, "as much as a symbol has");
    if (task->name != NULL)
        (void)snprintf(name, TH_REPORT_NAME_BYTES, "%s", task->name);
    else
        th_report_symbol((const void *)(uintptr_t)task->fn, name);
}

void th_report_untaken(const struct th_task *task)
{
    if (task->result == -ECANCELED)
        return;
    if (th_atomic32_add_relaxed(&task->runtime->untaken, 1) >= TH_REPORTS_MOST)
        return;
    const char *name = name_of(task);
    if (name != NULL)
        th_report("task %lu (%s) failed and nobody took its result: %d, %s", (unsigned long)task->id, name,
                  task->result, thrum_strerror(task->result));
    else
        th_report("task %lu (function at %p) failed and nobody took its result: %d, %s", (unsigned long)task->id,
                  (void *)(uintptr_t)task->fn, task->result, thrum_strerror(task->result));
}

bool th_report_identify(const struct th_fiber *fiber, struct th_identity *identity)
{
    const struct th_task *task = fiber->task;
    if (task == NULL)
        return false;
    *identity = (struct th_identity){.kind = "task", .name = name_of(task), .id = task->id};
    return true;
}

void th_report_at_end(struct thrum_runtime *runtime)
{
    uint32_t untaken = th_atomic32_load_relaxed(&runtime->untaken);
    if (untaken > TH_REPORTS_MOST)
        th_report("%u tasks failed whose result nobody took; the first %d were named", untaken, TH_REPORTS_MOST);
}

void th_report_records_left(struct th_records *records)
{
    size_t left = th_records_in_use(records);
    if (left > 0)
        th_report("%zu tasks have handles that were neither joined nor dropped", left);
}
