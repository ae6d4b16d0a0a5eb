#include "sched/monitor.h"

#include "base/panic.h"
#include "base/probe.h"
#include "base/sys.h"
#include "sched/idle.h"
#include "sched/worker.h"

#include <errno.h>
#include <stdio.h>

enum {
    /* To the next look after somebody was found stuck; a dispatch may be called blocked after half of it. */
    FIRST_NS = 100000,
    /* A look costs some 10 us of processor, most of it the wake: less than one in a hundred. */
    MOST_NS = 3000000,
    /* The longest sleep beside threads without a permit, which may leave tasks that nobody is told of. */
    ASIDE_MOST_NS = 20000000,
    BLOCKED_NS = 50000,
    /* A thread that blocks has used less of the time than one part in so many. */
    IDLE_PART = 4,
    /* Looks with all asleep before the monitor sleeps too: bursts that come closer than some 20 ms find it awake. */
    QUIET_LOOKS = 16,
    /* A holder of a permit comes to its timers by itself, unless it is later than this. */
    TIMER_LATE_NS = 300000,
    /* Threads that are started in one look, 20 to 50 us each. */
    HIRED_MOST = 16,
    /* Spares to have ready when somebody is stuck: starting one takes longer than waking one. */
    RESERVE = 2,
    STACK_BYTES = 1 << 20,
};

/* ---- Its sleep ---- */

void th_monitor_call(struct thrum_runtime *runtime)
{
    if (th_atomic32_exchange_acqrel(&runtime->monitor.word, TH_MONITOR_AWAKE) != TH_MONITOR_AWAKE) /* [MO3] */
        (void)th_sys_futex_wake(&runtime->monitor.word, 1);
}

void th_monitor_notify(struct thrum_runtime *runtime)
{
    if (runtime->monitor.is_running)
        th_monitor_call(runtime);
}

void th_monitor_judge_again(struct thrum_runtime *runtime, int64_t when)
{
    th_atomic64_store_relaxed(&runtime->monitor.judge_at, (uint64_t)when); /* passed on by [MO3] */
    th_monitor_notify(runtime);
}

static bool all_sleep(const struct thrum_runtime *runtime)
{
    return th_idle_sleeping(&runtime->idle) == runtime->worker_count;
}

static bool has_stopped(const struct thrum_runtime *runtime)
{
    return th_atomic32_load_acquire(&runtime->phase) == TH_PHASE_STOPPED; /* [Q2] */
}

/* The next timer that only the monitor sees: of workers without a permit. */
static int64_t next_timer(const struct thrum_runtime *runtime)
{
    int64_t earliest = INT64_MAX;
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++) {
        const struct th_worker *worker = runtime->workers[i];
        uint32_t permit = th_atomic32_load_relaxed(&worker->permit);
        int64_t next = th_timers_next(&worker->timers);
        if ((permit == TH_PERMIT_NONE || permit == TH_PERMIT_TAKEN) && next < earliest)
            earliest = next;
    }
    return earliest;
}

static void sleep_until(struct thrum_runtime *runtime, uint32_t how, int64_t deadline)
{
    th_atomic32 *word = &runtime->monitor.word;
    while (th_atomic32_load_acquire(word) == how) { /* [MO3] */
        if (th_sys_futex_wait(word, how, deadline) == -ETIMEDOUT)
            break;
    }
    th_atomic32_store_relaxed(word, TH_MONITOR_AWAKE);
}

/* An exchange, so that who has called before is seen, and who calls later sees it. */
static void tell_sleep(struct thrum_runtime *runtime, uint32_t how)
{
    (void)th_atomic32_exchange_acqrel(&runtime->monitor.word, how); /* [MO3] */
}

static int64_t earlier(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static int64_t judge_at(const struct thrum_runtime *runtime)
{
    int64_t when = (int64_t)th_atomic64_load_relaxed(&runtime->monitor.judge_at);
    return when != 0 ? when : TH_SYS_FOREVER;
}

/* True if it was time. If somebody is awake, he will judge when he goes to sleep. */
static bool is_to_be_judged(struct thrum_runtime *runtime, int64_t now)
{
    if (judge_at(runtime) > now)
        return false;
    th_atomic64_store_relaxed(&runtime->monitor.judge_at, 0);
    return true;
}

/* Nothing is to be looked at: sleeps until it is called, or a timer is due, or `most`. */
static void sleep_long(struct thrum_runtime *runtime, int64_t most)
{
    tell_sleep(runtime, TH_MONITOR_LONG);
    if (!TH_MUTANT(long_sleep_without_fence)) {
        (void)th_atomic32_add_acqrel(&runtime->idle.counts, 0); /* [MO1] */
        th_fence_seqcst();                                      /* [MO2] */
    }
    if (!TH_MUTANT(long_sleep_without_look) && (!all_sleep(runtime) || has_stopped(runtime)))
        th_atomic32_store_relaxed(&runtime->monitor.word, TH_MONITOR_AWAKE);
    else
        sleep_until(runtime, TH_MONITOR_LONG, earlier(earlier(next_timer(runtime), judge_at(runtime)), most));
}

/* To the next look. Who called meanwhile, before the word said that it sleeps, is seen then at the latest. */
static void sleep_short(struct thrum_runtime *runtime, int64_t look)
{
    int64_t until = earlier(next_timer(runtime), look);
    tell_sleep(runtime, TH_MONITOR_TICKING);
    if (!has_stopped(runtime))
        sleep_until(runtime, TH_MONITOR_TICKING, until);
}

/* ---- What it sees of a worker ---- */

enum finding {
    FINE,
    DOUBTFUL, /* is in a dispatch that was not seen before, and its thread has hardly run since the last look */
    ENGAGED,  /* runs tasks in place, for long, and picks none */
    HOGGING,
    BLOCKED,
};

static enum finding begin_watch(struct th_worker *worker, int64_t now, uint64_t activity)
{
    struct th_watch *watch = &worker->watch;
    int64_t cpu = th_sys_thread_cpu((int)th_atomic32_load_relaxed(&worker->tid));
    bool has_run = (cpu - watch->cpu) * IDLE_PART >= now - watch->quiet_since;
    watch->activity = activity;
    watch->quiet_since = now;
    watch->cpu = cpu;
    if (!TH_MUTANT(late_for_good))
        th_atomic32_store_relaxed(&worker->is_late, 0);
    return has_run ? FINE : DOUBTFUL;
}

static bool is_off_the_processor(int tid)
{
    char state = th_sys_thread_state(tid);
    return state != 0 && state != 'R';
}

static enum finding judge_quiet(struct th_worker *worker, int64_t quiet, int64_t slice)
{
    int tid = (int)th_atomic32_load_relaxed(&worker->tid);
    int64_t cpu = th_sys_thread_cpu(tid), used = cpu - worker->watch.cpu;
    if (cpu < 0 || worker->watch.cpu < 0)
        return FINE;
    if (used >= slice)
        return HOGGING;
    return used * IDLE_PART < quiet && is_off_the_processor(tid) ? BLOCKED : FINE;
}

static enum finding judge(struct th_worker *worker, int64_t now, int64_t slice)
{
    struct th_watch *watch = &worker->watch;
    uint64_t dispatches = th_atomic64_load_relaxed(&worker->dispatches);
    uint64_t activity = th_atomic64_load_relaxed(&worker->spawned) + th_atomic64_load_relaxed(&worker->finished);
    if (dispatches != watch->dispatches) {
        watch->dispatches = dispatches;
        watch->dispatch_since = now;
        return begin_watch(worker, now, activity);
    }
    if (activity != watch->activity) {
        (void)begin_watch(worker, now, activity);
        return now - watch->dispatch_since >= slice ? ENGAGED : FINE;
    }
    /* Its thread has not begun, or is through. */
    if (th_atomic32_load_relaxed(&worker->tid) == 0)
        return FINE;
    /* Inside its guard it is in the runtime, perhaps for long: it may have taken a million tasks from outside. */
    if (now - watch->quiet_since < BLOCKED_NS || th_atomic32_load_relaxed(&worker->guard.in_op) != 0)
        return FINE;
    th_atomic32_store_relaxed(&worker->is_late, 1);
    return judge_quiet(worker, now - watch->quiet_since, slice);
}

/* ---- A look ---- */

struct look {
    int64_t now;
    bool has_outside;  /* tasks from outside wait */
    bool has_backlog;  /* or tasks in anybody's queues */
    bool has_idle;     /* a holder of a permit looks for work, or sleeps */
    bool has_doubts;   /* looks again soon: what blocks for a millisecond, again and again, is never seen twice else */
    uint32_t stuck;    /* workers whose permit should be taken */
    uint32_t detached; /* and was */
};

static bool is_ready_waiting(const struct th_worker *worker)
{
    return th_queue_count(&worker->ready) > 0 || th_worker_slot(worker) != NULL;
}

/* Nobody else looks at file descriptors while all are busy, and perhaps stuck. */
static void poll_for_others(struct thrum_runtime *runtime, int64_t now)
{
    struct th_worker *desk = runtime->monitor.desk;
    th_worker_enter(desk);
    bool has_polled = th_worker_poll(desk, now);
    th_worker_leave(desk);
    if (has_polled)
        th_crew_hand_on(desk);
}

static void survey(struct thrum_runtime *runtime, struct look *look)
{
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++) {
        const struct th_worker *worker = runtime->workers[i];
        look->has_backlog |= is_ready_waiting(worker) || th_queue_count(&worker->fresh) > 0;
        look->has_idle |= th_atomic32_load_relaxed(&worker->permit) == TH_PERMIT_IDLE;
    }
    if (!look->has_idle)
        poll_for_others(runtime, look->now);
    look->has_outside = !th_inject_is_empty(&runtime->inject);
}

/* Fires what nobody else does in time: the timers of workers without a permit, and those that are late. */
static void fire_timers(struct thrum_runtime *runtime, int64_t now)
{
    struct th_worker *desk = runtime->monitor.desk;
    uint32_t made = th_runtime_made(runtime);
    size_t fired = 0;
    for (uint32_t i = 0; i < made; i++) {
        struct th_worker *worker = runtime->workers[i];
        uint32_t permit = th_atomic32_load_relaxed(&worker->permit);
        bool is_ours = permit == TH_PERMIT_NONE || permit == TH_PERMIT_TAKEN;
        int64_t due = is_ours ? now : now - TIMER_LATE_NS;
        if (th_timers_next(&worker->timers) > due)
            continue;
        th_worker_enter(desk);
        fired += th_worker_fire(desk, &worker->timers, due);
        th_worker_leave(desk);
    }
    if (fired > 0)
        th_crew_hand_on(desk);
}

static bool should_retake(const struct th_worker *worker, enum finding finding, const struct look *look)
{
    if (finding == FINE || finding == DOUBTFUL)
        return false;
    if (finding == ENGAGED)
        return look->has_outside || is_ready_waiting(worker);
    return look->has_outside || look->has_backlog || !look->has_idle;
}

static const uint32_t lanes[] = {[FINE] = TH_LANES,
                                 [DOUBTFUL] = TH_LANES,
                                 [ENGAGED] = TH_LANES,
                                 [HOGGING] = TH_LANE_HOGS,
                                 [BLOCKED] = TH_LANE_BLOCKING};

static void judge_workers(struct thrum_runtime *runtime, struct look *look)
{
    uint32_t made = th_runtime_made(runtime);
    for (uint32_t i = 0; i < made; i++) {
        struct th_worker *worker = runtime->workers[i];
        if (!th_worker_has_permit(worker))
            continue;
        enum finding finding = judge(worker, look->now, runtime->monitor.slice_ns);
        look->has_doubts |= finding == DOUBTFUL;
        if (!should_retake(worker, finding, look))
            continue;
        look->stuck++;
        if (!th_crew_retake(worker, lanes[finding]))
            continue;
        look->detached++;
        th_worker_record(runtime->monitor.desk, look->now, TH_EVENT_TAKEN, worker->index);
        TH_PROBE2(detach, worker->index, th_atomic32_load_relaxed(&worker->tid));
    }
}

/* ---- Threads ---- */

static void *crew_thread(void *arg)
{
    struct th_worker *worker = arg;
    char name[16];
    snprintf(name, sizeof name, "thrum %u", worker->index);
    th_sys_thread_name(name);
    worker->failure = th_worker_prepare(worker);
    if (worker->failure == 0)
        th_worker_serve(worker);
    th_crew_gone(worker);
    return NULL;
}

static struct th_worker *make_worker(struct thrum_runtime *runtime)
{
    uint32_t made = th_runtime_made(runtime);
    struct th_worker *worker = th_sys_alloc_aligned(TH_NO_SHARING, sizeof *worker);
    if (worker == NULL)
        return NULL;
    th_worker_init(worker, runtime, made);
    th_atomic32_store_relaxed(&worker->permit, TH_PERMIT_NONE);
    runtime->workers[made] = worker;
    th_atomic32_store_release(&runtime->made, made + 1); /* [C1] */
    return worker;
}

/* One thread more. */
static bool hire(struct thrum_runtime *runtime)
{
    struct th_worker *worker = th_crew_reuse(&runtime->crew);
    if (worker == NULL)
        worker = make_worker(runtime);
    if (worker == NULL)
        return false;
    if (worker->has_thread)
        (void)th_sys_thread_join(worker->os_thread);
    th_crew_come(worker);
    worker->has_thread = th_sys_thread_start(&worker->os_thread, STACK_BYTES, crew_thread, worker) == 0;
    if (!worker->has_thread)
        th_crew_gone(worker);
    return worker->has_thread;
}

static void say_full(struct thrum_runtime *runtime)
{
    if (th_atomic32_load_relaxed(&runtime->monitor.is_full_said) == 0)
        th_report("as many tasks block or compute as THRUM_MAX_THREADS=%u lets: others wait for their turn",
                  runtime->crew.most);
    th_atomic32_store_relaxed(&runtime->monitor.is_full_said, 1);
}

static uint32_t hire_for(struct thrum_runtime *runtime, const struct look *look)
{
    uint32_t hired = 0, reserve = look->stuck > 0 ? look->stuck - look->detached + RESERVE : 0;
    bool is_full = false;
    uint32_t wanted = th_crew_wants(&runtime->crew, reserve, &is_full);
    while (hired < wanted && hired < HIRED_MOST && hire(runtime))
        hired++;
    if (is_full)
        say_full(runtime);
    return hired;
}

/* ---- The monitor ---- */

/* Tasks run that may leave others behind, of which nobody is told. */
static bool has_aside(struct thrum_runtime *runtime)
{
    return !TH_MUTANT(sleep_beside_asides) && th_crew_aside(runtime) > 0;
}

static void look_round(struct thrum_runtime *runtime)
{
    struct th_monitor *monitor = &runtime->monitor;
    struct look look = {.now = th_sys_now()};
    fire_timers(runtime, look.now);
    survey(runtime, &look);
    judge_workers(runtime, &look);
    th_crew_adapt(&runtime->crew, look.now);
    uint32_t hired = hire_for(runtime, &look);
    bool is_quiet = all_sleep(runtime);
    if (look.detached > 0 || hired > 0)
        monitor->span_ns = FIRST_NS;
    else
        monitor->span_ns = earlier(monitor->span_ns * 2, MOST_NS);
    /* Of a thread without a permit, whose tasks nobody has got hold of yet. */
    bool is_left = look.has_backlog && !TH_MUTANT(leave_the_backlog);
    if ((is_to_be_judged(runtime, look.now) || is_left) && is_quiet)
        th_idle_wake_one(runtime);
    /* Every second time at most. */
    bool doubts = look.has_doubts && !monitor->had_doubts;
    monitor->had_doubts = doubts;
    monitor->quiet_looks = is_quiet ? monitor->quiet_looks + 1 : 0;
    if (monitor->quiet_looks < QUIET_LOOKS || look.has_backlog || th_atomic32_load_relaxed(&runtime->crew.waiting) != 0)
        sleep_short(runtime, look.now + (doubts ? FIRST_NS : monitor->span_ns));
    else
        sleep_long(runtime, has_aside(runtime) ? look.now + ASIDE_MOST_NS : TH_SYS_FOREVER);
}

static void *monitor_thread(void *arg)
{
    struct thrum_runtime *runtime = arg;
    th_sys_thread_name("thrum monitor");
    while (!has_stopped(runtime))
        look_round(runtime);
    return NULL;
}

int th_monitor_start(struct thrum_runtime *runtime)
{
    struct th_monitor *monitor = &runtime->monitor;
    monitor->span_ns = FIRST_NS;
    monitor->desk = make_worker(runtime);
    if (monitor->desk == NULL)
        return -ENOMEM;
    /* Said before it runs: what it is told then, it may see late. */
    monitor->is_running = true;
    int code = th_sys_thread_start(&monitor->thread, STACK_BYTES, monitor_thread, runtime);
    /* Threads that it has started by now read it. */
    if (code < 0)
        monitor->is_running = false;
    return code;
}

void th_monitor_join(struct thrum_runtime *runtime)
{
    if (runtime->monitor.is_running)
        (void)th_sys_thread_join(runtime->monitor.thread);
}
