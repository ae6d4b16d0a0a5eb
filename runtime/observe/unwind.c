#include "observe/unwind.h"

#include "base/sys.h"
#include "fiber/context.h"

#include <string.h>

/* Of the compiler's library: the entry of the table for a place in the code, or NULL. Its own structures. */
struct bases {
    void *text, *data, *function;
};
extern const void *_Unwind_Find_FDE(void *pc, struct bases *bases);

/* How a register of the caller is found. */
enum rule { SAME, AT_OFFSET, IS_OFFSET, UNDEFINED };

/* ---- Numbers in the table ---- */

static uint64_t read_fixed(struct th_unwind_machine *machine, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, machine->at, bytes);
    machine->at += bytes;
    return value;
}

static uint64_t read_unsigned(struct th_unwind_machine *machine)
{
    uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        uint8_t byte = *machine->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0)
            return value;
    }
}

static int64_t read_signed(struct th_unwind_machine *machine)
{
    uint64_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *machine->at++;
        if (shift < 64)
            value |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) != 0);
    if (shift < 64 && (byte & 0x40) != 0)
        value |= ~(uint64_t)0 << shift;
    return (int64_t)value;
}

/* The size of an address in the table, by the low bits of its encoding: 0 for what has none that is known. */
static size_t encoded_bytes(uint8_t encoding)
{
    static const uint8_t bytes[16] = {[0] = 8, [2] = 2, [3] = 4, [4] = 8, [10] = 2, [11] = 4, [12] = 8};
    return bytes[encoding & 15];
}

/* ---- Entries ---- */

/* What stands behind the letters of a common entry's augmentation, of which "z" tells the length. */
static void read_augmentation(struct th_unwind_machine *machine, const char *letters)
{
    machine->pointer_encoding = 0;
    machine->has_augmentation = *letters == 'z';
    if (!machine->has_augmentation) {
        machine->has_failed |= *letters != '\0';
        return;
    }
    uint64_t length = read_unsigned(machine);
    const uint8_t *rest = machine->at + length;
    while (*++letters != '\0') {
        if (*letters == 'R') {
            machine->pointer_encoding = *machine->at++;
        } else if (*letters == 'P') {
            uint8_t encoding = *machine->at++;
            machine->at += encoded_bytes(encoding);
        } else if (*letters == 'L') {
            machine->at++;
        } else if (*letters == 'S') {
            machine->is_signal = true;
        }
    }
    machine->at = rest;
}

/* The instructions of an entry lie between its head and its end. */
static void open_common(struct th_unwind_machine *machine, const uint8_t *entry)
{
    uint32_t length;
    memcpy(&length, entry, sizeof length);
    machine->end = entry + sizeof length + length;
    machine->at = entry + 2 * sizeof length;
    uint8_t version = *machine->at++;
    const char *letters = (const char *)machine->at;
    machine->at += strlen(letters) + 1;
    machine->code_unit = read_unsigned(machine);
    machine->data_unit = read_signed(machine);
    machine->return_register = version == 1 ? *machine->at++ : (uint32_t)read_unsigned(machine);
    read_augmentation(machine, letters);
}

static void open_function(struct th_unwind_machine *machine, const uint8_t *entry)
{
    uint32_t length;
    memcpy(&length, entry, sizeof length);
    machine->end = entry + sizeof length + length;
    machine->at = entry + 2 * sizeof length + 2 * encoded_bytes(machine->pointer_encoding);
    if (machine->has_augmentation) {
        uint64_t skipped = read_unsigned(machine);
        machine->at += skipped;
    }
}

/* ---- Instructions ---- */

static void set_rule(struct th_unwind_machine *machine, uint64_t number, enum rule rule, int64_t offset)
{
    if (number >= TH_UNWIND_REGISTERS)
        return;
    machine->row.rules[number] = (uint8_t)rule;
    machine->row.offsets[number] = (int32_t)offset;
}

static void restore_rule(struct th_unwind_machine *machine, uint64_t number)
{
    if (number < TH_UNWIND_REGISTERS)
        set_rule(machine, number, machine->initial.rules[number], machine->initial.offsets[number]);
}

static void set_cfa(struct th_unwind_machine *machine, uint64_t number, int64_t offset)
{
    machine->row.cfa_register = (uint32_t)number;
    machine->row.cfa_offset = offset;
}

static void remember(struct th_unwind_machine *machine)
{
    if (machine->remembered_count == TH_UNWIND_ROWS)
        machine->has_failed = true;
    else
        machine->remembered[machine->remembered_count++] = machine->row;
}

static void recall(struct th_unwind_machine *machine)
{
    if (machine->remembered_count == 0)
        machine->has_failed = true;
    else
        machine->row = machine->remembered[--machine->remembered_count];
}

/* Instructions with a number of their own; by the names of the standard, without its prefix. */
enum operation {
    NOP = 0x00,
    ADVANCE_LOC1 = 0x02,
    ADVANCE_LOC2,
    ADVANCE_LOC4,
    OFFSET_EXTENDED,
    RESTORE_EXTENDED,
    UNDEFINED_REGISTER,
    SAME_VALUE,
    REMEMBER_STATE = 0x0a,
    RESTORE_STATE,
    DEF_CFA,
    DEF_CFA_REGISTER,
    DEF_CFA_OFFSET,
    OFFSET_EXTENDED_SF = 0x11,
    DEF_CFA_SF,
    DEF_CFA_OFFSET_SF,
    VAL_OFFSET,
    NEGATE_RA_STATE = 0x2d,
    ARGS_SIZE = 0x2e
};

/* Those that say where a register is. */
static void execute_for_register(struct th_unwind_machine *machine, uint8_t operation)
{
    uint64_t number = read_unsigned(machine);
    switch (operation) {
    case OFFSET_EXTENDED:
        set_rule(machine, number, AT_OFFSET, (int64_t)read_unsigned(machine) * machine->data_unit);
        break;
    case OFFSET_EXTENDED_SF:
        set_rule(machine, number, AT_OFFSET, read_signed(machine) * machine->data_unit);
        break;
    case VAL_OFFSET:
        set_rule(machine, number, IS_OFFSET, (int64_t)read_unsigned(machine) * machine->data_unit);
        break;
    case RESTORE_EXTENDED:
        restore_rule(machine, number);
        break;
    case UNDEFINED_REGISTER:
        set_rule(machine, number, UNDEFINED, 0);
        break;
    case SAME_VALUE:
        set_rule(machine, number, SAME, 0);
        break;
    default: /* expressions: the procedure linkage table's, a signal's frame */
        machine->has_failed = true;
    }
}

/* Those that say where the caller's stack pointer is, and the rest. */
static void execute_extended(struct th_unwind_machine *machine, uint8_t operation)
{
    uint64_t number;
    switch (operation) {
    case NOP:
    case NEGATE_RA_STATE:
        break;
    case ADVANCE_LOC1:
    case ADVANCE_LOC2:
    case ADVANCE_LOC4:
        machine->place += read_fixed(machine, (size_t)1 << (operation - ADVANCE_LOC1)) * machine->code_unit;
        break;
    case REMEMBER_STATE:
        remember(machine);
        break;
    case RESTORE_STATE:
        recall(machine);
        break;
    case DEF_CFA:
        number = read_unsigned(machine);
        set_cfa(machine, number, (int64_t)read_unsigned(machine));
        break;
    case DEF_CFA_SF:
        number = read_unsigned(machine);
        set_cfa(machine, number, read_signed(machine) * machine->data_unit);
        break;
    case DEF_CFA_REGISTER:
        set_cfa(machine, read_unsigned(machine), machine->row.cfa_offset);
        break;
    case DEF_CFA_OFFSET:
        set_cfa(machine, machine->row.cfa_register, (int64_t)read_unsigned(machine));
        break;
    case DEF_CFA_OFFSET_SF:
        set_cfa(machine, machine->row.cfa_register, read_signed(machine) * machine->data_unit);
        break;
    case ARGS_SIZE:
        (void)read_unsigned(machine);
        break;
    default:
        execute_for_register(machine, operation);
    }
}

/* Up to the target, or the end. */
static void execute(struct th_unwind_machine *machine)
{
    while (machine->at < machine->end && machine->place <= machine->target && !machine->has_failed) {
        uint8_t operation = *machine->at++, low = operation & 0x3f;
        switch (operation >> 6) {
        case 1: /* advance_loc */
            machine->place += low * machine->code_unit;
            break;
        case 2: /* offset */
            set_rule(machine, low, AT_OFFSET, (int64_t)read_unsigned(machine) * machine->data_unit);
            break;
        case 3: /* restore */
            restore_rule(machine, low);
            break;
        default:
            execute_extended(machine, operation);
        }
    }
}

/* The row for a place in the code. */
static bool find_row(uintptr_t place, struct th_unwind_machine *machine)
{
    struct bases bases;
    const uint8_t *entry = _Unwind_Find_FDE((void *)place, &bases);
    if (entry == NULL)
        return false;
    int32_t back;
    memcpy(&back, entry + 4, sizeof back);
    memset(machine, 0, sizeof *machine);
    machine->target = place;
    open_common(machine, entry + 4 - back);
    execute(machine);
    machine->initial = machine->row;
    machine->place = (uintptr_t)bases.function;
    open_function(machine, entry);
    execute(machine);
    return !machine->has_failed && !machine->is_signal;
}

static const struct th_unwind_known *find_known(struct th_unwind *unwind, uintptr_t place)
{
    size_t at = (size_t)(place * 0x9e3779b97f4a7c15u >> 40) % TH_UNWIND_KNOWN;
    struct th_unwind_known *known = &unwind->known_rows[at];
    if (known->place == place)
        return known;
    if (!find_row(place, &unwind->machine))
        return NULL;
    known->place = place;
    known->return_register = unwind->machine.return_register;
    known->row = unwind->machine.row;
    return known;
}

/* ---- The stack ---- */

static bool read_word(struct th_unwind *unwind, uintptr_t address, uintptr_t *word)
{
    if (address < unwind->low || address > unwind->high - sizeof *word || address % sizeof *word != 0)
        return false;
    if (unwind->window == 0 || address - unwind->window >= TH_UNWIND_WINDOW) {
        uintptr_t left = unwind->high - address;
        size_t bytes = left < TH_UNWIND_WINDOW ? left : (size_t)TH_UNWIND_WINDOW;
        if (th_sys_peek((const void *)address, unwind->copy, bytes) < 0)
            return false;
        unwind->window = address;
    }
    *word = unwind->copy[(address - unwind->window) / sizeof *word];
    return true;
}

static bool is_known(const struct th_unwind *unwind, uint32_t number)
{
    return number < TH_UNWIND_REGISTERS && (unwind->known >> number & 1) != 0;
}

static void learn(struct th_unwind *unwind, uint32_t number, uintptr_t value)
{
    unwind->registers[number] = value;
    unwind->known |= (uint64_t)1 << number;
}

bool th_unwind_begin(struct th_unwind *unwind, const void *context, uintptr_t low, uintptr_t high)
{
    struct th_saved saved;
    unwind->low = low;
    unwind->high = high;
    unwind->window = 0;
    unwind->known = 0;
    uintptr_t at = (uintptr_t)context;
    for (uint32_t i = 0; i < TH_SAVED_WORDS; i++) {
        if (!read_word(unwind, at + i * sizeof(uintptr_t), &saved.words[i]))
            return false;
    }
    for (uint32_t i = 0; i < TH_SAVED_WORDS; i++) {
        if (th_saved_register(i) < TH_UNWIND_REGISTERS)
            learn(unwind, th_saved_register(i), saved.words[i]);
    }
    unwind->pc = saved.words[TH_SAVED_PC];
    unwind->sp = at + sizeof saved;
    learn(unwind, TH_REGISTER_SP, unwind->sp);
    return true;
}

bool th_unwind_step(struct th_unwind *unwind)
{
    /* A return address may be the first of the next function: the call was before it. */
    const struct th_unwind_known *found = unwind->pc != 0 ? find_known(unwind, unwind->pc - 1) : NULL;
    if (found == NULL || !is_known(unwind, found->row.cfa_register))
        return false;
    const struct th_unwind_row *row = &found->row;
    uintptr_t cfa = unwind->registers[row->cfa_register] + (uintptr_t)row->cfa_offset;
    uint32_t link = found->return_register;
    if (cfa <= unwind->sp || link >= TH_UNWIND_REGISTERS || row->rules[link] == UNDEFINED)
        return false;
    memcpy(unwind->before, unwind->registers, sizeof unwind->before);
    for (uint32_t i = 0; i < TH_UNWIND_REGISTERS; i++) {
        uintptr_t value = unwind->before[i];
        if (row->rules[i] == SAME)
            continue;
        if (row->rules[i] == IS_OFFSET)
            value = cfa + (uintptr_t)(intptr_t)row->offsets[i];
        else if (row->rules[i] == UNDEFINED || !read_word(unwind, cfa + (uintptr_t)(intptr_t)row->offsets[i], &value)) {
            unwind->known &= ~((uint64_t)1 << i);
            continue;
        }
        learn(unwind, i, value);
    }
    if (!is_known(unwind, link))
        return false;
    unwind->pc = unwind->registers[link];
    unwind->sp = cfa;
    learn(unwind, TH_REGISTER_SP, cfa);
    return unwind->pc != 0;
}
