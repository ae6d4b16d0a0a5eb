/*
 * What -fsanitize=thread makes the compiler call: before each plain access, and instead of each atomic operation.
 * The names and signatures are the compilers' (gcc 12 and clang 14 emit different subsets).
 */
#include "engine.h"

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wstrict-prototypes"

#define SITE ((uintptr_t)__builtin_return_address(0))

static inline void access(const void *address, size_t size, bool is_write, uintptr_t site)
{
    if (engine.is_active)
        shadow_access((uintptr_t)address, size, is_write, site);
}

void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
    (void)caller;
}

void __tsan_func_exit(void)
{
}

#define PLAIN(prefix, bytes)                               \
    void __tsan_##prefix##read##bytes(void *address)       \
    {                                                      \
        access(address, bytes, false, SITE);               \
    }                                                      \
    void __tsan_##prefix##write##bytes(void *address)      \
    {                                                      \
        access(address, bytes, true, SITE);                \
    }                                                      \
    void __tsan_##prefix##read_write##bytes(void *address) \
    {                                                      \
        access(address, bytes, true, SITE);                \
    }

#define PLAIN_SIZES(prefix) \
    PLAIN(prefix, 1)        \
    PLAIN(prefix, 2)        \
    PLAIN(prefix, 4)        \
    PLAIN(prefix, 8)        \
    PLAIN(prefix, 16)

PLAIN_SIZES()
PLAIN_SIZES(unaligned_)
PLAIN_SIZES(volatile_)
PLAIN_SIZES(unaligned_volatile_)

void __tsan_read_range(void *address, size_t size)
{
    access(address, size, false, SITE);
}

void __tsan_write_range(void *address, size_t size)
{
    access(address, size, true, SITE);
}

void __tsan_vptr_update(void **address, void *value)
{
    (void)value;
    access(address, sizeof *address, true, SITE);
}

void __tsan_vptr_read(void **address)
{
    access(address, sizeof *address, false, SITE);
}

/* intercept.h sends the modelled code's memory functions here. */
static inline void *copy(void *to, const void *from, size_t size, uintptr_t site)
{
    access(from, size, false, site);
    access(to, size, true, site);
    return memmove(to, from, size);
}

void *th_model_memcpy(void *to, const void *from, size_t size)
{
    return copy(to, from, size, SITE);
}

void *th_model_memmove(void *to, const void *from, size_t size)
{
    return copy(to, from, size, SITE);
}

void *th_model_memset(void *to, int byte, size_t size)
{
    access(to, size, true, SITE);
    return memset(to, byte, size);
}

void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    return copy(to, from, size, SITE);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
    return copy(to, from, size, SITE);
}

void *__tsan_memset(void *to, int byte, size_t size)
{
    return th_model_memset(to, byte, size);
}

/* Outside an execution (constructors) the operations are what they are. */
#define ATOMIC_UPDATE(bits, name, builtin, update)                                                                   \
    uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *address, uint##bits##_t operand, int order) \
    {                                                                                                                \
        if (!engine.is_active)                                                                                       \
            return builtin(address, operand, __ATOMIC_SEQ_CST);                                                      \
        return (uint##bits##_t)ordering_update((uintptr_t)address, bits / 8, update, operand, order, SITE);          \
    }

#define ATOMIC(bits)                                                                                                   \
    uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *address, int order)                       \
    {                                                                                                                  \
        if (!engine.is_active)                                                                                         \
            return __atomic_load_n(address, __ATOMIC_SEQ_CST);                                                         \
        return (uint##bits##_t)ordering_load((uintptr_t)address, bits / 8, order, SITE);                               \
    }                                                                                                                  \
    void __tsan_atomic##bits##_store(volatile uint##bits##_t *address, uint##bits##_t value, int order)                \
    {                                                                                                                  \
        if (!engine.is_active)                                                                                         \
            __atomic_store_n(address, value, __ATOMIC_SEQ_CST);                                                        \
        else                                                                                                           \
            ordering_store((uintptr_t)address, bits / 8, value, order, SITE);                                          \
    }                                                                                                                  \
    ATOMIC_UPDATE(bits, exchange, __atomic_exchange_n, UPDATE_EXCHANGE)                                                \
    ATOMIC_UPDATE(bits, fetch_add, __atomic_fetch_add, UPDATE_ADD)                                                     \
    ATOMIC_UPDATE(bits, fetch_sub, __atomic_fetch_sub, UPDATE_SUB)                                                     \
    ATOMIC_UPDATE(bits, fetch_and, __atomic_fetch_and, UPDATE_AND)                                                     \
    ATOMIC_UPDATE(bits, fetch_or, __atomic_fetch_or, UPDATE_OR)                                                        \
    ATOMIC_UPDATE(bits, fetch_xor, __atomic_fetch_xor, UPDATE_XOR)                                                     \
    ATOMIC_UPDATE(bits, fetch_nand, __atomic_fetch_nand, UPDATE_NAND)                                                  \
    static bool compare_exchange##bits(volatile uint##bits##_t *address, uint##bits##_t *expected,                     \
                                       uint##bits##_t desired, bool is_weak, int order, int failed, uintptr_t site)    \
    {                                                                                                                  \
        if (!engine.is_active)                                                                                         \
            return __atomic_compare_exchange_n(address, expected, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST); \
        uint64_t seen = *expected;                                                                                     \
        bool is_done =                                                                                                 \
            ordering_compare_exchange((uintptr_t)address, bits / 8, &seen, desired, is_weak, order, failed, site);     \
        *expected = (uint##bits##_t)seen;                                                                              \
        return is_done;                                                                                                \
    }                                                                                                                  \
    int __tsan_atomic##bits##_compare_exchange_strong(volatile uint##bits##_t *address, uint##bits##_t *expected,      \
                                                      uint##bits##_t desired, int order, int failed)                   \
    {                                                                                                                  \
        return compare_exchange##bits(address, expected, desired, false, order, failed, SITE);                         \
    }                                                                                                                  \
    int __tsan_atomic##bits##_compare_exchange_weak(volatile uint##bits##_t *address, uint##bits##_t *expected,        \
                                                    uint##bits##_t desired, int order, int failed)                     \
    {                                                                                                                  \
        return compare_exchange##bits(address, expected, desired, true, order, failed, SITE);                          \
    }                                                                                                                  \
    /* clang's, for the strong and the weak form alike. */                                                             \
    uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                                         \
        volatile uint##bits##_t *address, uint##bits##_t expected, uint##bits##_t desired, int order, int failed)      \
    {                                                                                                                  \
        (void)compare_exchange##bits(address, &expected, desired, false, order, failed, SITE);                         \
        return expected;                                                                                               \
    }

ATOMIC(8)
ATOMIC(16)
ATOMIC(32)
ATOMIC(64)

/* Two words at once: the runtime has none. */
static TH_NORETURN void not_modelled(void)
{
    if (engine.is_active)
        engine_fail(0, "an atomic operation on 16 bytes: not modelled");
    __builtin_trap();
}

#define ATOMIC_128(name)                \
    void __tsan_atomic128_##name(void); \
    void __tsan_atomic128_##name(void)  \
    {                                   \
        not_modelled();                 \
    }
ATOMIC_128(load)
ATOMIC_128(store)
ATOMIC_128(exchange)
ATOMIC_128(fetch_add)
ATOMIC_128(fetch_sub)
ATOMIC_128(fetch_and)
ATOMIC_128(fetch_or)
ATOMIC_128(fetch_xor)
ATOMIC_128(fetch_nand)
ATOMIC_128(compare_exchange_strong)
ATOMIC_128(compare_exchange_weak)
ATOMIC_128(compare_exchange_val)

void __tsan_atomic_thread_fence(int order)
{
    if (engine.is_active)
        ordering_fence(order, SITE);
}

/* Each thread executes in program order, which is all that this fence asks. */
void __tsan_atomic_signal_fence(int order)
{
    (void)order;
}
