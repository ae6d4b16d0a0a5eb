/* sched/idle: what comes from outside is seen by a worker that goes to sleep, or wakes it. */
#include "model/model.h"

#include "base/sys.h"
#include "sched/idle.h"

#include <errno.h>

static struct thrum_runtime runtime;
static struct th_worker workers[3];
static struct th_worker *worker_list[] = {&workers[0], &workers[1], &workers[2]};
static struct th_task task;

static bool has_work(struct th_worker *worker)
{
    return !th_inject_is_empty(&worker->runtime->inject);
}

static void set_up(void)
{
    runtime.workers = worker_list;
    runtime.worker_count = 3;
    for (int i = 0; i < 3; i++)
        workers[i].runtime = &runtime;
}

static void submit(void *arg)
{
    (void)arg;
    th_model_issue(0);
    (void)th_inject_push(&runtime.inject, &task);
    th_idle_notify(&runtime);
}

/* Searches and sleeps until the task came. */
static void worker_body(void *arg)
{
    struct th_worker *worker = arg;
    (void)th_idle_begin_search(&runtime);
    while (th_inject_take(&runtime.inject) == NULL)
        (void)th_idle_sleep(worker, INT64_MAX, has_work);
    th_idle_end_search(&runtime);
    th_model_done(0);
}

#define ALL (MODEL_SC | MODEL_TSO | MODEL_WEAK)

MODEL(submit_and_sleep_meet, .modes = ALL, .preemptions = 3)
{
    set_up();
    th_model_thread(submit, NULL);
    worker_body(&workers[0]);
}

/* The end of a runtime: nobody sleeps on, also who was just about to. */
static bool is_stopped(struct th_worker *worker)
{
    return th_atomic32_load_acquire(&worker->runtime->phase) == TH_PHASE_STOPPED;
}

static bool has_work_or_is_stopped(struct th_worker *worker)
{
    return has_work(worker) || is_stopped(worker);
}

static void worker_until_stopped(void *arg)
{
    struct th_worker *worker = arg;
    (void)th_idle_begin_search(&runtime);
    while (!is_stopped(worker))
        (void)th_idle_sleep(worker, INT64_MAX, is_stopped);
}

MODEL(stop_wakes_all, .modes = ALL, .preemptions = 2, .exhausted = MODEL_NONE, .spurious = MODEL_NONE, .stale = 2)
{
    set_up();
    th_model_thread(worker_until_stopped, &workers[0]);
    th_model_thread(worker_until_stopped, &workers[1]);
    th_atomic32_store_release(&runtime.phase, TH_PHASE_STOPPED);
    th_idle_wake_all(&runtime);
}

/* A nap: whether the deadline or a wake was first, nobody is left on the list of sleepers. */
static void napper(void *arg)
{
    struct th_worker *worker = arg;
    (void)th_idle_begin_search(&runtime);
    (void)th_idle_sleep(worker, 2000000000, has_work);
    MODEL_CHECK(!worker->is_sleeping);
    th_idle_end_search(&runtime);
}

static void wake_one(void *arg)
{
    (void)arg;
    th_idle_wake_one(&runtime);
}

MODEL(nap_ends_by_deadline_or_wake, .modes = ALL, .preemptions = 3)
{
    set_up();
    int nap = th_model_thread(napper, &workers[0]);
    th_model_thread(wake_one, NULL);
    th_model_join(nap);
    th_model_join_all();
    MODEL_CHECK(runtime.idle.sleepers == NULL);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&runtime.idle.counts), 0);
}

/* A waker that is late: who was unlisted by it has slept again by the time that it would be woken. */
static void submit_late(void *arg)
{
    (void)arg;
    (void)th_inject_push(&runtime.inject, &task);
    th_idle_notify(&runtime);
}

static void sleeper_twice(void *arg)
{
    struct th_worker *worker = arg;
    (void)th_idle_begin_search(&runtime);
    for (int i = 0; i < 2; i++) {
        (void)th_idle_sleep(worker, 1000000000 + i, has_work);
        MODEL_CHECK(!worker->is_sleeping);
        (void)th_inject_take(&runtime.inject);
    }
    th_idle_end_search(&runtime);
}

MODEL(late_wake_finds_another_sleep, .modes = ALL, .preemptions = 2, .spurious = MODEL_NONE, .early = MODEL_NONE,
      .stale = 2)
{
    set_up();
    int sleeper = th_model_thread(sleeper_twice, &workers[0]);
    th_model_thread(submit_late, NULL);
    th_model_join(sleeper);
    th_model_join_all();
    MODEL_CHECK(runtime.idle.sleepers == NULL);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&runtime.idle.counts), 0);
}

/* Who has found something submits more, while another wakes too: one of them must know that nobody searches. */
static void find_and_submit(void *arg)
{
    th_idle_end_search(&runtime);
    submit(arg);
}

MODEL(search_ends_and_two_wake, .preemptions = 3, .stale = 2, .spurious = MODEL_NONE, .exhausted = MODEL_NONE)
{
    set_up();
    (void)th_idle_begin_search(&runtime);
    th_model_thread(find_and_submit, NULL);
    th_model_thread(wake_one, NULL);
    worker_body(&workers[0]);
}

/*
 * Three workers, one of them the napper: it is the one to wake, and it may be just about to give its role up, or to
 * take it.
 */
static void nap_and_sleep(void *arg)
{
    struct th_worker *worker = arg;
    void *nobody = NULL;
    (void)th_idle_begin_search(&runtime);
    if (th_atomicptr_cas_relaxed(&runtime.idle.napper, &nobody, worker)) {
        (void)th_idle_sleep(worker, 1000000000, has_work);
        th_atomicptr_store_relaxed(&runtime.idle.napper, NULL);
    }
    while (!is_stopped(worker)) {
        if (th_inject_take(&runtime.inject) != NULL) {
            th_model_done(0);
            th_atomic32_store_release(&runtime.phase, TH_PHASE_STOPPED);
            th_idle_wake_all(&runtime);
        } else {
            (void)th_idle_sleep(worker, INT64_MAX, has_work_or_is_stopped);
        }
    }
    MODEL_CHECK(!worker->is_sleeping);
    th_idle_end_search(&runtime);
}

static void nap_of_three(void)
{
    set_up();
    th_model_thread(nap_and_sleep, &workers[1]);
    th_model_thread(nap_and_sleep, &workers[2]);
    th_model_thread(submit, NULL);
    nap_and_sleep(&workers[0]);
    th_model_join_all();
    MODEL_CHECK(runtime.idle.sleepers == NULL);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&runtime.idle.counts), 0);
}

MODEL(three_sleep_and_one_naps, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE, .exhausted = MODEL_NONE)
{
    nap_of_three();
}

/* With a wake for the napper's sake, as spawns do. */
static void want_napper(void *arg)
{
    (void)arg;
    th_idle_want_napper(&runtime);
}

MODEL(napper_is_called_for, .preemptions = 1, .stale = 1, .spurious = MODEL_NONE, .exhausted = MODEL_NONE)
{
    set_up();
    th_model_thread(nap_and_sleep, &workers[1]);
    th_model_thread(submit, NULL);
    th_model_thread(want_napper, NULL);
    nap_and_sleep(&workers[0]);
    th_model_join_all();
    MODEL_CHECK(runtime.idle.sleepers == NULL);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&runtime.idle.counts), 0);
}

/* Somebody is awake for long, so somebody must nap: whoever gives the napping up notices, or is woken. */
static bool needs_napper(struct th_worker *worker)
{
    return th_idle_needs_napper(worker->runtime);
}

static void wake_up_and_compute(void *arg)
{
    (void)th_idle_begin_search(&runtime);
    (void)th_idle_sleep(arg, 2000000000, has_work);
    th_idle_end_search(&runtime);
    th_idle_want_napper(&runtime);
}

MODEL(a_napper_that_gives_up_and_a_worker_that_wakes_meet, .modes = ALL, .preemptions = 2)
{
    set_up();
    runtime.worker_count = 2;
    th_atomicptr_store_relaxed(&runtime.idle.napper, &workers[1]);
    th_model_thread(wake_up_and_compute, &workers[0]);
    (void)th_idle_begin_search(&runtime);
    th_atomicptr_store_relaxed(&runtime.idle.napper, NULL);
    (void)th_idle_sleep(&workers[1], INT64_MAX, needs_napper);
}

/* The napper has found work; another sees it nap, just yet, and goes to sleep. */
static void stop_napping(void *arg)
{
    (void)arg;
    th_atomicptr_store_relaxed(&runtime.idle.napper, NULL);
    th_idle_end_search(&runtime);
    th_idle_want_napper(&runtime);
}

MODEL(a_napper_that_finds_work_and_a_worker_that_trusts_it_meet, .modes = ALL, .preemptions = 3)
{
    set_up();
    runtime.worker_count = 2;
    (void)th_idle_begin_search(&runtime);
    th_atomicptr_store_relaxed(&runtime.idle.napper, &workers[0]);
    th_model_thread(stop_napping, NULL);
    (void)th_idle_begin_search(&runtime);
    void *nobody = NULL;
    if (!th_atomicptr_cas_relaxed(&runtime.idle.napper, &nobody, &workers[1]))
        (void)th_idle_sleep(&workers[1], INT64_MAX, needs_napper);
}

/*
 * The watch: one sleeper sleeps in the poll source, here a word that holds what the kernel would tell; it is woken
 * there for work from outside too, and events find whoever watches.
 */
enum { EVENT = 1, ALARM = 2 };

static th_atomic32 kernel;
static int watches; /* plain: one watches after the other */
static struct th_poll_source source;

static struct th_task *poll_kernel(struct th_poll_source *asked, int64_t now, int64_t deadline)
{
    (void)asked;
    (void)now;
    watches++;
    for (;;) {
        uint32_t told = th_atomic32_load_relaxed(&kernel);
        if ((told & EVENT) != 0) {
            (void)th_atomic32_and_relaxed(&kernel, ~(uint32_t)EVENT);
            return &task;
        }
        if ((told & ALARM) != 0) {
            (void)th_atomic32_and_relaxed(&kernel, ~(uint32_t)ALARM);
            return NULL;
        }
        if (th_sys_futex_wait(&kernel, 0, deadline) == -ETIMEDOUT)
            return NULL;
    }
}

static void tell(uint32_t what)
{
    (void)th_atomic32_or_relaxed(&kernel, what);
    (void)th_sys_futex_wake(&kernel, 1);
}

static void ring_alarm(struct th_poll_source *asked)
{
    (void)asked;
    tell(ALARM);
}

static void open_source(void)
{
    source.poll = poll_kernel;
    source.interrupt = ring_alarm;
    th_atomicptr_store_release(&runtime.poll_source, &source);
}

static void open_source_and_submit(void *arg)
{
    open_source();
    submit(arg);
}

/* The source may come while the worker is on its way to sleep. */
MODEL(a_watcher_is_woken_by_a_submit, .modes = ALL, .preemptions = 3, .stale = 2)
{
    set_up();
    th_model_thread(open_source_and_submit, NULL);
    worker_body(&workers[0]);
}

static void an_event_comes(void *arg)
{
    (void)arg;
    th_model_issue(0);
    tell(EVENT);
}

/* Whoever gets the event ends it all; the other must have been asleep, or become so and be woken. */
static void watch_until_stopped(void *arg)
{
    struct th_worker *worker = arg;
    (void)th_idle_begin_search(&runtime);
    while (!is_stopped(worker)) {
        (void)th_idle_sleep(worker, INT64_MAX, is_stopped);
        MODEL_CHECK(!worker->is_sleeping);
        if (worker->polled != NULL) {
            worker->polled = NULL;
            th_model_done(0);
            th_atomic32_store_release(&runtime.phase, TH_PHASE_STOPPED);
            th_idle_wake_all(&runtime);
        }
    }
    th_idle_end_search(&runtime);
}

MODEL(an_event_finds_the_one_of_two_who_watches, .preemptions = 2, .exhausted = MODEL_NONE, .spurious = MODEL_NONE,
      .stale = 1)
{
    set_up();
    open_source();
    th_model_thread(watch_until_stopped, &workers[0]);
    th_model_thread(an_event_comes, NULL);
    watch_until_stopped(&workers[1]);
    th_model_join_all();
    MODEL_CHECK(runtime.idle.sleepers == NULL);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&runtime.idle.counts), 0);
}

/* Its deadline and an event at the same time: it is off the list, and has the event or leaves it there. */
static void watch_with_deadline(void *arg)
{
    struct th_worker *worker = arg;
    (void)th_idle_begin_search(&runtime);
    bool woken = th_idle_sleep(worker, 2000000000, has_work);
    MODEL_CHECK(!worker->is_sleeping);
    MODEL_CHECK(woken || worker->polled == NULL);
    if (worker->polled != NULL || (th_atomic32_load_relaxed(&kernel) & EVENT) != 0)
        th_model_done(0);
    th_idle_end_search(&runtime);
}

MODEL(a_watch_ends_by_deadline_event_or_wake, .modes = ALL, .preemptions = 2, .stale = 2)
{
    set_up();
    open_source();
    th_model_thread(wake_one, NULL);
    an_event_comes(NULL);
    watch_with_deadline(&workers[0]);
    th_model_join_all();
    MODEL_CHECK(runtime.idle.sleepers == NULL);
    MODEL_CHECK_EQ(th_atomic32_load_relaxed(&runtime.idle.counts), 0);
}

MODEL_SURVIVES("th_idle_sleep#1->acquire", "the submitter reads the count alone; the list of sleepers has its lock")
MODEL_SURVIVES("th_idle_notify#1->release", "the submitter reads the count alone; the list of sleepers has its lock")
MODEL_SURVIVES("th_idle_sleep#3", "who was not woken by then searches once more anyway")
MODEL_SURVIVES("count_sleeper_as_searcher#1", "the list's lock, which is held, orders it")
