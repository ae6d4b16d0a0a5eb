#include "task/report.h"

#include <thrum/base.h>

#include "base/panic.h"
#include "fiber/fiber.h"
#include "sched/runtime.h"
#include "sched/task_record.h"

#include <errno.h>
#include <stdio.h>

void th_report_name(const struct th_task *task, char name[TH_SYMBOL_BYTES])
{
    if (task->name != NULL)
        (void)snprintf(name, TH_SYMBOL_BYTES, "%s", task->name);
    else
        th_report_symbol((const void *)(uintptr_t)task->fn, name);
}

void th_report_untaken(const struct th_task *task)
{
    if (task->result == -ECANCELED)
        return;
    if (th_atomic32_add_relaxed(&task->runtime->untaken, 1) >= TH_REPORTS_MOST)
        return;
    char name[TH_SYMBOL_BYTES];
    th_report_name(task, name);
    th_report("task %lu (%s) failed and nobody took its result: %d, %s", (unsigned long)task->id, name, task->result,
              thrum_strerror(task->result));
}

void th_report_groups_open(const struct th_task *task, unsigned groups)
{
    char name[TH_SYMBOL_BYTES];
    th_report_name(task, name);
    th_panic("task %lu (%s) ended and has not waited for %u group%s that it opened by its first spawn there: "
             "thrum_group_wait for each",
             (unsigned long)task->id, name, groups, groups > 1 ? "s" : "");
}

void th_report_scopes_open(const struct th_task *task, unsigned scopes)
{
    char name[TH_SYMBOL_BYTES];
    th_report_name(task, name);
    th_panic("task %lu (%s) ended inside of %u deadline%s or shield%s: thrum_scope_end for each",
             (unsigned long)task->id, name, scopes, scopes > 1 ? "s" : "", scopes > 1 ? "s" : "");
}

bool th_report_identify(const struct th_fiber *fiber, struct th_identity *identity)
{
    const struct th_task *task = fiber->task;
    if (task == NULL)
        return false;
    *identity = (struct th_identity){.kind = "task", .id = task->id};
    th_report_name(task, identity->name);
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
