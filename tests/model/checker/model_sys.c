/*
 * base/sys.h, modelled; and panics, which are failures here.
 *
 * Sleeping on a word is a full fence of the caller, as it is in Linux, and nothing more: whoever is woken has learned
 * nothing from its waker by that. Who is woken, where several wait, is a choice. Time stands still while anybody can
 * run, but for `.early` deadlines. The machine has one page size, two processors, and no files.
 */
#include "engine.h"

#include "base/mutant.h"
#include "base/panic.h"
#include "base/sys.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

#define SITE ((uintptr_t)__builtin_return_address(0))

/* ---- Memory */

void *th_sys_alloc(size_t bytes)
{
    return arena_alloc(16, bytes, false, SITE);
}

void *th_sys_alloc_zeroed(size_t bytes)
{
    return arena_alloc(16, bytes, true, SITE);
}

void *th_sys_alloc_aligned(size_t alignment, size_t bytes)
{
    return arena_alloc(alignment, bytes, false, SITE);
}

void th_sys_free(void *memory)
{
    arena_free(memory, SITE);
}

int th_sys_map_stacks(size_t bytes, void **at)
{
    return arena_map(bytes, true, at);
}

int th_sys_map(size_t bytes, void **at)
{
    return arena_map(bytes, false, at);
}

int th_sys_unmap(void *at, size_t bytes)
{
    return arena_unmap(at, bytes);
}

int th_sys_protect_none(void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
    return 0;
}

int th_sys_guard_install(void *at, size_t bytes)
{
    (void)at;
    (void)bytes;
    return 0;
}

int th_sys_core_has(void *at, size_t bytes, bool has)
{
    (void)at;
    (void)bytes;
    (void)has;
    return 0;
}

int th_sys_discard(void *at, size_t bytes)
{
    shadow_access((uintptr_t)at, bytes < 64 ? bytes : 64, true, SITE);
    memset(at, 0, bytes);
    return 0;
}

/* ---- Files: there are none */

int th_sys_open_read(const char *path)
{
    (void)path;
    return -ENOENT;
}

/* Weak: a model may have a file of its own to close. */
__attribute__((weak)) int th_sys_close(int fd)
{
    (void)fd;
    return -EBADF;
}

ssize_t th_sys_read(int fd, void *to, size_t bytes)
{
    (void)fd;
    (void)to;
    (void)bytes;
    return -EBADF;
}

ssize_t th_sys_write(int fd, const void *from, size_t bytes)
{
    (void)fd;
    (void)from;
    return (ssize_t)bytes;
}

ssize_t th_sys_read_file(const char *path, char *to, size_t capacity)
{
    (void)path;
    (void)to;
    (void)capacity;
    return -ENOENT;
}

/* ---- Sleeping on a word */

int th_sys_futex_wait(th_atomic32 *word, uint32_t expected, int64_t deadline)
{
    schedule_point(SITE);
    ordering_kernel_fence();
    uint32_t value = (uint32_t)ordering_kernel_load((uintptr_t)&word->value, 4, SITE);
    struct thread *self = current_thread();
    record_event(engine.current, EVENT_FUTEX_WAIT, (uintptr_t)word, 4, value, expected, 0, SITE);
    schedule_stepped(false);
    schedule_progress();
    if (value != expected)
        return -EAGAIN;
    if (deadline <= engine.clock)
        return -ETIMEDOUT;
    self->state = THREAD_ON_FUTEX;
    self->futex = (uintptr_t)word;
    self->deadline = deadline;
    self->site = SITE;
    thread_saw(self, 10);
    schedule_block();
    return self->outcome;
}

static int futex_wake_one(th_atomic32 *word)
{
    int waiting[THREADS_MAX];
    unsigned count = 0;
    for (int t = 0; t < engine.thread_count; t++)
        if (engine.threads[t].state == THREAD_ON_FUTEX && engine.threads[t].futex == (uintptr_t)word)
            waiting[count++] = t;
    if (count == 0)
        return 0;
    int chosen = waiting[explore_choose(CHOICE_USER, count)];
    thread_saw(current_thread(), (uint64_t)chosen);
    thread_saw(&engine.threads[chosen], current_thread()->hash);
    schedule_wake(&engine.threads[chosen], 0);
    return 1;
}

int th_sys_futex_wake(th_atomic32 *word, int count)
{
    schedule_point(SITE);
    ordering_kernel_fence();
    int woken = 0;
    while (woken < count && futex_wake_one(word))
        woken++;
    thread_saw(current_thread(), (uint64_t)woken);
    record_event(engine.current, EVENT_FUTEX_WAKE, (uintptr_t)word, 4, (uint64_t)woken, 0, 0, SITE);
    schedule_progress();
    schedule_stepped(woken > 0);
    return woken;
}

int th_sys_membarrier_register(void)
{
    return 0;
}

int th_sys_membarrier(void)
{
    ordering_membarrier(SITE);
    return 0;
}

/* ---- Threads. A pthread_t is the thread's number. */

struct start {
    void *(*body)(void *);
    void *arg;
};

static struct start starts[THREADS_MAX];

static void thread_body(void *arg)
{
    struct start *start = arg;
    (void)start->body(start->arg);
}

int th_sys_thread_start(pthread_t *thread, size_t stack_bytes, void *(*body)(void *), void *arg)
{
    (void)stack_bytes;
    if (engine.thread_count == THREADS_MAX)
        engine_fail(0, "more than %d threads in one execution", THREADS_MAX);
    struct start *start = &starts[engine.thread_count];
    *start = (struct start){body, arg};
    *thread = (pthread_t)schedule_start(thread_body, start);
    return 0;
}

int th_sys_thread_join(pthread_t thread)
{
    schedule_join((int)thread, SITE);
    return 0;
}

void th_sys_thread_name(const char *name)
{
    (void)name;
}

int th_sys_thread_id(void)
{
    return engine.current + 1;
}

int64_t th_sys_thread_cpu(int id)
{
    (void)id;
    return 0;
}

bool th_sys_may_raise(void)
{
    return false;
}

int th_sys_nice(void)
{
    return 0;
}

int th_sys_thread_nice(int id, int nice)
{
    (void)id;
    (void)nice;
    return 0;
}

bool th_sys_is_batch_usable(void)
{
    return false;
}

int th_sys_thread_batch(int id, bool is_batch)
{
    (void)id;
    (void)is_batch;
    return 0;
}

char th_sys_thread_state(int id)
{
    (void)id;
    return 'S';
}

uintptr_t th_sys_thread_self(void)
{
    return 2 * ((uintptr_t)engine.current + 1);
}

void th_sys_thread_yield(void)
{
    schedule_yield();
}

/* ---- Signals: none arrive */

int th_sys_sigaction(int signo, const struct sigaction *act, struct sigaction *before)
{
    (void)signo;
    (void)act;
    if (before != NULL)
        *before = (struct sigaction){.sa_handler = SIG_DFL};
    return 0;
}

void th_sys_raise(int signo)
{
    (void)signo;
}

int th_sys_sigaltstack(const stack_t *stack, stack_t *before)
{
    (void)stack;
    if (before != NULL)
        *before = (stack_t){.ss_flags = SS_DISABLE};
    return 0;
}

void th_sys_signals_hold(sigset_t *before)
{
    (void)before;
}

void th_sys_signals_release(const sigset_t *before)
{
    (void)before;
}

size_t th_sys_signal_frame_bytes(void)
{
    return 4096;
}

/* ---- The machine */

size_t th_sys_page_bytes(void)
{
    return 4096;
}

int th_sys_affinity_count(void)
{
    return 2;
}

const char *th_sys_getenv(const char *name)
{
    (void)name;
    return NULL;
}

int64_t th_sys_now(void)
{
    thread_saw(current_thread(), (uint64_t)engine.clock);
    return engine.clock;
}

void th_sys_sleep_until(int64_t deadline)
{
    schedule_point(SITE);
    if (deadline <= engine.clock)
        return;
    struct thread *self = current_thread();
    self->state = THREAD_ASLEEP;
    self->deadline = deadline;
    self->site = SITE;
    thread_saw(self, 11);
    schedule_block();
}

uint64_t th_sys_random(void)
{
    return 0x9e3779b97f4a7c15u * (uint64_t)(engine.current + 1);
}

/* ---- The end */

void (*th_panic_context)(void);
void (*th_panic_rest)(void);

void th_panic(const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    engine_fail(0, "panic: %s", text);
}

void th_report(const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    record_note(engine.current, SITE, "report: %s", text);
}

void th_report_symbol(const void *address, char text[TH_SYMBOL_BYTES])
{
    (void)snprintf(text, TH_SYMBOL_BYTES, "%p", address);
}

void th_report_backtrace(int skip)
{
    (void)skip;
}
