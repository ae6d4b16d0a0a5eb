/*
 * Cycles of owners: tasks that wait for each other, each for what the next one has, while others go on.
 *
 * Looked for with THRUM_DEBUG=deadlock, by each task that is about to wait for something that a task has: from owner to
 * owner, until there is none or it comes back. Whoever closes a cycle finds it, for the others have noted their waits
 * and their locks before. One report for each cycle; nothing is done about it, for a cancel or a deadline may be to
 * come.
 *
 * Notes are written and taken away inside a lock here, so what a noted wait is for lives while it is looked at, and the
 * edges of a cycle that was found have been there at one moment.
 */
#ifndef TH_TASK_CYCLE_H
#define TH_TASK_CYCLE_H

#include "task/waiting.h"

void th_cycle_note(struct th_fiber *self, const struct th_wait_kind *kind, const void *object);

#endif
