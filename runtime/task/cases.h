/*
 * What a case of a select can do: the seam between select and the layers that have something to select on, which do not
 * see each other.
 *
 * A select asks each case whether it is ready, and lets one that is take effect. Where none is, it begins one wait for
 * all, enlists that with each case, and awaits. Whoever finds it there and can let the case take effect wins the wait
 * first (th_await_wake with the case's reason), so that of all cases one does.
 *
 * Note [Meeting another select]. An operation that needs two waits won, its own and the other side's, could win one and
 * lose the other. So a case that is ready when it is to be enlisted wins its own wait *first*: nobody can win it any
 * more. If the other side is lost then (it was just won otherwise, or does the same), nothing has happened: the select
 * takes its cases back and begins anew. That ends: cases are enlisted in the order of their objects' addresses. Where a
 * select fails at an object, another that is listed there has won its own wait at an object further up: for an effect,
 * or in vain because of a third still further up. The last of such a chain has its effect.
 */
#ifndef TH_TASK_CASES_H
#define TH_TASK_CASES_H

#include <thrum/select.h>

#include "task/await.h"

/* A wait that ends with TH_WAKE_CASE + i ended by case i. */
enum { TH_WAKE_CASE = 16, TH_CASES_MOST = 65000 };

enum th_enlisted {
    TH_CASE_LISTED,
    TH_CASE_TAKEN,  /* was ready: the wait is won by it, and it took effect */
    TH_CASE_MISSED, /* was ready: the wait is won by it, but then it could not take effect */
    TH_CASE_LOST,   /* was ready, but the wait had been won by another */
};

struct th_case_kind {
    /* A hint, cheap and without a lock: false only if it could not take effect just now. */
    bool (*is_ready)(const thrum_case *which);
    /* Takes effect if it can, and sets the result. No wait is on. */
    bool (*take)(thrum_case *which);
    /* Hangs the wait up, unless the case is ready. */
    enum th_enlisted (*enlist)(thrum_case *which, struct th_waiter *waiter, uint32_t reason);
    /* Was listed, and the wait was won by it: sets the result. */
    void (*finish)(thrum_case *which);
    /* Was listed, and the wait was won otherwise: nobody touches the case any more when this returns. */
    void (*delist)(thrum_case *which);
};

/* Kinds that other layers add, before the first select that uses one; then they stay. */
void th_case_add_kind(enum thrum_case_kind_ kind, const struct th_case_kind *what);
const struct th_case_kind *th_case_kind_of(const thrum_case *which);

#endif
