/* thrum_trace: flight recorders (sched/recorder.h), written down in Chrome's trace event format. */
#include "observe/trace_file.h"

#include "base/panic.h"
#include "base/sys.h"
#include "base/sys_file.h"
#include "observe/names.h"
#include "sched/registry.h"
#include "sched/wait.h"
#include "sched/worker.h"
#include "task/life.h"
#include "task/waiting.h"

#include <errno.h>
#include <fcntl.h>

enum { TEXT_BYTES = 1 << 16, SLICES_MOST = 32 };

/* A task that runs. */
struct slice {
    int64_t since;
    uint64_t task;
    const void *fn;
    uint32_t dispatch;
};

/* All that a trace needs, in memory of its own. */
struct trace {
    struct th_text text;
    struct th_names names;
    bool has_written;
    uint32_t runtime, worker; /* of the events that are being written */
    bool has_all;
    struct slice slices[SLICES_MOST]; /* the last one is on top of the others */
    uint32_t depth;                   /* may be more than there is room for */
    int64_t idle_since;               /* 0: it is not */
    int64_t last;                     /* of its events */
    char bytes[TEXT_BYTES];
};

/* ---- JSON ---- */

/* Microseconds, with three places. */
static void add_time(struct th_text *text, const char *key, int64_t ns)
{
    unsigned rest = (unsigned)(ns % 1000);
    th_text_add(text, ",\"%s\":%ld.%u%u%u", key, (long)(ns / 1000), rest / 100, rest / 10 % 10, rest % 10);
}

static void begin(struct trace *trace, const char *phase, int64_t at, const char *name)
{
    th_text_add(&trace->text, "%s{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u,\"name\":", trace->has_written ? ",\n" : "",
                phase, trace->runtime + 1, trace->worker);
    th_text_quote(&trace->text, name);
    add_time(&trace->text, "ts", at);
    trace->has_written = true;
}

static void end(struct trace *trace)
{
    th_text_add(&trace->text, "}");
}

static void add_instant(struct trace *trace, const struct th_flight *event, const char *name, const char *key)
{
    begin(trace, "i", event->at, name);
    th_text_add(&trace->text, ",\"s\":\"t\",\"args\":{\"%s\":%u}", key, event->detail);
    end(trace);
}

/* An arrow from here ("s") to where the task runs ("f"). */
static void add_arrow(struct trace *trace, const struct th_flight *event, const char *phase)
{
    if (!trace->has_all)
        return;
    begin(trace, phase, event->at, "ready");
    th_text_add(&trace->text, ",\"cat\":\"ready\",\"id\":%lu,\"bp\":\"e\"", (unsigned long)event->task);
    end(trace);
}

static void add_label(struct trace *trace, const char *what, const char *label, uint32_t number)
{
    th_text_add(&trace->text, "%s{\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"%s\",\"args\":{\"name\":\"%s %u\"}}",
                trace->has_written ? ",\n" : "", trace->runtime + 1, trace->worker, what, label, number);
    trace->has_written = true;
}

/* ---- Runs of tasks ---- */

static void open_slice(struct trace *trace, const struct th_flight *event)
{
    if (trace->depth < SLICES_MOST)
        trace->slices[trace->depth] =
            (struct slice){.since = event->at, .task = event->task, .fn = event->place, .dispatch = event->dispatch};
    trace->depth++;
}

static void add_reason(struct trace *trace, const struct th_flight *end_event)
{
    static const char *const texts[] = {
        [TH_LEAVE_ENDED] = "ended", [TH_LEAVE_YIELDED] = "yielded", [TH_LEAVE_WAITS] = "waits"};
    struct th_wait_kind kind = {.name = NULL};
    if (end_event == NULL || end_event->kind != TH_EVENT_LEAVE || end_event->detail > TH_LEAVE_WAITS)
        return;
    if (end_event->place != NULL && th_sys_peek(end_event->place, &kind, sizeof kind) < 0)
        kind.name = NULL;
    th_text_add(&trace->text, ",\"then\":\"%s%s%s\"", texts[end_event->detail], kind.name != NULL ? " for " : "",
                kind.name != NULL ? kind.name : "");
}

static const char *name_of(struct trace *trace, const void *fn)
{
    /* The user's own is called by it; reports call the task so too. */
    if (fn == (const void *)(uintptr_t)th_run_main)
        return "main";
    const char *name = th_names_place(&trace->names, (uintptr_t)fn)->name;
    return *name != '\0' ? name : "task";
}

/* The innermost one; what ended it, or NULL: it goes on. Of several dispatches the first alone is known. */
static void close_slice(struct trace *trace, int64_t at, const struct th_flight *end_event)
{
    if (trace->depth-- > SLICES_MOST)
        return;
    const struct slice *slice = &trace->slices[trace->depth];
    uint32_t more = end_event != NULL && !trace->has_all ? end_event->dispatch - slice->dispatch : 0;
    begin(trace, "X", slice->since, name_of(trace, slice->fn));
    add_time(&trace->text, "dur", at > slice->since ? at - slice->since : 0);
    th_text_add(&trace->text, ",\"args\":{\"task\":%lu", (unsigned long)slice->task);
    if (more > 1)
        th_text_add(&trace->text, ",\"and other dispatches\":%u", more - 1);
    else
        add_reason(trace, end_event);
    th_text_add(&trace->text, "}");
    end(trace);
}

static void close_slices(struct trace *trace, int64_t at, const struct th_flight *end_event)
{
    while (trace->depth > 0)
        close_slice(trace, at, end_event);
}

static void close_idle(struct trace *trace, int64_t at, uint32_t slept)
{
    if (trace->idle_since == 0)
        return;
    begin(trace, "X", trace->idle_since, slept > 0 ? "asleep" : "looks for work");
    add_time(&trace->text, "dur", at - trace->idle_since);
    end(trace);
    trace->idle_since = 0;
}

/* ---- Events ---- */

static void render_dispatch(struct trace *trace, const struct th_flight *event)
{
    close_slices(trace, event->at, event);
    open_slice(trace, event);
    add_arrow(trace, event, "f");
}

static void render(struct trace *trace, const struct th_flight *event)
{
    switch (event->kind) {
    case TH_EVENT_PICK:
    case TH_EVENT_ASIDE:
        render_dispatch(trace, event);
        break;
    case TH_EVENT_LEAVE:
        close_slices(trace, event->at, event);
        break;
    case TH_EVENT_IDLE:
        close_slices(trace, event->at, event);
        trace->idle_since = event->at;
        break;
    case TH_EVENT_BUSY:
        close_idle(trace, event->at, event->detail);
        break;
    case TH_EVENT_STEAL:
        add_instant(trace, event, "stole", "from worker");
        break;
    case TH_EVENT_POLL:
        add_instant(trace, event, "file descriptors ready", "tasks");
        break;
    case TH_EVENT_TIMER:
        add_instant(trace, event, "timers fired", "timers");
        break;
    case TH_EVENT_TAKEN:
        add_instant(trace, event, "replaced a worker", "worker");
        break;
    case TH_EVENT_BACK:
        add_instant(trace, event, "back, without a permit", "detail");
        break;
    case TH_EVENT_SPAWN:
    case TH_EVENT_WAKE:
        add_arrow(trace, event, "s");
        break;
    case TH_EVENT_BEGIN:
        open_slice(trace, event);
        add_arrow(trace, event, "f");
        break;
    case TH_EVENT_RETURN:
        if (trace->depth > 0)
            close_slice(trace, event->at, NULL);
        /* It has waited meanwhile, and came back alone: below it is who runs on now. */
        if (trace->depth == 0)
            open_slice(trace, event);
        break;
    }
}

static void write_worker(struct trace *trace, const struct th_worker *worker, bool is_monitor)
{
    const struct th_recorder *recorder = worker->recorder;
    struct th_flight event;
    if (recorder == NULL || th_recorder_head(recorder) == 0)
        return;
    trace->worker = worker->index;
    trace->has_all = worker->records_all;
    trace->depth = 0;
    trace->idle_since = trace->last = 0;
    add_label(trace, "thread_name", is_monitor ? "monitor" : "worker", worker->index);
    uint64_t head = th_recorder_head(recorder);
    for (uint64_t i = head > recorder->capacity ? head - recorder->capacity : 0; i < head; i++) {
        if (!th_recorder_read(recorder, i, &event))
            continue;
        /* Some have the time of an earlier look at the clock. */
        event.at = event.at > trace->last ? event.at : trace->last;
        trace->last = event.at;
        render(trace, &event);
    }
    int64_t now = th_sys_now();
    close_slices(trace, now, NULL);
    close_idle(trace, now, 1);
}

static void write_runtimes(struct trace *trace)
{
    th_registry_enter();
    for (uint32_t i = 0; i < TH_REGISTRY_MOST; i++) {
        struct thrum_runtime *runtime = th_registry_at(i);
        if (runtime == NULL)
            continue;
        trace->runtime = i;
        trace->worker = 0;
        add_label(trace, "process_name", "thrum runtime", i);
        uint32_t made = th_runtime_made(runtime);
        for (uint32_t at = 0; at < made; at++)
            write_worker(trace, runtime->workers[at], runtime->workers[at] == runtime->monitor.desk);
    }
    th_registry_leave();
}

static int write_trace(int fd)
{
    void *memory;
    int code = th_sys_map(sizeof(struct trace), &memory);
    if (code < 0)
        return code;
    struct trace *trace = memory;
    trace->text = (struct th_text){.bytes = trace->bytes, .capacity = TEXT_BYTES, .fd = fd};
    th_text_add(&trace->text, "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n");
    write_runtimes(trace);
    th_text_add(&trace->text, "\n]}\n");
    code = th_text_send(&trace->text);
    (void)th_sys_unmap(memory, sizeof *trace);
    return code;
}

int thrum_trace(int fd)
{
    /* One at a time, as for dumps. */
    static th_atomic32 is_tracing = TH_ATOMIC_INIT(0);
    if (th_atomic32_exchange_relaxed(&is_tracing, 1) != 0)
        return -EBUSY;
    int code = write_trace(fd);
    th_atomic32_store_relaxed(&is_tracing, 0);
    return code;
}

/* ---- Into a file ---- */

static const char *path; /* NULL: none. Written before anybody may want one. */

void th_trace_open(void)
{
    const char *wanted = th_sys_getenv("THRUM_TRACE");
    path = wanted != NULL && *wanted != '\0' ? wanted : NULL;
}

void th_trace_to_file(void)
{
    if (path == NULL)
        return;
    int fd = th_sys_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int code = fd < 0 ? fd : thrum_trace(fd);
    if (fd >= 0)
        (void)th_sys_close(fd);
    if (code < 0)
        th_report("THRUM_TRACE=%s: cannot be written (%d)", path, code);
}
