/* thrum_run: from nothing to a runtime and back. */
#include "base/config.h"
#include "base/cores.h"
#include "base/debug.h"
#include "base/sys.h"
#include "sched/idle.h"
#include "sched/registry.h"
#include "sched/watched.h"
#include "task/call.h"
#include "task/deadlock.h"
#include "task/interrupt.h"
#include "task/life.h"
#include "task/observer.h"
#include "task/post.h"
#include "task/report.h"
#include "task/scope.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    WORKERS_MOST = 1024,
    THREADS_USUAL = 512,
    SPARES_LEAST = 64,
    THREADS_MOST = 16384,
    SLICE_US = 1000, /* long beside the 50 us that a spare takes to run, short beside what people notice */
    SLICE_US_MOST = 1000000,
    WORKER_STACK_BYTES = 1 << 20
};

struct main_task {
    thrum_fn fn;
    void *arg;
    struct thrum_runtime *runtime;
    int result;
};

/* The main task: when it has ended, the rest is cancelled and drains. */
int th_run_main(void *arg)
{
    struct main_task *main_task = arg;
    main_task->result = main_task->fn(main_task->arg);
    th_atomic32_store_release(&main_task->runtime->phase, TH_PHASE_CLOSING); /* [Q2] */
    th_scope_cancel_root(main_task->runtime, THRUM_CANCEL_SHUTDOWN);
    return 0;
}

struct settings {
    uint64_t workers;
    uint64_t threads;  /* at most */
    uint64_t slice_us; /* 0: nobody is detached */
    uint64_t seed;     /* 0: a run without */
};

static int read_workers(const thrum_options *options, uint64_t *workers)
{
    uint64_t wanted = options->workers;
    if (wanted > WORKERS_MOST) {
        th_report("thrum_options.workers = %u: want at most %d", options->workers, WORKERS_MOST);
        return -EINVAL;
    }
    int code = wanted == 0 ? th_config_number("THRUM_WORKERS", 1, WORKERS_MOST, &wanted) : 0;
    if (wanted == 0)
        wanted = (uint64_t)th_cores_granted();
    *workers = wanted < WORKERS_MOST ? wanted : WORKERS_MOST;
    return code;
}

static int read_settings(const thrum_options *options, struct settings *settings)
{
    int code = read_workers(options, &settings->workers);
    if (code < 0)
        return code;
    uint64_t enough = settings->workers + SPARES_LEAST;
    settings->threads = enough > THREADS_USUAL ? enough : THREADS_USUAL;
    code = th_config_number("THRUM_MAX_THREADS", settings->workers + 1, THREADS_MOST, &settings->threads);
    if (code < 0)
        return code;
    settings->slice_us = SLICE_US;
    code = th_debug_open();
    if (code == 0)
        code = th_config_number("THRUM_SLICE_US", 0, SLICE_US_MOST, &settings->slice_us);
    settings->seed = options->seed;
    if (code == 0 && settings->seed == 0)
        code = th_config_number("THRUM_SEED", 1, UINT64_MAX, &settings->seed);
    if (settings->seed != 0) {
        settings->workers = 1;
        settings->slice_us = 0;
    }
    return code;
}

/* ---- Workers ---- */

static void *worker_thread(void *arg)
{
    struct th_worker *worker = arg;
    /* Nobody begins before it is known how many there are. */
    th_lock_take(&worker->runtime->gate);
    th_lock_leave(&worker->runtime->gate);
    char name[16];
    snprintf(name, sizeof name, "thrum %u", worker->index);
    th_sys_thread_name(name);
    worker->failure = th_worker_prepare(worker);
    if (worker->failure == 0) {
        th_worker_serve(worker);
        th_crew_gone(worker);
    } else {
        /* Its permit is nobody's: idle for good. */
        (void)th_crew_begin_idle(worker);
        th_idle_count_absent(worker->runtime);
    }
    return NULL;
}

static void give_recorder(struct th_worker *worker)
{
    worker->records_all = (worker->runtime->watches & TH_DEBUG_EVENTS) != 0;
    worker->recorder = th_recorder_create(worker->records_all);
}

static struct th_worker *make_worker(struct thrum_runtime *runtime, uint32_t index)
{
    struct th_worker *worker = th_sys_alloc_aligned(TH_NO_SHARING, sizeof *worker);
    if (worker != NULL)
        th_worker_init(worker, runtime, index);
    return worker;
}

/* Timers that will not fire any more: those of calls own memory. */
static void forget_timers(struct th_worker *worker)
{
    struct th_timer_due due;
    while (th_timers_due(&worker->timers, INT64_MAX, &due, 1) == 1)
        th_call_forget(th_due_task(due.owner), worker);
}

static void end_worker(struct th_worker *worker)
{
    forget_timers(worker);
    th_record_cache_flush(&worker->records, &worker->runtime->records);
    th_recorder_destroy(worker->recorder);
    th_worker_fini(worker);
    th_sys_free(worker);
}

/* ---- The runtime ---- */

static void close_runtime(struct thrum_runtime *runtime)
{
    th_runtime_await_visitors(runtime);
    struct th_poll_source *source = th_runtime_poll_source(runtime);
    if (source != NULL)
        source->close(source);
    for (uint32_t i = 0; i < th_runtime_made(runtime); i++)
        end_worker(runtime->workers[i]);
    th_report_records_left(&runtime->records);
    th_records_fini(&runtime->records);
    th_sys_free(runtime->posts);
    th_sys_free(runtime);
}

/* The runtime without its workers; their array stands behind it, with room for the monitor's desk too. */
static struct thrum_runtime *make_runtime(const struct settings *settings)
{
    struct th_posts *posts = th_sys_alloc_aligned(TH_CACHE_LINE, sizeof *posts);
    size_t bytes = sizeof(struct thrum_runtime) + (settings->threads + 1) * sizeof(struct th_worker *);
    struct thrum_runtime *runtime = posts != NULL ? th_sys_alloc_aligned(TH_NO_SHARING, bytes) : NULL;
    if (runtime == NULL) {
        th_sys_free(posts);
        return NULL;
    }
    memset(runtime, 0, sizeof *runtime);
    runtime->workers = (struct th_worker **)(void *)(runtime + 1);
    runtime->execute = th_task_execute;
    runtime->posts = posts;
    runtime->judge_rest = th_deadlock_judge;
    runtime->equip = give_recorder;
    runtime->watches = th_watched_open();
    runtime->monitor.slice_ns = (int64_t)settings->slice_us * 1000;
    th_posts_init(posts);
    th_records_init(&runtime->records);
    int cores = th_sys_affinity_count();
    runtime->cores = cores > 0 ? (uint32_t)cores : 1;
    th_crew_init(&runtime->crew, (uint32_t)settings->workers, (uint32_t)settings->threads);
    return runtime;
}

static int open_runtime(const struct settings *settings, struct thrum_runtime **opened)
{
    struct thrum_runtime *runtime = make_runtime(settings);
    if (runtime == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < settings->workers; i++) {
        struct th_worker *worker = make_worker(runtime, i);
        if (worker == NULL) {
            close_runtime(runtime);
            return -ENOMEM;
        }
        runtime->workers[runtime->worker_count++] = worker;
        th_atomic32_store_relaxed(&runtime->made, runtime->worker_count);
    }
    *opened = runtime;
    return 0;
}

/* Starts the threads of all workers but the first, which is the caller's. Fewer are no failure: the runtime works with
 * those that could be started, and a line says so. */
static void start_threads(struct thrum_runtime *runtime)
{
    uint32_t started = 1, wanted = runtime->worker_count;
    int code = 0;
    th_lock_take(&runtime->gate);
    while (code == 0 && started < wanted) {
        struct th_worker *worker = runtime->workers[started];
        code = th_sys_thread_start(&worker->os_thread, WORKER_STACK_BYTES, worker_thread, worker);
        worker->has_thread = code == 0;
        started += code == 0;
    }
    for (; runtime->worker_count > started; runtime->worker_count--)
        end_worker(runtime->workers[runtime->worker_count - 1]);
    th_atomic32_store_relaxed(&runtime->made, started);
    runtime->crew.threads = started;
    int watched = runtime->monitor.slice_ns > 0 ? th_monitor_start(runtime) : 0;
    th_registry_add(runtime);
    th_lock_leave(&runtime->gate);
    if (code < 0)
        th_report("only %u of %u workers could be started: %s (%d)", started, wanted, thrum_strerror(code), code);
    if (watched < 0)
        th_report("no thread for the monitor: a task that blocks or computes holds its worker: %s (%d)",
                  thrum_strerror(watched), watched);
}

static void join_threads(struct thrum_runtime *runtime)
{
    th_monitor_join(runtime);
    for (uint32_t i = 1; i < th_runtime_made(runtime); i++) {
        struct th_worker *worker = runtime->workers[i];
        if (worker->has_thread)
            (void)th_sys_thread_join(worker->os_thread);
        if (worker->failure < 0 && i < runtime->worker_count)
            th_report("worker %u of %u could not run: %s (%d)", worker->index + 1, runtime->worker_count,
                      thrum_strerror(worker->failure), worker->failure);
    }
}

static int run(struct thrum_runtime *runtime, struct main_task *main_task)
{
    struct th_worker *first = runtime->workers[0];
    int code = th_worker_prepare(first);
    if (code < 0)
        return code;
    struct th_task *task = th_task_make(first, th_run_main, main_task);
    if (task == NULL) {
        th_thread_fini(&first->thread);
        return -ENOMEM;
    }
    task->name = "main";
    runtime->seeded.first_id = task->id;
    main_task->runtime = runtime;
    th_worker_add_fresh(first, task);
    th_worker_count(&first->spawned);
    start_threads(runtime);
    th_worker_serve(first);
    join_threads(runtime);
    th_observer_end(runtime);
    th_registry_remove(runtime);
    return 0;
}

/* What the process has one of: a clock, and so either runs without a seed or a single one with. */
static struct {
    struct th_lock lock;
    uint32_t runs;  /* l: under way */
    bool is_seeded; /* l: the one that is */
} process = {.lock = TH_LOCK_INIT};

static int enter_process(const struct settings *settings)
{
    bool is_seeded = settings->seed != 0;
    th_lock_take(&process.lock);
    bool may = process.runs == 0 || (!is_seeded && !process.is_seeded);
    if (may) {
        process.runs++;
        process.is_seeded = is_seeded;
        th_guard_open();
        th_fiber_identify = th_report_identify;
    }
    th_lock_leave(&process.lock);
    if (!may)
        th_report("a run with a seed and another run at the same time: there is one clock in a process");
    return may ? 0 : -EBUSY;
}

static void leave_process(void)
{
    th_lock_take(&process.lock);
    process.runs--;
    th_lock_leave(&process.lock);
}

/* From the runtime to its end. */
static int run_with(const struct settings *settings, struct main_task *main_task)
{
    struct thrum_runtime *runtime;
    int code = open_runtime(settings, &runtime);
    if (code < 0)
        return code;
    if (settings->seed != 0)
        code = th_seeded_open(runtime->workers[0], settings->seed);
    if (code == 0) {
        th_interrupt_begin(runtime);
        th_observer_open();
        code = run(runtime, main_task);
        th_observer_close();
        th_interrupt_end(runtime);
        if (code == 0 && th_atomic32_load_relaxed(&runtime->deadlocks) != 0)
            code = -EDEADLK;
        th_report_at_end(runtime);
        if (settings->seed != 0)
            th_seeded_close(runtime->workers[0], code < 0 ? code : main_task->result);
    }
    close_runtime(runtime);
    return code;
}

int thrum_run_with(const thrum_options *given, thrum_fn main_fn, void *arg)
{
    static const thrum_options defaults = {0};
    const thrum_options *options = given != NULL ? given : &defaults;
    struct settings settings;
    if (th_fiber_self() != NULL)
        return main_fn(arg);
    int code = read_settings(options, &settings);
    if (code < 0)
        return code;
    struct th_stack_options stacks = {.slot_bytes = options->stack_bytes};
    code = th_stack_open(&stacks);
    if (code < 0)
        return code;
    struct main_task main_task = {.fn = main_fn, .arg = arg};
    code = enter_process(&settings);
    if (code == 0) {
        code = run_with(&settings, &main_task);
        leave_process();
    }
    th_stack_close();
    return code < 0 ? code : main_task.result;
}

int thrum_run(thrum_fn main_fn, void *arg)
{
    return thrum_run_with(NULL, main_fn, arg);
}
