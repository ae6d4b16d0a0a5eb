/* sched/steal, the giving side: what an owner hands to who asks. */
#include "sched/workers.h"

static struct th_task tasks[100];
static struct th_fiber *const some_fiber = (struct th_fiber *)(uintptr_t)64; /* never looked into */

/* One asks, the other enters its guard: the number of tasks that come. */
static uint32_t ask(struct th_worker *thief, struct th_worker *owner, bool wants_half)
{
    th_atomic32_store_relaxed(&thief->wants_half, wants_half);
    CHECK(th_guard_ask(&owner->guard, thief->index + 1));
    th_worker_enter(owner);
    th_worker_leave(owner);
    uint32_t state = th_atomic32_load_acquire(&thief->mail.state);
    CHECK_GT(state, 0);
    th_atomic32_store_relaxed(&thief->mail.state, 0);
    return state - 1;
}

static void add_fresh(struct th_worker *owner, uint32_t count)
{
    th_worker_enter(owner);
    for (uint32_t i = 0; i < count; i++)
        th_worker_add_fresh(owner, &tasks[i]);
    th_worker_leave(owner);
}

TEST(a_thief_gets_the_oldest_fresh_task_and_half_of_them_if_it_wants)
{
    struct thrum_runtime *runtime = make_workers(2);
    struct th_worker *owner = runtime->workers[0], *thief = runtime->workers[1];
    CHECK_EQ(ask(thief, owner, false), 0);
    add_fresh(owner, 9);
    CHECK_EQ(ask(thief, owner, false), 1);
    CHECK_PTR_EQ(thief->mail.tasks[0], &tasks[0]);
    CHECK_PTR_EQ(th_atomicptr_load_relaxed(&tasks[0].home), NULL);
    CHECK_PTR_EQ(th_atomicptr_load_relaxed(&tasks[1].home), owner);
    CHECK_EQ(ask(thief, owner, true), 4);
    for (uint32_t i = 0; i < 4; i++)
        CHECK_PTR_EQ(thief->mail.tasks[i], &tasks[i + 1]);
    CHECK_EQ(th_queue_count(&owner->fresh), 4);
    free_workers(runtime);
}

TEST(no_more_tasks_are_given_than_a_mail_holds)
{
    struct thrum_runtime *runtime = make_workers(2);
    add_fresh(runtime->workers[0], 100);
    CHECK_EQ(ask(runtime->workers[1], runtime->workers[0], true), TH_MAIL_MOST);
    free_workers(runtime);
}

TEST(a_single_ready_task_stays_where_it_is)
{
    struct thrum_runtime *runtime = make_workers(2);
    struct th_worker *owner = runtime->workers[0], *thief = runtime->workers[1];
    for (int i = 0; i < 4; i++)
        tasks[i].fiber = some_fiber;
    th_worker_enter(owner);
    th_worker_add_ready(owner, &tasks[0]); /* in the slot */
    th_worker_leave(owner);
    CHECK_EQ(ask(thief, owner, false), 0);
    th_worker_enter(owner);
    for (int i = 1; i < 4; i++)
        th_worker_add_ready(owner, &tasks[i]);
    th_worker_leave(owner);
    CHECK_PTR_EQ(th_worker_slot(owner), &tasks[3]);
    CHECK_EQ(ask(thief, owner, false), 1);
    CHECK_PTR_EQ(thief->mail.tasks[0], &tasks[0]);
    CHECK_PTR_EQ(th_worker_slot(owner), &tasks[3]);
    free_workers(runtime);
}

TEST(a_request_that_was_withdrawn_gets_no_answer)
{
    struct thrum_runtime *runtime = make_workers(2);
    struct th_worker *owner = runtime->workers[0], *thief = runtime->workers[1];
    add_fresh(owner, 2);
    CHECK(th_guard_ask(&owner->guard, 2));
    uint32_t asker = th_guard_enter(&owner->guard);
    CHECK(th_guard_withdraw(&owner->guard, 2));
    th_worker_answer(owner, asker);
    th_worker_leave(owner);
    CHECK_EQ(th_atomic32_load_relaxed(&thief->mail.state), 0);
    CHECK_EQ(th_queue_count(&owner->fresh), 2);
    free_workers(runtime);
}

/* ---- What is picked ---- */

TEST(the_slot_goes_first_but_a_few_times_in_a_row_at_most)
{
    struct thrum_runtime *runtime = make_workers(1);
    struct th_worker *worker = runtime->workers[0];
    th_worker_enter(worker);
    th_queue_push_newest(&worker->ready, &tasks[0]);
    for (int i = 0; i < TH_SLOT_RUNS_MOST; i++) {
        th_worker_add_ready(worker, &tasks[1]);
        CHECK_PTR_EQ(th_worker_pick(worker), &tasks[1]);
    }
    th_worker_add_ready(worker, &tasks[1]);
    CHECK_PTR_EQ(th_worker_pick(worker), &tasks[0]);
    CHECK_PTR_EQ(th_worker_pick(worker), &tasks[1]);
    CHECK_PTR_EQ(th_worker_pick(worker), NULL);
    th_worker_leave(worker);
    free_workers(runtime);
}

TEST(ready_and_fresh_take_turns_oldest_and_newest_first)
{
    struct thrum_runtime *runtime = make_workers(1);
    struct th_worker *worker = runtime->workers[0];
    th_worker_enter(worker);
    for (int i = 0; i < 3; i++) {
        th_queue_push_newest(&worker->ready, &tasks[i]);
        th_worker_add_fresh(worker, &tasks[10 + i]);
    }
    static const int order[] = {0, 12, 1, 11, 2, 10};
    for (size_t i = 0; i < TH_COUNT_OF(order); i++)
        CHECK_PTR_EQ(th_worker_pick(worker), &tasks[order[i]]);
    th_worker_leave(worker);
    free_workers(runtime);
}

TEST(the_oldest_fresh_task_comes_within_a_bound)
{
    struct thrum_runtime *runtime = make_workers(1);
    struct th_worker *worker = runtime->workers[0];
    th_worker_enter(worker);
    th_worker_add_fresh(worker, &tasks[0]);
    int picks = 0;
    do {
        th_worker_add_fresh(worker, &tasks[1 + picks % 2]); /* there is always a newer one */
        picks++;
    } while (th_worker_pick(worker) != &tasks[0]);
    CHECK_LE(picks, TH_FAIR_MOST + 1);
    th_worker_leave(worker);
    free_workers(runtime);
}
