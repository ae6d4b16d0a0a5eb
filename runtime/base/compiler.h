/*
 * Compiler vocabulary: every attribute and every compiler or platform question of the runtime is asked here,
 * so that the code elsewhere has next to no #if.
 */
#ifndef TH_BASE_COMPILER_H
#define TH_BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define TH_NOINLINE          __attribute__((noinline))
#define TH_INLINE            static inline __attribute__((always_inline))
#define TH_NORETURN          __attribute__((noreturn))
#define TH_COLD              __attribute__((cold, noinline))
#define TH_PRINTF(form, arg) __attribute__((format(printf, form, arg)))
#define TH_ALIGNED(bytes)    __attribute__((aligned(bytes)))
#define TH_UNUSED            __attribute__((unused))
#define TH_LIKELY(x)         __builtin_expect(!!(x), 1)
#define TH_UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define TH_COUNT_OF(array)   (sizeof(array) / sizeof((array)[0]))

/* From a member back to the structure that holds it. */
#define TH_CONTAINER(pointer, type, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* Two lines: the adjacent-line prefetcher of x86 makes neighbours share in pairs. */
#define TH_CACHE_LINE 64
#define TH_NO_SHARING 128

#if defined(__SANITIZE_ADDRESS__)
#define TH_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TH_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TH_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define TH_TSAN 1
#endif
#endif
/* A model build borrows the compiler's thread-sanitizer instrumentation but not its runtime (tests/model). */
#if defined(TH_MODEL)
#undef TH_TSAN
#endif
#if !defined(TH_ASAN)
#define TH_ASAN 0
#endif
#if !defined(TH_TSAN)
#define TH_TSAN 0
#endif

#if TH_TSAN
#define TH_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define TH_NO_TSAN
#endif

/* Where a stack grows towards its guard by frames that probe each page, a guard of one page is enough; aarch64
 * compilers probe every 64 KiB. */
#if defined(__aarch64__)
#define TH_GUARD_BYTES 65536u
#else
#define TH_GUARD_BYTES 4096u
#endif

/* The stack pointer, read so that the compiler cannot remember an earlier one: a fiber is found from it. */
TH_INLINE uintptr_t th_stack_pointer(void)
{
    uintptr_t sp;
#if defined(__x86_64__)
    __asm__ volatile("mov %%rsp, %0" : "=r"(sp));
#elif defined(__aarch64__)
    __asm__ volatile("mov %0, sp" : "=r"(sp));
#else
#error "thrum runs on x86-64 and aarch64"
#endif
    return sp;
}

/* Adds one to a 64-bit word that only the caller writes and anybody reads. One instruction where that can be said; a
 * model explores no counts. */
#if defined(TH_MODEL)
#define TH_INCREMENT(word) ((void)(word))
#elif defined(__x86_64__) && !TH_TSAN
#define TH_INCREMENT(word) __asm__("incq %0" : "+m"(*(word)))
#else
#define TH_INCREMENT(word) __atomic_store_n((word), __atomic_load_n((word), __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED)
#endif

/* A polite turn of a spinning loop. */
TH_INLINE void th_cpu_relax(void)
{
#if defined(__x86_64__)
    __asm__ volatile("pause" ::: "memory");
#else
    __asm__ volatile("yield" ::: "memory");
#endif
}

#endif
