/*
 * Atomics, the only ones of the runtime.
 *
 * Each atomic is a structure of one field, so that a plain read or write of it does not compile, and each operation
 * carries its memory order in its name, so that there is no order-less form. The operations are the compiler's
 * builtins; tests/model compiles this same file with the compiler's instrumentation and explores every
 * interleaving that the orders written here allow.
 *
 *   th_atomic32_load_acquire(&a)             the value
 *   th_atomic32_store_release(&a, v)
 *   th_atomic32_exchange_acqrel(&a, v)       the value before
 *   th_atomic32_add_acqrel(&a, v)            the value before (add, sub, or, and)
 *   th_atomic32_cas_acqrel(&a, &seen, v)     true if *a was `seen`; else `seen` is what it was
 *
 * The order of a failed compare-exchange is relaxed for `relaxed` and `release`, acquire for the others.
 * A non-relaxed use carries the label of its ordering edge in a comment: [D1]. Every label stands at two sides at
 * least, and in the header of its module; tests/lint/labels checks that.
 */
#ifndef TH_BASE_ATOMIC_H
#define TH_BASE_ATOMIC_H

#include "base/compiler.h"

#include <stdbool.h>

typedef struct {
    uint32_t value;
} th_atomic32;

typedef struct {
    uint64_t value;
} th_atomic64;

typedef struct {
    void *value;
} th_atomicptr;

/* For a variable that no other thread can see yet, and for static initialisers. */
#define TH_ATOMIC_INIT(initial) \
    {                           \
        (initial)               \
    }

#define TH_ATOMIC_LOAD(name, type, order, mode)            \
    TH_INLINE type name##_load_##order(const name *atomic) \
    {                                                      \
        return __atomic_load_n(&atomic->value, mode);      \
    }

#define TH_ATOMIC_STORE(name, type, order, mode)                  \
    TH_INLINE void name##_store_##order(name *atomic, type value) \
    {                                                             \
        __atomic_store_n(&atomic->value, value, mode);            \
    }

#define TH_ATOMIC_EXCHANGE(name, type, order, mode)                  \
    TH_INLINE type name##_exchange_##order(name *atomic, type value) \
    {                                                                \
        return __atomic_exchange_n(&atomic->value, value, mode);     \
    }

#define TH_ATOMIC_CAS(name, type, order, mode, failed)                                        \
    TH_INLINE bool name##_cas_##order(name *atomic, type *seen, type value)                   \
    {                                                                                         \
        return __atomic_compare_exchange_n(&atomic->value, seen, value, false, mode, failed); \
    }

#define TH_ATOMIC_FETCH(name, type, verb, order, mode)                 \
    TH_INLINE type name##_##verb##_##order(name *atomic, type operand) \
    {                                                                  \
        return __atomic_fetch_##verb(&atomic->value, operand, mode);   \
    }

#define TH_ATOMIC_WORD(name, type)                                         \
    TH_ATOMIC_LOAD(name, type, relaxed, __ATOMIC_RELAXED)                  \
    TH_ATOMIC_LOAD(name, type, acquire, __ATOMIC_ACQUIRE)                  \
    TH_ATOMIC_LOAD(name, type, seqcst, __ATOMIC_SEQ_CST)                   \
    TH_ATOMIC_STORE(name, type, relaxed, __ATOMIC_RELAXED)                 \
    TH_ATOMIC_STORE(name, type, release, __ATOMIC_RELEASE)                 \
    TH_ATOMIC_STORE(name, type, seqcst, __ATOMIC_SEQ_CST)                  \
    TH_ATOMIC_EXCHANGE(name, type, relaxed, __ATOMIC_RELAXED)              \
    TH_ATOMIC_EXCHANGE(name, type, acquire, __ATOMIC_ACQUIRE)              \
    TH_ATOMIC_EXCHANGE(name, type, release, __ATOMIC_RELEASE)              \
    TH_ATOMIC_EXCHANGE(name, type, acqrel, __ATOMIC_ACQ_REL)               \
    TH_ATOMIC_EXCHANGE(name, type, seqcst, __ATOMIC_SEQ_CST)               \
    TH_ATOMIC_CAS(name, type, relaxed, __ATOMIC_RELAXED, __ATOMIC_RELAXED) \
    TH_ATOMIC_CAS(name, type, acquire, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE) \
    TH_ATOMIC_CAS(name, type, release, __ATOMIC_RELEASE, __ATOMIC_RELAXED) \
    TH_ATOMIC_CAS(name, type, acqrel, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)  \
    TH_ATOMIC_CAS(name, type, seqcst, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define TH_ATOMIC_NUMBER(name, type, verb)                       \
    TH_ATOMIC_FETCH(name, type, verb, relaxed, __ATOMIC_RELAXED) \
    TH_ATOMIC_FETCH(name, type, verb, acquire, __ATOMIC_ACQUIRE) \
    TH_ATOMIC_FETCH(name, type, verb, release, __ATOMIC_RELEASE) \
    TH_ATOMIC_FETCH(name, type, verb, acqrel, __ATOMIC_ACQ_REL)  \
    TH_ATOMIC_FETCH(name, type, verb, seqcst, __ATOMIC_SEQ_CST)

TH_ATOMIC_WORD(th_atomic32, uint32_t)
TH_ATOMIC_NUMBER(th_atomic32, uint32_t, add)
TH_ATOMIC_NUMBER(th_atomic32, uint32_t, sub)
TH_ATOMIC_NUMBER(th_atomic32, uint32_t, or)
TH_ATOMIC_NUMBER(th_atomic32, uint32_t, and)

TH_ATOMIC_WORD(th_atomic64, uint64_t)
TH_ATOMIC_NUMBER(th_atomic64, uint64_t, add)
TH_ATOMIC_NUMBER(th_atomic64, uint64_t, sub)
TH_ATOMIC_NUMBER(th_atomic64, uint64_t, or)
TH_ATOMIC_NUMBER(th_atomic64, uint64_t, and)

TH_ATOMIC_WORD(th_atomicptr, void *)

/* Stand-alone fences. The thread sanitizer does not understand them: prefer an order on an operation. */
TH_INLINE void th_fence_acquire(void)
{
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
}

TH_INLINE void th_fence_release(void)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
}

TH_INLINE void th_fence_seqcst(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Keeps the compiler, not the processor, from moving memory accesses across. */
TH_INLINE void th_fence_compiler(void)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

#endif
