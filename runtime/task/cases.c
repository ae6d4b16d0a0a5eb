#include "task/cases.h"

/* [N2] release kind -> acquire kind: its functions are there. Explored by tests/model (model_publish). */
static th_atomicptr kinds[THRUM_CASE_KINDS_];

void th_case_add_kind(enum thrum_case_kind_ kind, const struct th_case_kind *what)
{
    th_atomicptr_store_release(&kinds[kind], (void *)(uintptr_t)what); /* [N2] */
}

const struct th_case_kind *th_case_kind_of(const thrum_case *which)
{
    THRUM_CHECK(which->kind_ < THRUM_CASE_KINDS_, "a case of a select was not made by one of its macros");
    const struct th_case_kind *kind = th_atomicptr_load_acquire(&kinds[which->kind_]); /* [N2] */
    THRUM_CHECK(kind != NULL, "a case of a select is of a kind that needs a runtime, and there is none");
    return kind;
}
