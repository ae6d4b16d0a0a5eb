/*
 * The seam to the outside: every system call, every clock, every allocation of the runtime passes here.
 *
 * One place, so that
 *   - a fault injector (base/fault.h) can make the n-th call fail or come up short,
 *   - the model checker (tests/model) can replace this file's functions by modelled ones,
 *   - a deterministic mode can bring its own clock,
 *   - a reader knows what the library asks of a kernel.
 *
 * Calls return >= 0 or -errno; errno itself is neither left changed nor looked at by anybody else. Nothing here is
 * inlined: errno's address is a thread-local fact, which must not be remembered over a switch (runtime/README.md,
 * "Thread-local state"). Calls on the program's own files are in base/sys_io.h and
 * base/sys_file.h, on its children in base/sys_process.h.
 */
#ifndef TH_BASE_SYS_H
#define TH_BASE_SYS_H

#include "base/atomic.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/types.h>

/* Each row is a call that can be made to fail, by this name, in a build with the injector. */
#define TH_SYS_CALLS(X) \
    X(alloc)            \
    X(mmap)             \
    X(munmap)           \
    X(mprotect)         \
    X(madvise)          \
    X(open)             \
    X(close)            \
    X(read)             \
    X(write)            \
    X(futex_wait)       \
    X(futex_wake)       \
    X(membarrier)       \
    X(thread_start)     \
    X(thread_cpu)       \
    X(thread_weight)    \
    X(sigaction)        \
    X(sigaltstack)      \
    X(getaffinity)      \
    X(random)           \
    X(epoll_create)     \
    X(epoll_ctl)        \
    X(epoll_wait)       \
    X(eventfd)          \
    X(poll)             \
    X(fcntl)            \
    X(fstat)            \
    X(readv)            \
    X(writev)           \
    X(pread)            \
    X(pwrite)           \
    X(sendfile)         \
    X(splice)           \
    X(socket)           \
    X(bind)             \
    X(listen)           \
    X(accept)           \
    X(connect)          \
    X(shutdown)         \
    X(recv)             \
    X(send)             \
    X(recvmsg)          \
    X(sendmsg)          \
    X(getsockopt)       \
    X(setsockopt)       \
    X(getsockname)      \
    X(getpeername)      \
    X(fchmod)           \
    X(memfd)            \
    X(getaddrinfo)      \
    X(fsync)            \
    X(fstatat)          \
    X(rename)           \
    X(unlink)           \
    X(mkdir)            \
    X(ftruncate)        \
    X(getdents)         \
    X(spawn)            \
    X(pidfd_open)       \
    X(pidfd_kill)       \
    X(waitid)           \
    X(pipe)             \
    X(peek)             \
    X(core)

enum th_sys_call {
#define TH_SYS_ENUM(name) TH_SYS_##name,
    TH_SYS_CALLS(TH_SYS_ENUM)
#undef TH_SYS_ENUM
        TH_SYS_COUNT
};

/* Memory. alloc returns NULL where there is none; what it returns is not cleared unless asked. */
void *th_sys_alloc(size_t bytes);
void *th_sys_alloc_zeroed(size_t bytes);
void *th_sys_alloc_aligned(size_t alignment, size_t bytes);
void *th_sys_realloc(void *memory, size_t bytes);
void th_sys_free(void *memory);

/* Copies memory of this process that may change or be gone, without a fault; 0, -EFAULT (not all of it can be read),
 * -ENOSYS. For who looks at what belongs to others. */
int th_sys_peek(const void *from, void *to, size_t bytes);

/* Address space. map reserves private anonymous pages, readable and writable, never huge, not counted until touched. */
int th_sys_map_stacks(size_t bytes, void **at);
int th_sys_map(size_t bytes, void **at);
int th_sys_map_shared(size_t bytes, void **at); /* with children too, that are made by a fork later */
int th_sys_unmap(void *at, size_t bytes);
int th_sys_protect_none(void *at, size_t bytes);
int th_sys_guard_install(void *at, size_t bytes); /* -EINVAL where the kernel is older than 6.13 */
/* Whether a core file has these pages; the kernel walks through all that it has, touched or not. */
int th_sys_core_has(void *at, size_t bytes, bool has);
int th_sys_discard(void *at, size_t bytes); /* gives pages back; they read as zero afterwards */

/* Files, for what the runtime itself reads (limits, cgroups) and writes (reports). */
int th_sys_open_read(const char *path);
int th_sys_close(int fd);
ssize_t th_sys_read(int fd, void *to, size_t bytes);
ssize_t th_sys_write(int fd, const void *from, size_t bytes);
/* A small file, whole, with a zero behind it; the length, or -errno. A longer file is cut at capacity - 1. */
ssize_t th_sys_read_file(const char *path, char *to, size_t capacity);

/* Sleeping on a word. wait returns 0 when woken (perhaps for nothing), -EAGAIN when *word was not `expected`,
 * -ETIMEDOUT when `deadline` (absolute, th_sys_now's clock; TH_SYS_FOREVER: none) came. */
#define TH_SYS_FOREVER INT64_MAX
int th_sys_futex_wait(th_atomic32 *word, uint32_t expected, int64_t deadline);
int th_sys_futex_wake(th_atomic32 *word, int count);

/* membarrier(2), private expedited: every running thread of the process executes a full fence. */
int th_sys_membarrier_register(void);
int th_sys_membarrier(void);

/* Threads. */
int th_sys_thread_start(pthread_t *thread, size_t stack_bytes, void *(*body)(void *), void *arg);
int th_sys_thread_join(pthread_t thread);
void th_sys_thread_name(const char *name); /* of the calling thread, cut at 15 characters */
int th_sys_thread_id(void);
int64_t th_sys_thread_cpu(int id); /* nanoseconds of processor that a thread of this process has used; or -errno */
/* How much a thread counts beside others. Everybody may lower a thread's niceness, few may raise it again. */
bool th_sys_may_raise(void);
int th_sys_nice(void); /* of the calling thread */
int th_sys_thread_nice(int id, int nice);
bool th_sys_is_batch_usable(void); /* the calling thread is scheduled in the usual way */
int th_sys_thread_batch(int id, bool is_batch);
char th_sys_thread_state(int id);   /* the kernel's letter: R runs or could, S and D wait, T is stopped; 0: unknown */
uintptr_t th_sys_thread_self(void); /* an even number that no other living thread has; no system call */
void th_sys_thread_yield(void);

/* Signals. */
int th_sys_sigaction(int signo, const struct sigaction *act, struct sigaction *before);
void th_sys_raise(
    int signo); /* to the calling thread; a handler that runs holds its own signal back until it returns */
int th_sys_sigaltstack(const stack_t *stack, stack_t *before);
void th_sys_signals_hold(sigset_t *before); /* none is delivered to the calling thread until the release */
void th_sys_signals_release(const sigset_t *before);
size_t th_sys_signal_frame_bytes(void); /* AT_MINSIGSTKSZ: what the kernel pushes for one signal */

/* The machine. */
size_t th_sys_page_bytes(void);
int th_sys_affinity_count(void); /* processors that the calling thread may run on */
const char *th_sys_getenv(const char *name);

/* Time: nanoseconds on the monotonic clock, and nothing else anywhere. */
int64_t th_sys_now(void);
void th_sys_sleep_until(int64_t deadline);

/*
 * The virtual clock, for runs with a seed (sched/seeded.h). While it is on th_sys_now reads it. Each look takes a
 * little time; else it stands still until it is moved. Who waits in the kernel waits for a real span; if that ends the
 * wait, the clock has moved as far. Moving it into the past does nothing; 0 is no point of it.
 */
void th_sys_clock_begin(int64_t at);
void th_sys_clock_reach(int64_t to);
void th_sys_clock_pass(int64_t span);
void th_sys_clock_end(void);

/* 64 bits for seeds. */
uint64_t th_sys_random(void);

#endif
