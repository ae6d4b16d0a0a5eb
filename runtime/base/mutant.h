/*
 * Named mutations: how a protocol's own safeguards are put to the test.
 *
 * A safeguard that is not a memory order (a re-check, an early return) is written
 *
 *     if (TH_MUTANT(skip_recheck) || !th_atomic32_load_acquire(&word)) ...
 *
 * In every build but the model's, TH_MUTANT is the constant false and the line is what it was. The model checker
 * (tests/model) switches mutations on one at a time and expects the model to fail: a model that passes without its
 * safeguard proves nothing. Memory orders need no mark, the checker weakens them by itself.
 *
 * TH_SHRUNK(500, 2) is a number of turns, 500 or, in models, where each turn is a step to explore, 2.
 */
#ifndef TH_BASE_MUTANT_H
#define TH_BASE_MUTANT_H

#include <stdbool.h>

#if defined(TH_MODEL)
bool th_model_mutant(const char *name);
#define TH_MUTANT(name)            th_model_mutant(#name)
#define TH_SHRUNK(usual, in_model) (in_model)
#else
#define TH_MUTANT(name)            false
#define TH_SHRUNK(usual, in_model) (usual)
#endif

#endif
