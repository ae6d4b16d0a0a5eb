/*
 * sched/guard: of the owner and a revoker one is inside, each sees what the other did there, and a request is answered
 * once or not at all.
 */
#include "model/model.h"

#include "sched/guard.h"

static struct th_guard guard;
static int inside;          /* plain: two inside at once race */
static th_atomic32 answers; /* a request that is accepted is answered for certain */

enum { ASKER = 1 };

static void owner_turn(void)
{
    uint32_t asker = th_guard_enter(&guard);
    inside++;
    if (asker != 0 && th_guard_accept(&guard, asker))
        (void)th_atomic32_add_release(&answers, 1);
    th_guard_leave(&guard);
}

static void owner(void *arg)
{
    (void)arg;
    owner_turn();
    owner_turn();
}

static void wait_for_answer(void)
{
    while (th_atomic32_load_acquire(&answers) == 0)
        continue;
    (void)th_atomic32_sub_relaxed(&answers, 1);
}

static void revoker(void)
{
    if (!th_guard_ask(&guard, ASKER))
        th_model_fail("nobody else asks");
    switch (th_guard_force(&guard, ASKER, 1)) {
    case TH_GUARD_INSIDE:
        inside++;
        th_guard_restore(&guard);
        break;
    case TH_GUARD_ACCEPTED:
        wait_for_answer();
        break;
    case TH_GUARD_BUSY:
        break;
    }
}

static void asker(void)
{
    if (!th_guard_ask(&guard, ASKER))
        th_model_fail("nobody else asks");
    if (!th_guard_withdraw(&guard, ASKER))
        wait_for_answer();
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(guard_admits_one_by_membarrier, .modes = ALL, .preemptions = 3)
{
    th_guard_open();
    MODEL_CHECK(th_guard_is_asymmetric);
    th_model_thread(owner, NULL);
    revoker();
}

MODEL(guard_admits_one_by_fences, .modes = ALL, .preemptions = 3)
{
    th_model_thread(owner, NULL);
    revoker();
}

MODEL(guard_can_be_revoked_twice, .modes = ALL, .preemptions = 2)
{
    th_guard_open();
    th_model_thread(owner, NULL);
    revoker();
    revoker();
}

MODEL(guard_request_is_answered_or_withdrawn, .modes = ALL, .preemptions = 3)
{
    th_guard_open();
    th_model_thread(owner, NULL);
    asker();
    th_model_join_all();
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&answers), 0);
}

/* Each sees what the other did, also if the owner was not inside between. */
static void some_revoker(void *arg)
{
    uint32_t number = *(const uint32_t *)arg;
    if (!th_guard_ask(&guard, number))
        return;
    switch (th_guard_force(&guard, number, 1)) {
    case TH_GUARD_INSIDE:
        inside++;
        th_guard_restore(&guard);
        break;
    case TH_GUARD_ACCEPTED:
    case TH_GUARD_BUSY:
        break;
    }
}

static uint32_t first_asker = 1, second_asker = 2;

MODEL(guard_admits_one_of_two_revokers, .modes = ALL, .preemptions = 2)
{
    th_guard_open();
    th_model_thread(some_revoker, &first_asker);
    th_model_thread(some_revoker, &second_asker);
    owner_turn();
}

/* The asker's mail is plain memory, written by whoever accepts: not before the asker has read the last letter. */
static int mail;

static void answering_owner(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        uint32_t asker = th_guard_enter(&guard);
        if (asker != 0 && th_guard_accept(&guard, asker)) {
            mail++;
            (void)th_atomic32_add_release(&answers, 1);
        }
        th_guard_leave(&guard);
    }
}

static void read_mail(void)
{
    if (!th_guard_ask(&guard, ASKER))
        th_model_fail("nobody else asks");
    if (th_guard_withdraw(&guard, ASKER))
        return;
    wait_for_answer();
    MODEL_CHECK_EQ(mail, 1);
    mail = 0;
}

MODEL(guard_letters_do_not_meet, .modes = ALL, .preemptions = 3)
{
    th_guard_open();
    th_model_thread(answering_owner, NULL);
    read_mail();
    read_mail();
}

MODEL_SURVIVES("th_guard_force#1", "the fence behind it orders that too; ThreadSanitizer knows no fences")
/* clang numbers it second. */
MODEL_SURVIVES("th_guard_force#2->relaxed", "the fence behind it orders that too; ThreadSanitizer knows no fences")
