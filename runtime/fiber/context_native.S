/*
 * The native switch: see context.h. Optional (THRUM_NATIVE_SWITCH); the default is Boost.Context's.
 *
 * A saved context, from its stack pointer upwards:
 *     x86-64    control words (8 bytes), r15 r14 r13 r12 rbx rbp, where to go on
 *     aarch64   x19 to x28, x29, x30, d8 to d15, FPCR
 * The frame is the same on the stack that is left and on the one that is entered, so the unwind rules hold throughout,
 * also for a backtrace out of the after action.
 */
    .text
    .globl th_context_switch
    .hidden th_context_switch
    .type th_context_switch, %function
    .globl th_context_make
    .hidden th_context_make
    .type th_context_make, %function
    .p2align 4

#if defined(__x86_64__)
/* rdi from, rsi to, rdx after, rcx arg; a fiber's first field is its context. */
th_context_switch:
    .cfi_startproc
    pushq %rbp
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbp, 0
    pushq %rbx
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset rbx, 0
    pushq %r12
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r12, 0
    pushq %r13
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r13, 0
    pushq %r14
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r14, 0
    pushq %r15
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset r15, 0
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    stmxcsr (%rsp)
    fnstcw 4(%rsp)
    movq %rsp, (%rdi)
    movq (%rsi), %r8
    /* Loading the words is slow and nearly never needed: only where control bits differ (MXCSR's low six are flags). */
    movl (%rsp), %eax
    xorl (%r8), %eax
    movzwl 4(%rsp), %r9d
    xorw 4(%r8), %r9w
    movq %r8, %rsp
    andl $0xffc0, %eax
    orl %r9d, %eax
    jnz 3f
1:  testq %rdx, %rdx
    jz 2f
    movq %rcx, %rsi
    call *%rdx
2:  addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %r15
    .cfi_adjust_cfa_offset -8
    .cfi_restore r15
    popq %r14
    .cfi_adjust_cfa_offset -8
    .cfi_restore r14
    popq %r13
    .cfi_adjust_cfa_offset -8
    .cfi_restore r13
    popq %r12
    .cfi_adjust_cfa_offset -8
    .cfi_restore r12
    popq %rbx
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbx
    popq %rbp
    .cfi_adjust_cfa_offset -8
    .cfi_restore rbp
    popq %rcx
    .cfi_adjust_cfa_offset -8
    .cfi_register rip, rcx
    jmp *%rcx
    .cfi_endproc
3:  .cfi_startproc
    .cfi_def_cfa_offset 64
    ldmxcsr (%rsp)
    fldcw 4(%rsp)
    jmp 1b
    .cfi_endproc
    .size th_context_switch, . - th_context_switch

/* rdi top, rsi bytes (unused), rdx entry: the context of a fiber that begins there, with the caller's control words. */
    .p2align 4
th_context_make:
    .cfi_startproc
    leaq -72(%rdi), %rax
    movl $0, 4(%rax)
    stmxcsr (%rax)
    fnstcw 4(%rax)
    xorl %ecx, %ecx
    movq %rcx, 8(%rax)
    movq %rcx, 16(%rax)
    movq %rcx, 24(%rax)
    movq %rcx, 32(%rax)
    movq %rcx, 40(%rax)
    movq %rcx, 48(%rax)
    movq %rdx, 56(%rax)
    ret
    .cfi_endproc
    .size th_context_make, . - th_context_make

#elif defined(__aarch64__)
/* x0 from, x1 to, x2 after, x3 arg. */
th_context_switch:
    .cfi_startproc
    sub sp, sp, #176
    .cfi_adjust_cfa_offset 176
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    .cfi_rel_offset x29, 80
    .cfi_rel_offset x30, 88
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mrs x9, fpcr
    str x9, [sp, #160]
    mov x10, sp
    str x10, [x0]
    ldr x10, [x1]
    mov sp, x10
    ldr x11, [sp, #160]
    cmp x9, x11
    b.eq 1f
    msr fpcr, x11
1:  cbz x2, 2f
    mov x1, x3
    blr x2
2:  ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    ldp d8, d9, [sp, #96]
    ldp d10, d11, [sp, #112]
    ldp d12, d13, [sp, #128]
    ldp d14, d15, [sp, #144]
    add sp, sp, #176
    .cfi_adjust_cfa_offset -176
    .cfi_restore x29
    .cfi_restore x30
    br x30
    .cfi_endproc
    .size th_context_switch, . - th_context_switch

/* x0 top, x1 bytes (unused), x2 entry. */
    .p2align 4
th_context_make:
    .cfi_startproc
    sub x0, x0, #176
    mrs x9, fpcr
    str x9, [x0, #160]
    stp xzr, x2, [x0, #80]
    ret
    .cfi_endproc
    .size th_context_make, . - th_context_make
#endif

    .section .note.GNU-stack, "", %progbits
