/* sched/guard: of the owner and those who force_and_count it one is inside, with and without membarrier. */
#include "base/fault.h"
#include "kit/kit.h"
#include "sched/guard.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

static struct th_guard guard;

TEST(a_request_is_accepted_or_withdrawn_but_not_both)
{
    th_guard_open();
    CHECK(th_guard_ask(&guard, 3));
    CHECK(!th_guard_ask(&guard, 4)); /* somebody else's stands there */
    CHECK_EQ(th_guard_enter(&guard), 3);
    CHECK(th_guard_accept(&guard, 3));
    CHECK(!th_guard_withdraw(&guard, 3));
    th_guard_leave(&guard);
    CHECK(th_guard_ask(&guard, 4));
    CHECK(th_guard_withdraw(&guard, 4));
    CHECK_EQ(th_guard_enter(&guard), 0);
    CHECK(!th_guard_accept(&guard, 4));
    th_guard_leave(&guard);
}

TEST(a_request_can_be_turned_into_a_revocation_unless_it_was_accepted)
{
    th_guard_open();
    CHECK(th_guard_ask(&guard, 1));
    CHECK_EQ(th_guard_force(&guard, 1, 10), TH_GUARD_INSIDE);
    CHECK(!th_guard_ask(&guard, 2));
    th_guard_restore(&guard);
    CHECK(th_guard_ask(&guard, 2));
    CHECK_EQ(th_guard_enter(&guard), 2);
    CHECK_EQ(th_guard_force(&guard, 2, 10), TH_GUARD_BUSY); /* the owner stays inside */
    CHECK(!th_guard_accept(&guard, 2));                     /* and it is withdrawn */
    th_guard_leave(&guard);
    CHECK(th_guard_ask(&guard, 2));
    CHECK_EQ(th_guard_enter(&guard), 2);
    CHECK(th_guard_accept(&guard, 2));
    CHECK_EQ(th_guard_force(&guard, 2, 10), TH_GUARD_ACCEPTED);
    th_guard_leave(&guard);
}

TEST(a_revocation_that_could_not_fence_is_none)
{
    th_guard_open();
    if (!th_guard_is_asymmetric)
        SKIP("this kernel has no membarrier");
    CHECK_EQ(th_fault_plan("membarrier:1:ENOMEM"), 0);
    CHECK(th_guard_ask(&guard, 1));
    CHECK_EQ(th_guard_force(&guard, 1, 10), TH_GUARD_BUSY);
    CHECK(th_guard_ask(&guard, 1));
    CHECK_EQ(th_guard_force(&guard, 1, 10), TH_GUARD_INSIDE);
    th_guard_restore(&guard);
}

/* ---- One inside ---- */

enum { REVOKERS = 3 };

static uint64_t inside; /* plain: who is inside alone may add */
static th_atomic32 are_over;
static th_atomic64 revoked;

static void *force_and_count(void *arg)
{
    uint32_t self = (uint32_t)(uintptr_t)arg;
    for (int i = 0; i < (kit_is_slow() ? 500 : 5000); i++) {
        if (th_guard_ask(&guard, self) && th_guard_force(&guard, self, 100) == TH_GUARD_INSIDE) {
            inside++;
            th_guard_restore(&guard);
            (void)th_atomic64_add_relaxed(&revoked, 1);
        }
        sched_yield();
    }
    (void)th_atomic32_add_acqrel(&are_over, 1);
    return NULL;
}

static void own_and_be_revoked(void)
{
    pthread_t threads[REVOKERS];
    uint64_t mine = 0;
    for (uintptr_t i = 0; i < REVOKERS; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, force_and_count, (void *)(i + 1)), 0);
    for (; th_atomic32_load_acquire(&are_over) < REVOKERS; mine++) {
        uint32_t asker = th_guard_enter(&guard);
        inside++;
        if (asker != 0 && mine % 2 == 0)
            (void)th_guard_accept(&guard, asker);
        th_guard_leave(&guard);
        if (mine % 1024 == 0)
            sched_yield();
    }
    for (int i = 0; i < REVOKERS; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    CHECK_EQ(inside, mine + th_atomic64_load_relaxed(&revoked));
}

TEST(owner_and_revokers_are_inside_one_at_a_time)
{
    th_guard_open();
    own_and_be_revoked();
}

TEST(owner_and_revokers_are_inside_one_at_a_time_without_membarrier)
{
    CHECK_EQ(th_fault_plan("membarrier:*:ENOSYS"), 0);
    th_guard_open();
    CHECK(!th_guard_is_asymmetric);
    own_and_be_revoked();
}
