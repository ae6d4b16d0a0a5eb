"""aarch64: what an instruction does to registers, to stack slots, and to the flow of control."""

import re

OBJDUMP = "aarch64-linux-gnu-objdump"
RELOCATION_BIAS = 0
ARGUMENTS = tuple(f"x{i}" for i in range(8))
RESULT, STACK = "x0", "sp"
POINTER_BYTES = 8
CLOBBERED_NEAR = ("x0", "x1", "v0", "v1")
# Of v8 to v15 the lower halves survive, which is enough for an address.
CLOBBERED = tuple(f"x{i}" for i in range(19)) + ("x30",) + tuple(f"v{i}" for i in range(8)) + \
    tuple(f"v{i}" for i in range(16, 32))
SIZES = {"x": 8, "w": 4, "q": 16, "d": 8, "s": 4, "h": 2, "b": 1, "v": 16}
READ_ONLY = ("cmp", "cmn", "tst", "ccmp", "ccmn", "fcmp", "prfm", "cbz", "cbnz", "tbz", "tbnz", "msr", "br", "blr")


def split(text):
    text, _, note = text.partition("//")
    words = text.strip().split(None, 1)
    operands, depth, start = [], 0, 0
    rest = words[1] if len(words) > 1 else ""
    for i, char in enumerate(rest + ","):
        depth += (char in "[{") - (char in "]}")
        if char == "," and depth == 0:
            operands.append(rest[start:i].strip())
            start = i + 1
    return words[0], [operand for operand in operands if operand], note


def flow(instruction):
    mnemonic = instruction.mnemonic
    if mnemonic in ("bl", "blr"):
        return "call"
    if mnemonic in ("b", "br"):
        return "jump"
    if mnemonic in ("ret", "retaa", "retab"):
        return "ret"
    if mnemonic in ("udf", "brk", "hlt"):
        return "stop"
    return "branch" if mnemonic.startswith("b.") or mnemonic in ("cbz", "cbnz", "tbz", "tbnz") else None


def is_table_jump(instruction, before):
    # The offset comes from a table of bytes, half words or words, and is added to an address of the code.
    return any(i.mnemonic in ("ldrb", "ldrh", "ldrsw", "ldrsh", "ldrsb", "ldr") and "uxt" in i.text or "lsl #" in i.text
               for i in before[-8:]) and any(i.mnemonic in ("adr", "adrp") for i in before[-12:])


def is_hand_made_call(_before):
    return False


def is_padding(instruction):
    return instruction.mnemonic in ("nop", "udf", ".inst", ".word")


def pointer_registers(instruction):
    return [_register(operand)[0] for operand in instruction.operands[-1:] if _register(operand)[0]]


def is_tls_descriptor_call(instruction, before):
    if instruction.relocation is not None and "TLSDESC" in instruction.relocation[0]:
        return True
    # Linked: adrp x0; ldr x1, [x0, #o]; add x0, x0, #o; blr x1
    return instruction.mnemonic == "blr" and [i.mnemonic for i in before[-2:]] == ["ldr", "add"] and \
        before[-1].operands[:2] == ["x0", "x0"] and before[-2].operands[1].startswith("[x0")


def hands_out_thread(instruction):
    return instruction.mnemonic == "mrs" and instruction.operands[-1] == "tpidr_el0"


def _register(text):
    text = text.split(".")[0]
    if text == "sp":
        return "sp", 8
    found = re.match(r"^([xwqdshbv])(\d+)$", text)
    if not found:
        return None, 0
    kind, number = found.groups()
    return ("x" if kind in "xw" else "v") + number, SIZES[kind]


def _number(text):
    found = re.match(r"#(-?(?:0x[0-9a-f]+|\d+))$", text)
    return int(found.group(1), 0) if found else None


def _memory(state, operands):
    """The slot that the operands' memory part names, or None; moves the base where the address is written back."""
    for i, operand in enumerate(operands):
        if not operand.startswith("["):
            continue
        inside = [part.strip() for part in operand.strip("!").strip("[]").split(",")]
        base, _ = _register(inside[0])
        offset = _number(inside[1]) if len(inside) == 2 else 0 if len(inside) == 1 else None
        if len(inside) > 1:
            index, _ = _register(inside[1])
            state.use(index)
        frame = state.frame(base)
        if frame is None:
            state.use(base)
            return None
        slot = ("slot", frame[0], frame[1] + offset) if offset is not None else None
        after = _number(operands[i + 1]) if i + 1 < len(operands) else None
        if operand.endswith("!") and offset is not None:
            state.put(base, ("frame", frame[0], frame[1] + offset))
        elif after is not None:
            state.put(base, ("frame", frame[0], frame[1] + after))
        return slot
    return None


def step(state, instruction):
    mnemonic, operands = instruction.mnemonic, instruction.operands
    if mnemonic in ("nop", "ret", "dmb", "dsb", "isb", "yield", "hint", "bti", "paciasp", "autiasp"):
        return
    registers = [_register(operand) for operand in operands]
    if mnemonic == "mrs":
        state.put(registers[0][0], state.fresh() if operands[-1] == "tpidr_el0" else None)
    elif mnemonic in ("mov", "fmov") and len(operands) == 2:
        _mov(state, registers[0], registers[1])
    elif mnemonic in ("add", "sub") and registers[0][1] == 8:
        _sum(state, instruction, registers)
    elif mnemonic == "csel":
        state.put(registers[0][0], state.either(state.get(registers[1][0]), state.get(registers[2][0])))
    elif mnemonic in ("stp", "str", "stur", "ldp", "ldr", "ldur", "ldpsw"):
        _move_memory(state, mnemonic, operands, registers)
    else:
        _other(state, mnemonic, operands, registers)


def _mov(state, to, source):
    frame = state.frame(source[0])
    if not frame:
        state.use(source[0])
    state.put(to[0], state.get(source[0]) if to[1] >= 8 else None)


def _sum(state, instruction, registers):
    to, operands = registers[0][0], instruction.operands
    frame, by = state.frame(registers[1][0]), _number(operands[2])
    if frame:
        shift = 12 if operands[3:] == ["lsl #12"] else 0
        known = by is not None
        by = (by << shift) * (1 if instruction.mnemonic == "add" else -1) if known else 0
        value = ("frame", frame[0], frame[1] + by) if known else ("frame", instruction.at, 0) if to == "sp" else None
        state.put(to, value)
        return
    for name, _ in registers[1:]:
        state.use(name)
    state.put(to, state.thread_part(state.get(registers[1][0]), state.get(registers[2][0])))


def _move_memory(state, mnemonic, operands, registers):
    slot = _memory(state, operands)
    count = 2 if mnemonic[2] == "p" else 1
    for i in range(count):
        name, size = registers[i]
        here = (slot[0], slot[1], slot[2] + i * size) if slot else None
        if mnemonic.startswith("st"):
            if here:
                state.put(here, state.get(name) if size >= 8 else None)  # a spill is no use yet
            else:
                state.use(name)
        else:
            if here:
                state.use(here)
            if name:
                state.put(name, state.get(here) if here and size >= 8 else None)


def _other(state, mnemonic, operands, registers):
    """Reads everything it names, and leaves no address in its first operand."""
    _memory(state, operands)
    writes_first = not mnemonic.startswith(READ_ONLY + ("st", "b."))
    for name, _ in registers[1 if writes_first else 0:]:
        state.use(name)
    if writes_first and registers and registers[0][0] and registers[0][0] != "sp":
        state.put(registers[0][0], None)
    if mnemonic.startswith(("cas", "swp", "ldadd", "ldset", "ldclr")):
        for name, _ in registers[:2]:
            if name:
                state.put(name, None)
