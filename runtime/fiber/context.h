/*
 * The context switch: three calls, and all that the runtime knows of the library that does them.
 *
 * This header and context_fcontext.* are the only files that know Boost.Context. Up to Boost 1.86 its C names are
 * exported and stand directly behind ours; from 1.87 they are hidden, and context_fcontext.cpp calls the C++ ones.
 *
 * What a jump saves is what the ABI wants kept: callee-saved registers, and on x86-64 MXCSR and the x87 control
 * word. aarch64's FPCR it does not save; th_fiber_switch does.
 */
#ifndef TH_FIBER_CONTEXT_H
#define TH_FIBER_CONTEXT_H

#include "base/compiler.h"

#include <stdbool.h>

/* Where a context's registers are saved: the stack pointer it left with. Valid for one jump. */
typedef void *th_context;

/* What arrives with a jump: whom it came from, and the word that was sent along. */
struct th_transfer {
    th_context from;
    void *data;
};

#if defined(TH_NATIVE_SWITCH)
#define TH_CONTEXT_IS_NATIVE true
#else
#define TH_CONTEXT_IS_NATIVE false
#endif

#if defined(TH_FCONTEXT_C_NAMES)
#define TH_CONTEXT_SYMBOL(name) __asm__(name)
#else
#define TH_CONTEXT_SYMBOL(name)
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* A context that will run entry on the stack that ends at top. It inherits the caller's floating-point control. */
typedef void th_context_entry(struct th_transfer arrived);
th_context th_context_make(void *top, size_t bytes, th_context_entry *entry) TH_CONTEXT_SYMBOL("make_fcontext");

/* Leaves here, goes on there; returns when somebody jumps back. */
struct th_transfer th_context_jump_out_of_line(th_context to, void *data) TH_CONTEXT_SYMBOL("jump_fcontext");

struct th_fiber;

/*
 * The switch of our own (context_native.S), which builds with THRUM_NATIVE_SWITCH have in place of jump: saves what
 * the ABI wants kept, control words and FPCR among it, leaves `from`'s context in its first field, runs
 * after(from, arg) on `to`'s stack unless it is NULL, and goes on there by an indirect jump. So it may be entered by a
 * tail call and then returns straight to its caller's caller: no return is predicted wrong.
 */
void th_context_switch(struct th_fiber *from, struct th_fiber *to, void (*after)(struct th_fiber *from, void *arg),
                       void *arg);

/*
 * The first frame of every fiber. It calls th_fiber_main (fiber.c) and tells debuggers, profilers and backtrace()
 * that there is nothing below: frame pointer 0, return address undefined.
 */
void th_context_start(struct th_transfer arrived);

#ifdef __cplusplus
}
#endif

/*
 * The library's jump leaves by an indirect jump, not by a return. Called as a function it would leave an entry on the
 * processor's return stack, and the next return on the other side would go wrong (some 10 ns of a switch of 13). So
 * the return address is pushed by hand, below the red zone, and the jump is jumped to. (bench/switch.c shows both.)
 * tests/lint/disassembly knows this form of a call.
 */
#if defined(__x86_64__) && defined(TH_FCONTEXT_C_NAMES)
TH_INLINE struct th_transfer th_context_jump(th_context to, void *data)
{
    struct th_transfer arrived;
    __asm__ volatile("lea -128(%%rsp), %%rsp\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "jmp jump_fcontext@PLT\n"
                     "1:\n\t"
                     "sub $-128, %%rsp"
                     : "=a"(arrived.from), "=d"(arrived.data), "+D"(to), "+S"(data)
                     :
                     : "rcx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                       "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st", "st(1)", "st(2)",
                       "st(3)", "st(4)", "st(5)", "st(6)", "st(7)",
#if defined(__AVX512F__)
                       "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",
                       "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7",
#endif
                       "memory", "cc");
    return arrived;
}
#else
TH_INLINE struct th_transfer th_context_jump(th_context to, void *data)
{
    return th_context_jump_out_of_line(to, data);
}
#endif

/*
 * What a saved context has, for who looks at a stack that nobody stands on: words from the context's address upwards,
 * and above them the stack as it was. Registers by their DWARF numbers. runtime/debugger/thrum_gdb.py knows it too.
 */
#if defined(__aarch64__)
enum { TH_SAVED_WORDS = 22, TH_SAVED_PC = TH_CONTEXT_IS_NATIVE ? 11 : 20, TH_REGISTER_SP = 31 };
#else
enum { TH_SAVED_WORDS = 8, TH_SAVED_PC = 7, TH_REGISTER_SP = 7 };
#endif
struct th_saved {
    uintptr_t words[TH_SAVED_WORDS];
};

/* The register that a word is of; 255 for what is not of interest. */
TH_INLINE uint32_t th_saved_register(uint32_t word)
{
#if defined(__aarch64__)
    uint32_t first = TH_CONTEXT_IS_NATIVE ? 0 : 8; /* x19 to x30; before or behind them what floats */
    return word >= first && word < first + 12 ? 19 + word - first : 255;
#else
    static const uint8_t native[] = {255, 15, 14, 13, 12, 3, 6, 16}, library[] = {255, 12, 13, 14, 15, 3, 6, 16};
    return TH_CONTEXT_IS_NATIVE ? native[word] : library[word];
#endif
}

/* Floating-point control that the jump does not carry. */
#if defined(__aarch64__)
TH_INLINE uint64_t th_context_float_control(void)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return fpcr;
}

TH_INLINE void th_context_set_float_control(uint64_t fpcr)
{
    /* Writing is slow and nearly never needed. */
    if (TH_UNLIKELY(th_context_float_control() != fpcr))
        __asm__ volatile("msr fpcr, %0" ::"r"(fpcr));
}
#else
TH_INLINE uint64_t th_context_float_control(void)
{
    return 0;
}

TH_INLINE void th_context_set_float_control(uint64_t fpcr)
{
    (void)fpcr;
}
#endif

#endif
