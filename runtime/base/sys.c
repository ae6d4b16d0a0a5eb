#include "base/sys.h"

#include "base/fault.h"
#include "base/sys_result.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Newer than Debian 12's headers; the kernel says EINVAL where it does not know it. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

void *th_sys_alloc(size_t bytes)
{
    if (TH_FAULT(alloc))
        return NULL;
    return malloc(bytes);
}

void *th_sys_alloc_zeroed(size_t bytes)
{
    if (TH_FAULT(alloc))
        return NULL;
    return calloc(1, bytes);
}

void *th_sys_alloc_aligned(size_t alignment, size_t bytes)
{
    if (TH_FAULT(alloc))
        return NULL;
    return aligned_alloc(alignment, (bytes + alignment - 1) & ~(alignment - 1));
}

void *th_sys_realloc(void *memory, size_t bytes)
{
    if (TH_FAULT(alloc))
        return NULL;
    return realloc(memory, bytes);
}

void th_sys_free(void *memory)
{
    free(memory);
}

/* Flags: MAP_PRIVATE or MAP_SHARED, and more. */
static int sys_map(size_t bytes, int flags, void **at)
{
    int fault = TH_FAULT(mmap);
    if (fault)
        return fault;
    int errno_before = errno;
    void *mapped = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
    int code = mapped == MAP_FAILED ? -errno : 0;
    errno = errno_before;
    if (code == 0)
        *at = mapped;
    return code;
}

int th_sys_map_stacks(size_t bytes, void **at)
{
    int code = sys_map(bytes, MAP_PRIVATE | MAP_NORESERVE | MAP_STACK, at);
    /* MAP_STACK alone keeps huge pages away only on newer kernels. One that cannot do huge pages says EINVAL: fine. */
    if (code == 0)
        (void)SYS_RESULT(madvise(*at, bytes, MADV_NOHUGEPAGE));
    return code;
}

int th_sys_map(size_t bytes, void **at)
{
    return sys_map(bytes, MAP_PRIVATE, at);
}

int th_sys_map_shared(size_t bytes, void **at)
{
    return sys_map(bytes, MAP_SHARED, at);
}

int th_sys_unmap(void *at, size_t bytes)
{
    int fault = TH_FAULT(munmap);
    return fault ? fault : (int)SYS_RESULT(munmap(at, bytes));
}

int th_sys_protect_none(void *at, size_t bytes)
{
    int fault = TH_FAULT(mprotect);
    return fault ? fault : (int)SYS_RESULT(mprotect(at, bytes, PROT_NONE));
}

int th_sys_guard_install(void *at, size_t bytes)
{
    int fault = TH_FAULT(madvise);
    return fault ? fault : (int)SYS_RESULT(madvise(at, bytes, MADV_GUARD_INSTALL));
}

int th_sys_core_has(void *at, size_t bytes, bool has)
{
    int fault = TH_FAULT(core);
    return fault ? fault : (int)SYS_RESULT(madvise(at, bytes, has ? MADV_DODUMP : MADV_DONTDUMP));
}

int th_sys_discard(void *at, size_t bytes)
{
    int fault = TH_FAULT(madvise);
    return fault ? fault : (int)SYS_RESULT(madvise(at, bytes, MADV_DONTNEED));
}

int th_sys_peek(const void *from, void *to, size_t bytes)
{
    int fault = TH_FAULT(peek);
    if (fault)
        return fault;
    struct iovec local = {.iov_base = to, .iov_len = bytes};
    struct iovec remote = {.iov_base = (void *)(uintptr_t)from, .iov_len = bytes};
    ssize_t got = SYS_RESULT(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
    return got < 0 ? (int)got : (size_t)got == bytes ? 0 : -EFAULT;
}

int th_sys_open_read(const char *path)
{
    int fault = TH_FAULT(open);
    return fault ? fault : (int)SYS_RESULT(open(path, O_RDONLY | O_CLOEXEC));
}

int th_sys_close(int fd)
{
    int fault = TH_FAULT(close);
    return fault ? fault : (int)SYS_RESULT(close(fd));
}

ssize_t th_sys_read(int fd, void *to, size_t bytes)
{
    int fault = TH_FAULT_SHORT(read, &bytes);
    return fault ? fault : (ssize_t)SYS_RESULT(read(fd, to, bytes));
}

ssize_t th_sys_write(int fd, const void *from, size_t bytes)
{
    int fault = TH_FAULT_SHORT(write, &bytes);
    return fault ? fault : (ssize_t)SYS_RESULT(write(fd, from, bytes));
}

ssize_t th_sys_read_file(const char *path, char *to, size_t capacity)
{
    int fd = th_sys_open_read(path);
    if (fd < 0)
        return fd;
    size_t length = 0;
    ssize_t got = 0;
    while (length < capacity - 1) {
        got = th_sys_read(fd, to + length, capacity - 1 - length);
        if (got == -EINTR)
            continue;
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    (void)th_sys_close(fd);
    if (got < 0)
        return got;
    to[length] = '\0';
    return (ssize_t)length;
}

/* What a look at the virtual clock takes: as much as one at a real clock, so that who spins until a time gets there. */
enum { LOOK_NS = 50 };

static th_atomic64 virtual_now; /* 0: there is none */

static int64_t kernel_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t th_sys_now(void)
{
    if (TH_UNLIKELY(th_atomic64_load_relaxed(&virtual_now) != 0))
        return (int64_t)th_atomic64_add_relaxed(&virtual_now, LOOK_NS) + LOOK_NS;
    return kernel_now();
}

void th_sys_clock_begin(int64_t at)
{
    th_atomic64_store_relaxed(&virtual_now, (uint64_t)at);
}

void th_sys_clock_reach(int64_t to)
{
    uint64_t now = th_atomic64_load_relaxed(&virtual_now);
    while (now != 0 && (int64_t)now < to && !th_atomic64_cas_relaxed(&virtual_now, &now, (uint64_t)to))
        continue;
}

void th_sys_clock_pass(int64_t span)
{
    th_sys_clock_reach((int64_t)th_atomic64_load_relaxed(&virtual_now) + span);
}

void th_sys_clock_end(void)
{
    th_atomic64_store_relaxed(&virtual_now, 0);
}

/* A deadline on the kernel's own clock. */
static int64_t kernel_time(int64_t deadline)
{
    int64_t now = (int64_t)th_atomic64_load_relaxed(&virtual_now);
    if (now == 0 || deadline == TH_SYS_FOREVER)
        return deadline;
    return kernel_now() + (deadline > now ? deadline - now : 0);
}

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

int th_sys_futex_wait(th_atomic32 *word, uint32_t expected, int64_t deadline)
{
    int fault = TH_FAULT(futex_wait);
    if (fault)
        return fault;
    struct timespec until = timespec_of(kernel_time(deadline));
    long code = SYS_RESULT(syscall(SYS_futex, &word->value, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                                   deadline == TH_SYS_FOREVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY));
    if (code == -ETIMEDOUT)
        th_sys_clock_reach(deadline);
    /* A signal handler ran: to the caller that is a wake for nothing. */
    return code == -EINTR ? 0 : (int)code;
}

int th_sys_futex_wake(th_atomic32 *word, int count)
{
    int fault = TH_FAULT(futex_wake);
    if (fault)
        return fault;
    return (int)SYS_RESULT(syscall(SYS_futex, &word->value, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, NULL, NULL, 0));
}

int th_sys_membarrier_register(void)
{
    int fault = TH_FAULT(membarrier);
    if (fault)
        return fault;
    return (int)SYS_RESULT(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
}

int th_sys_membarrier(void)
{
    int fault = TH_FAULT(membarrier);
    return fault ? fault : (int)SYS_RESULT(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
}

int th_sys_thread_start(pthread_t *thread, size_t stack_bytes, void *(*body)(void *), void *arg)
{
    int fault = TH_FAULT(thread_start);
    if (fault)
        return fault;
    pthread_attr_t attributes;
    int code = pthread_attr_init(&attributes);
    if (code != 0)
        return -code;
    if (stack_bytes != 0)
        code = pthread_attr_setstacksize(&attributes, stack_bytes);
    if (code == 0)
        code = pthread_create(thread, &attributes, body, arg);
    (void)pthread_attr_destroy(&attributes);
    return -code;
}

int th_sys_thread_join(pthread_t thread)
{
    return -pthread_join(thread, NULL);
}

void th_sys_thread_name(const char *name)
{
    char cut[16];
    strncpy(cut, name, sizeof cut - 1);
    cut[sizeof cut - 1] = '\0';
    (void)SYS_RESULT(prctl(PR_SET_NAME, cut, 0, 0, 0));
}

int th_sys_thread_id(void)
{
    return (int)syscall(SYS_gettid);
}

int64_t th_sys_thread_cpu(int id)
{
    int fault = TH_FAULT(thread_cpu);
    if (fault)
        return fault;
    /* How Linux numbers the clock of a thread: the complement of its id, above "one thread" and "what it has run". */
    clockid_t clock = (clockid_t)(~(unsigned)id << 3 | 4 | 2);
    struct timespec used;
    long code = SYS_RESULT(clock_gettime(clock, &used));
    return code < 0 ? code : (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

bool th_sys_may_raise(void)
{
    struct rlimit limit;
    return geteuid() == 0 || (getrlimit(RLIMIT_NICE, &limit) == 0 && limit.rlim_cur >= 20);
}

int th_sys_nice(void)
{
    int errno_before = errno;
    int nice = getpriority(PRIO_PROCESS, 0);
    errno = errno_before;
    return nice;
}

int th_sys_thread_nice(int id, int nice)
{
    int fault = TH_FAULT(thread_weight);
    return fault ? fault : (int)SYS_RESULT(setpriority(PRIO_PROCESS, (id_t)id, nice));
}

bool th_sys_is_batch_usable(void)
{
    return sched_getscheduler(0) == SCHED_OTHER;
}

int th_sys_thread_batch(int id, bool is_batch)
{
    int fault = TH_FAULT(thread_weight);
    struct sched_param param = {0};
    return fault ? fault : (int)SYS_RESULT(sched_setscheduler(id, is_batch ? SCHED_BATCH : SCHED_OTHER, &param));
}

char th_sys_thread_state(int id)
{
    char path[48], text[128];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    if (th_sys_read_file(path, text, sizeof text) <= 0)
        return 0;
    /* "id (name) S ...", and a name may hold anything. */
    const char *end = strrchr(text, ')');
    if (end == NULL || end[1] != ' ')
        return 0;
    return end[2];
}

uintptr_t th_sys_thread_self(void)
{
    return (uintptr_t)pthread_self();
}

void th_sys_thread_yield(void)
{
    (void)sched_yield();
}

int th_sys_sigaction(int signo, const struct sigaction *act, struct sigaction *before)
{
    int fault = TH_FAULT(sigaction);
    return fault ? fault : (int)SYS_RESULT(sigaction(signo, act, before));
}

void th_sys_raise(int signo)
{
    (void)raise(signo);
}

int th_sys_sigaltstack(const stack_t *stack, stack_t *before)
{
    int fault = TH_FAULT(sigaltstack);
    return fault ? fault : (int)SYS_RESULT(sigaltstack(stack, before));
}

void th_sys_signals_hold(sigset_t *before)
{
    sigset_t all;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, before);
}

void th_sys_signals_release(const sigset_t *before)
{
    (void)pthread_sigmask(SIG_SETMASK, before, NULL);
}

size_t th_sys_signal_frame_bytes(void)
{
    unsigned long bytes = getauxval(AT_MINSIGSTKSZ);
    return bytes != 0 ? bytes : 4096;
}

size_t th_sys_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

int th_sys_affinity_count(void)
{
    int fault = TH_FAULT(getaffinity);
    if (fault)
        return fault;
    enum { WORDS = 4096 / (8 * sizeof(unsigned long)) }; /* no Linux is built for more than 4,096 processors */
    unsigned long mask[WORDS] = {0};
    long bytes = SYS_RESULT(syscall(SYS_sched_getaffinity, 0, sizeof mask, mask));
    if (bytes < 0)
        return (int)bytes;
    int count = 0;
    for (int i = 0; i < WORDS; i++)
        count += __builtin_popcountl(mask[i]);
    return count;
}

const char *th_sys_getenv(const char *name)
{
    return getenv(name);
}

void th_sys_sleep_until(int64_t deadline)
{
    struct timespec until = timespec_of(kernel_time(deadline));
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
}

uint64_t th_sys_random(void)
{
    uint64_t bits = 0;
    if (TH_FAULT(random) == 0 && SYS_RESULT(getrandom(&bits, sizeof bits, GRND_NONBLOCK)) == (long)sizeof bits)
        return bits;
    /* Seeds need spread, not secrecy. */
    return (uint64_t)th_sys_now() * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)&bits;
}
