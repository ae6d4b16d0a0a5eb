/*
 * Task locals: a small table that a task shares with those it started until one of them writes.
 *
 *   [K1] release reference drop -> acquire last drop: nobody reads the table any more
 *
 * Explored by tests/model (model_locals).
 */
#ifndef TH_TASK_LOCALS_H
#define TH_TASK_LOCALS_H

#include "base/atomic.h"

struct th_locals;

struct th_locals *th_locals_share(struct th_locals *locals);
void th_locals_drop(struct th_locals *locals);

#endif
