/* An open arena and a thread that runs fibers: what each test of this folder starts from. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include "base/sys.h"
#include "fiber/fiber.h"
#include "kit/kit.h"

TH_INLINE void fixture_open(struct th_thread *thread)
{
    struct th_stack_options options = {0};
    CHECK_EQ(th_stack_open(&options), 0);
    CHECK_EQ(th_thread_init(thread), 0);
}

/* Ends with a ledger: every stack that was ever used is back in the pool (th_stack_close panics otherwise). */
TH_INLINE void fixture_close(struct th_thread *thread)
{
    th_thread_fini(thread);
    th_stack_close();
}

#endif
