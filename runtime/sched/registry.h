/*
 * Which runtimes there are, for whoever looks at all of them without belonging to one: counters, dumps, a console.
 *
 * Any thread may look, also a signal handler: it takes no lock. A runtime that ends takes itself off and then waits
 * until nobody looks any more; who began to look later does not find it.
 *
 *   a looker   looks += 1, reads the places, ..., looks -= 1
 *   an end     its place = NULL, waits for looks == 0
 *
 *   [RG1] seq-cst looks += 1 before the places -> seq-cst place = NULL before looks: one sees the other
 *   [RG2] release looks -= 1 -> acquire looks: the looker has touched all it will
 *   [RG3] release place = runtime -> acquire place: the runtime is whole
 *
 * Rejected: a lock, which a handler may interrupt while it is held; counting on each runtime (th_runtime_visit), which
 * needs a runtime that certainly lives.
 *
 * Explored by tests/model (model_registry).
 */
#ifndef TH_SCHED_REGISTRY_H
#define TH_SCHED_REGISTRY_H

#include <stdint.h>

struct thrum_runtime;

/* More of them at once run as well, but are seen by nobody. */
enum { TH_REGISTRY_MOST = 64 };

/* When all its workers are there; and before the first of them goes. */
void th_registry_add(struct thrum_runtime *runtime);
void th_registry_remove(struct thrum_runtime *runtime);

/* What th_registry_at returns between these two stays there: NULL, or a runtime. May be nested. */
void th_registry_enter(void);
void th_registry_leave(void);
struct thrum_runtime *th_registry_at(uint32_t place);

#endif
