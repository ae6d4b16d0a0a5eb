/*
 * Whose call is whose, for a stack that nobody stands on: a parked task's.
 *
 * The compiler's tables (.eh_frame) say for each place in the code where the caller's registers are, also where there
 * is no frame pointer. They are interpreted here, since the unwinder of the C library begins at its caller only. The
 * stack is read by th_sys_peek, so a stack that changes meanwhile gives wrong frames, never a fault.
 *
 * Any thread, also a signal handler: no lock, no allocation.
 *
 * Rejected: frame pointers (the program's code and the C library have none); a library for it (one more dependency,
 * for two hundred lines).
 */
#ifndef TH_OBSERVE_UNWIND_H
#define TH_OBSERVE_UNWIND_H

#include "base/compiler.h"

#include <stdbool.h>

enum { TH_UNWIND_REGISTERS = 33, TH_UNWIND_WINDOW = 1024, TH_UNWIND_ROWS = 4 };

/* What the table says at one place: the caller's stack pointer, and where the registers are in relation to it. */
struct th_unwind_row {
    uint32_t cfa_register;
    int64_t cfa_offset;
    uint8_t rules[TH_UNWIND_REGISTERS];
    int32_t offsets[TH_UNWIND_REGISTERS];
};

/* The machine of the tables. */
struct th_unwind_machine {
    const uint8_t *at, *end;
    uintptr_t place;  /* of the code that the rows are for, as far as it has gone */
    uintptr_t target; /* the place that is asked for */
    uint64_t code_unit;
    int64_t data_unit;
    uint8_t pointer_encoding;
    bool has_augmentation, is_signal;
    uint32_t return_register;
    struct th_unwind_row row, initial, remembered[TH_UNWIND_ROWS];
    uint32_t remembered_count;
    bool has_failed; /* something that it does not know */
};

/* Rows that were found before: many stacks go through the same places. */
struct th_unwind_known {
    uintptr_t place; /* 0: none */
    uint32_t return_register;
    struct th_unwind_row row;
};

enum { TH_UNWIND_KNOWN = 128 };

/* Its user's memory, 30 KiB: not for a stack, and zero at first. Registers by their DWARF numbers. */
struct th_unwind {
    uintptr_t pc, sp;
    uintptr_t registers[TH_UNWIND_REGISTERS];
    uint64_t known;      /* a bit for each register */
    uintptr_t low, high; /* the stack's bounds */
    uintptr_t window;    /* the address of what was copied last; 0: nothing */
    struct th_unwind_machine machine;
    struct th_unwind_known known_rows[TH_UNWIND_KNOWN];
    uintptr_t before[TH_UNWIND_REGISTERS];
    uintptr_t copy[TH_UNWIND_WINDOW / sizeof(uintptr_t)];
};

/* Begins with a context that a switch has saved (fiber/context.h) on a stack with these bounds. False if it is not
 * there. */
bool th_unwind_begin(struct th_unwind *unwind, const void *context, uintptr_t low, uintptr_t high);

/* Goes from the place in `pc` to its caller; false where there is none, or nothing is known of it. */
bool th_unwind_step(struct th_unwind *unwind);

#endif
