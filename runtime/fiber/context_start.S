/*
 * The first frame of every fiber: see context.h. Assembly, because only here can the frame say that it is the last:
 * an unwinder that finds an undefined return address stops, where it would otherwise walk into whatever the switch
 * library left at the top of the stack.
 */
    .text
    .globl th_context_start
    .hidden th_context_start
    .type th_context_start, %function
    .p2align 4
th_context_start:
    .cfi_startproc
#if defined(__x86_64__)
    .cfi_undefined rip
    xorl %ebp, %ebp
    /* For unwinders that do not know "undefined": the return address that is never used says so too. */
    movq $0, (%rsp)
    /* As after a call the stack pointer is 8 off; the call below wants it even. */
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call th_fiber_main
    ud2
#elif defined(__aarch64__)
    .cfi_undefined x30
    mov x29, #0
    mov x30, #0
    bl th_fiber_main
    brk #0
#endif
    .cfi_endproc
    .size th_context_start, . - th_context_start

    /* gdb's commands for tasks, in every program: a debugger's section, which no process loads and `strip` takes away.
     * 4: a Python text with its name before it. It stands here because this file is in all of them. */
    .pushsection .debug_gdb_scripts, "MS", %progbits, 1
    .byte 4
    .ascii "gdb.inlined-script.thrum\n"
    .incbin "debugger/thrum_gdb.py"
    .byte 0
    .popsection

    .section .note.GNU-stack, "", %progbits
