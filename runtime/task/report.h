/* What is said about tasks on stderr. */
#ifndef TH_TASK_REPORT_H
#define TH_TASK_REPORT_H

#include "base/panic.h"

#include <stdbool.h>

struct th_fiber;
struct th_identity;
struct th_records;
struct th_task;
struct thrum_runtime;

enum { TH_REPORTS_MOST = 10 }; /* lines about untaken failures of one runtime; then a total at its end */

/* A task's name, its function's, or that one's address; cut. */
void th_report_name(const struct th_task *task, char name[TH_SYMBOL_BYTES]);

/* A task has failed, and nobody took the result or will. */
void th_report_untaken(const struct th_task *task);

/* It has ended and left groups, or deadlines and shields, open: the program's mistake, and its end. */
TH_NORETURN void th_report_groups_open(const struct th_task *task, unsigned groups);
TH_NORETURN void th_report_scopes_open(const struct th_task *task, unsigned scopes);

/* Every task has ended: records that are still out are those of handles. */
void th_report_records_left(struct th_records *records);

/* For reports about a fiber: the task that runs on it (fiber/fiber.h, th_fiber_identify). */
bool th_report_identify(const struct th_fiber *fiber, struct th_identity *identity);

/* What is left to say when a runtime ends. */
void th_report_at_end(struct thrum_runtime *runtime);

#endif
