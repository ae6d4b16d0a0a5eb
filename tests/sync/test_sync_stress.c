/*
 * All that waits, in random programs, with random cancels, deadlines and points in time. The ledger: whatever a lock
 * guards is whole, no permit is lost or made, and at the end every object is as free as at the beginning.
 *
 * KIT_ROUNDS: how many rounds, for campaigns (one is some thousands of waits and 32 cancels).
 */
#include "task/harness.h"

enum { PERMITS = 3, TASKS = 32, ONCES = 8 };

struct hall {
    thrum_mutex mutex;
    uint64_t left, right; /* guarded by it */
    thrum_cond cond;
    thrum_rwlock rwlock;
    uint64_t upper, lower; /* guarded by that */
    thrum_semaphore semaphore;
    th_atomic32 inside;
    thrum_event event;
    thrum_barrier barrier;
    thrum_once onces[ONCES];
    int onces_done[ONCES], onces_running[ONCES];
    thrum_waitgroup waitgroup;
    th_atomic32 ended_early, locks, reads, writes, permits, meetings;
};

struct visitor {
    struct hall *hall;
    struct th_random random;
    int turns;
};

static uint32_t dice(struct visitor *self, uint32_t below)
{
    return th_random_below(&self->random, below);
}

static void loiter(struct visitor *self)
{
    if (dice(self, 4) == 0)
        thrum_yield();
}

/* Often never; else in some microseconds, which may have passed by the time the wait begins. */
static thrum_time some_time(struct visitor *self)
{
    return dice(self, 2) == 0 ? THRUM_FOREVER : thrum_now() + THRUM_US(dice(self, 40));
}

static thrum_time soon(struct visitor *self)
{
    return thrum_now() + THRUM_US(dice(self, 40));
}

static bool has_ended(struct visitor *self, int code)
{
    CHECK(code == 0 || code == -ECANCELED || code == -ETIMEDOUT);
    if (code < 0)
        count_up(&self->hall->ended_early);
    return code < 0;
}

/* ---- What a visitor does; each returns what the wait did ---- */

static int use_mutex(struct visitor *self)
{
    struct hall *hall = self->hall;
    int code = thrum_mutex_lock_until(&hall->mutex, some_time(self));
    if (has_ended(self, code))
        return code;
    CHECK_EQ(hall->left++, hall->right);
    loiter(self);
    CHECK_EQ(hall->left, ++hall->right);
    count_up(&hall->locks);
    thrum_mutex_unlock(&hall->mutex);
    return 0;
}

static int use_cond(struct visitor *self)
{
    struct hall *hall = self->hall;
    int code = thrum_mutex_lock(&hall->mutex);
    if (has_ended(self, code))
        return code;
    CHECK_EQ(hall->left++, hall->right++);
    code = thrum_cond_wait_until(&hall->cond, &hall->mutex, soon(self));
    CHECK(thrum_mutex_is_mine(&hall->mutex));
    CHECK_EQ(hall->left++, hall->right++);
    thrum_mutex_unlock(&hall->mutex);
    if (dice(self, 2) == 0)
        thrum_cond_signal(&hall->cond);
    else
        thrum_cond_broadcast(&hall->cond);
    (void)has_ended(self, code);
    return code;
}

static int read_something(struct visitor *self)
{
    struct hall *hall = self->hall;
    int code = thrum_rwlock_read_lock_until(&hall->rwlock, some_time(self));
    if (has_ended(self, code))
        return code;
    CHECK_EQ(hall->upper, hall->lower);
    loiter(self);
    CHECK_EQ(hall->upper, hall->lower);
    count_up(&hall->reads);
    thrum_rwlock_read_unlock(&hall->rwlock);
    return 0;
}

static int write_something(struct visitor *self)
{
    struct hall *hall = self->hall;
    int code = thrum_rwlock_write_lock_until(&hall->rwlock, some_time(self));
    if (has_ended(self, code))
        return code;
    CHECK_EQ(hall->upper++, hall->lower);
    loiter(self);
    CHECK_EQ(hall->upper, ++hall->lower);
    count_up(&hall->writes);
    thrum_rwlock_write_unlock(&hall->rwlock);
    return 0;
}

static int use_permit(struct visitor *self)
{
    struct hall *hall = self->hall;
    int code = thrum_semaphore_acquire_until(&hall->semaphore, some_time(self));
    if (has_ended(self, code))
        return code;
    CHECK_LT(th_atomic32_add_acqrel(&hall->inside, 1), PERMITS);
    loiter(self);
    (void)th_atomic32_sub_acqrel(&hall->inside, 1);
    count_up(&hall->permits);
    CHECK_EQ(thrum_semaphore_release(&hall->semaphore), 0);
    return 0;
}

static int use_event(struct visitor *self)
{
    struct hall *hall = self->hall;
    if (dice(self, 3) == 0)
        thrum_event_clear(&hall->event);
    if (dice(self, 3) == 0)
        thrum_event_set(&hall->event);
    int code = thrum_event_wait_until(&hall->event, soon(self));
    (void)has_ended(self, code);
    return code;
}

static int meet_others(struct visitor *self)
{
    int code = thrum_barrier_wait_until(&self->hall->barrier, soon(self));
    if (code >= 0)
        count_up(&self->hall->meetings);
    (void)has_ended(self, code < 0 ? code : 0);
    return code < 0 ? code : 0;
}

struct call {
    struct visitor *self;
    uint32_t number;
};

static int do_once(void *arg)
{
    struct call *call = arg;
    struct hall *hall = call->self->hall;
    CHECK_EQ(hall->onces_running[call->number]++, 0);
    loiter(call->self);
    hall->onces_running[call->number]--;
    if (dice(call->self, 2) == 0)
        return -EIO;
    hall->onces_done[call->number]++;
    return 0;
}

static int need_once(struct visitor *self)
{
    struct call call = {self, dice(self, ONCES)};
    int code = thrum_once_call(&self->hall->onces[call.number], do_once, &call);
    if (code == 0)
        CHECK_EQ(self->hall->onces_done[call.number], 1);
    return code == -ECANCELED ? code : 0;
}

static int count_work(struct visitor *self)
{
    thrum_waitgroup *group = &self->hall->waitgroup;
    thrum_waitgroup_add(group, 1);
    loiter(self);
    thrum_waitgroup_done(group);
    int code = thrum_waitgroup_wait_until(group, soon(self));
    (void)has_ended(self, code);
    return code;
}

static int (*const all_turns[])(struct visitor *self) = {
    use_mutex, use_cond, read_something, write_something, use_permit, use_event, meet_others, need_once, count_work};

static int take_turn(struct visitor *self)
{
    int (*turn)(struct visitor * self) = all_turns[dice(self, TH_COUNT_OF(all_turns))];
    if (dice(self, 4) != 0)
        return turn(self);
    int code = 0;
    THRUM_TIMEOUT(THRUM_US(dice(self, 60)))
    code = turn(self);
    return code;
}

/* Until it is cancelled, and then one turn more: that one waits for nothing, and may have what is free. */
static int visit(void *arg)
{
    struct visitor *self = arg;
    int code = 0;
    for (int i = 0; i < self->turns && code != -ECANCELED; i++)
        code = take_turn(self);
    if (code == -ECANCELED)
        (void)take_turn(self);
    return code == -ECANCELED ? code : 0;
}

static void *visit_in_thread(void *arg)
{
    (void)visit(arg);
    return NULL;
}

static void check_hall(struct hall *hall)
{
    CHECK_EQ(hall->mutex.word_, 0);
    CHECK_EQ(hall->left, hall->right);
    CHECK_EQ(hall->rwlock.word_, 0);
    CHECK_EQ(hall->rwlock.writers_, 0);
    CHECK_EQ(hall->upper, hall->lower);
    CHECK_EQ(hall->upper, count_of(&hall->writes));
    CHECK_EQ(hall->semaphore.word_, PERMITS * 2);
    CHECK_EQ(hall->barrier.arrived_, 0);
    CHECK_EQ(count_of(&hall->meetings) % 2, 0);
    CHECK_EQ(hall->waitgroup.word_, 0);
    const struct thrum_line_ *const lines[] = {&hall->mutex.line_,     &hall->cond.line_,  &hall->rwlock.line_,
                                               &hall->semaphore.line_, &hall->event.line_, &hall->barrier.line_,
                                               &hall->waitgroup.line_};
    for (size_t i = 0; i < TH_COUNT_OF(lines); i++) {
        CHECK(lines[i]->first_ == NULL);
        CHECK_EQ(lines[i]->count_, 0);
    }
}

struct total {
    uint64_t locks, reads, writes, permits, meetings, ended_early;
};

static void count_hall(struct total *total, const struct hall *hall)
{
    total->locks += count_of(&hall->locks);
    total->reads += count_of(&hall->reads);
    total->writes += count_of(&hall->writes);
    total->permits += count_of(&hall->permits);
    total->meetings += count_of(&hall->meetings);
    total->ended_early += count_of(&hall->ended_early);
}

static struct visitor new_visitor(struct hall *hall, struct th_random *random)
{
    struct visitor visitor = {.hall = hall, .turns = fewer(100, 30)};
    th_random_init(&visitor.random, th_random_next(random));
    return visitor;
}

struct season {
    struct th_random random;
    struct hall *hall;
};

static int one_round(void *arg)
{
    struct season *season = arg;
    struct visitor visitors[TASKS];
    thrum_task *tasks[TASKS];
    for (int i = 0; i < TASKS; i++) {
        visitors[i] = new_visitor(season->hall, &season->random);
        CHECK_EQ(thrum_task_start(&tasks[i], NULL, NULL, visit, &visitors[i]), 0);
    }
    for (int i = 0; i < TASKS; i++) {
        for (uint32_t pause = th_random_below(&season->random, 16); pause > 0; pause--)
            thrum_yield();
        thrum_task_cancel(tasks[th_random_below(&season->random, TASKS)]);
    }
    for (int i = 0; i < TASKS; i++) {
        int result;
        CHECK_EQ(thrum_join(tasks[i], &result), 0);
        CHECK(result == 0 || result == -ECANCELED);
    }
    return 0;
}

static int rounds_wanted(void)
{
    const char *text = getenv("KIT_ROUNDS");
    return text != NULL ? atoi(text) : fewer(20, 3);
}

TEST(sync_random_programs_with_cancels_lose_no_lock_and_no_permit)
{
    struct season season;
    struct total total = {0};
    th_random_init(&season.random, kit_seed());
    for (int round = 0; round < rounds_wanted(); round++) {
        FOR_EACH_WORKER_COUNT(workers)
        {
            struct hall hall = {.mutex = THRUM_MUTEX_INIT,
                                .semaphore = THRUM_SEMAPHORE_BOUNDED(PERMITS),
                                .barrier = THRUM_BARRIER_INIT(2)};
            season.hall = &hall;
            struct visitor outsider = new_visitor(&hall, &season.random);
            pthread_t thread = start_thread(visit_in_thread, &outsider);
            run_on(workers, one_round, &season);
            CHECK_EQ(pthread_join(thread, NULL), 0);
            check_hall(&hall);
            count_hall(&total, &hall);
        }
    }
    if (rounds_wanted() > 20)
        printf("%" PRIu64 " locks, %" PRIu64 " reads, %" PRIu64 " writes, %" PRIu64 " permits, %" PRIu64
               " meetings; %" PRIu64 " waits ended by a cancel or by time\n",
               total.locks, total.reads, total.writes, total.permits, total.meetings, total.ended_early);
}
