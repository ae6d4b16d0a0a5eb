"""x86-64 in AT&T syntax: what an instruction does to registers, to stack slots, and to the flow of control."""

import re

OBJDUMP = "objdump"
RELOCATION_BIAS = 4  # of a pc-relative field at the end of its instruction
ARGUMENTS = ("rdi", "rsi", "rdx", "rcx", "r8", "r9")
RESULT, STACK = "rax", "rsp"
POINTER_BYTES = 8
# A call within the image may leave any register alone that the compiler saw it leave alone; results it never does.
CLOBBERED_NEAR = ("rax", "rdx", "xmm0", "xmm1")
CLOBBERED = ("rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11") + tuple(f"xmm{i}" for i in range(32))

PREFIXES = {"lock", "rep", "repz", "repnz", "notrack", "bnd", "data16", "cs", "ds", "es", "ss", "rex.W", "addr32"}
MEMORY = re.compile(r"^\*?(?:%(\w\w):)?(-?0x[0-9a-f]+)?(?:\((%\w+)?(?:,(%\w+)(?:,(\d))?)?\))?$")
ALWAYS = {"jmp", "jmpq"}
STOPS = {"ud2", "hlt", "int3", "ud1"}
READ_ONLY = ("cmp", "test", "bt", "ucomis", "comis", "prefetch", "vucomis", "vcomis", "fld", "ldmxcsr")
WRITE_ONLY = ("set", "cvt", "pshuf", "vpbroadcast", "bsf", "bsr", "tzcnt", "lzcnt", "popcnt", "rdfsbase", "stmxcsr")
SUMS = ("add", "sub", "and", "or", "xor", "adc", "sbb")
FALLBACK_CLOBBERS = {"cpuid": ("rax", "rbx", "rcx", "rdx"), "rdtsc": ("rax", "rdx"), "syscall": ("rax", "rcx", "r11"),
                     "xgetbv": ("rax", "rdx"), "rdtscp": ("rax", "rcx", "rdx")}


def _registers():
    names = {}
    for letter in "abcd":
        names.update({f"r{letter}x": (f"r{letter}x", 8), f"e{letter}x": (f"r{letter}x", 4),
                      f"{letter}x": (f"r{letter}x", 2), f"{letter}l": (f"r{letter}x", 1),
                      f"{letter}h": (f"r{letter}x", 1)})
    for stem in ("si", "di", "sp", "bp"):
        names.update({"r" + stem: ("r" + stem, 8), "e" + stem: ("r" + stem, 4), stem: ("r" + stem, 2),
                      stem + "l": ("r" + stem, 1)})
    for i in range(8, 16):
        names.update({f"r{i}": (f"r{i}", 8), f"r{i}d": (f"r{i}", 4), f"r{i}w": (f"r{i}", 2), f"r{i}b": (f"r{i}", 1)})
    for i in range(32):
        for letter, size in (("x", 16), ("y", 32), ("z", 64)):
            names[f"{letter}mm{i}"] = (f"xmm{i}", size)
    return names


REGISTERS = _registers()


def split(text):
    """mnemonic, operands, and what objdump adds as a comment"""
    text, _, note = text.partition(" #")
    words = text.split()
    while len(words) > 1 and words[0] in PREFIXES:
        words.pop(0)
    mnemonic, rest = words[0], " ".join(words[1:])
    operands, depth, start = [], 0, 0
    for i, char in enumerate(rest + ","):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            operands.append(rest[start:i].strip())
            start = i + 1
    return mnemonic, [operand for operand in operands if operand], "#" + note if note else ""


def flow(instruction):
    """call, jump, branch, ret, stop or None (goes on)"""
    mnemonic = instruction.mnemonic
    if mnemonic in ("call", "callq"):
        return "call"
    if mnemonic in ALWAYS:
        return "jump"
    if mnemonic.startswith("ret"):
        return "ret"
    if mnemonic in STOPS:
        return "stop"
    return "branch" if mnemonic[0] == "j" or mnemonic.startswith("loop") else None


def is_table_jump(instruction, before):
    """A jump through a switch statement's table, not through a function pointer."""
    operand = instruction.operands[-1]
    if instruction.text.startswith("notrack") or re.search(r",8\)$", operand):
        return True
    return any(i.mnemonic == "movslq" and ",4)" in i.text for i in before[-8:])


def is_hand_made_call(before):
    """A return address was pushed just now, by an instruction of its own."""
    return bool(before) and before[-1].mnemonic.startswith("push")


def is_padding(instruction):
    return instruction.mnemonic.startswith(("nop", "int3", "data16")) or instruction.text.startswith("xchg   %ax,%ax")


def pointer_registers(instruction):
    """Registers that a call reads to find out where it goes."""
    return [REGISTERS[name][0] for name in re.findall(r"%(\w+)", "".join(instruction.operands[-1:]))
            if name in REGISTERS]


def is_tls_descriptor_call(instruction, before):
    if instruction.relocation is not None and "TLSDESC" in instruction.relocation[0]:
        return True
    # Linked: `lea descriptor(%rip),%rax; call *(%rax)`. Nobody calls a function pointer so.
    return (instruction.operands == ["*(%rax)"] and
            any(i.mnemonic == "lea" and i.text.rstrip().split("#")[0].strip().endswith("(%rip),%rax")
                for i in before[-3:]))


def hands_out_thread(instruction):
    """Reads the thread pointer itself: a quick look whether a function needs following at all."""
    return _reads_thread_pointer(instruction) or instruction.mnemonic == "rdfsbase"


def _reads_thread_pointer(instruction):
    return any(_is_thread_pointer(operand, instruction) for operand in instruction.operands)


def _is_thread_pointer(operand, instruction):
    # In an object `%fs:0x0` with a relocation is a variable, its offset still to come.
    return operand in ("%fs:0x0", "%fs:0x10") and instruction.relocation is None


class Operand:
    """A register (name, size), memory (slot or not), or an immediate."""

    def __init__(self, text, state, instruction):
        self.text, self.register, self.size, self.slot, self.address = text, None, 0, None, ()
        self.is_thread_pointer = _is_thread_pointer(text, instruction)
        self.is_memory = False
        if text.startswith("%") and ":" not in text:
            self.register, self.size = REGISTERS.get(text[1:], (text[1:], 0))
            return
        found = None if text.startswith("$") else MEMORY.match(text)
        if found is None:
            return
        self.is_memory = True
        segment, offset, base, index, _ = found.groups()
        self.offset = int(offset, 16) if offset else 0
        self.base = REGISTERS.get(base[1:], (base[1:], 0))[0] if base else None
        self.index = REGISTERS.get(index[1:], (index[1:], 0))[0] if index else None
        self.address = tuple(register for register in (self.base, self.index) if register)
        frame = state.frame(self.base)
        if segment not in ("fs", "gs") and frame and not self.index:
            self.slot = ("slot", frame[0], frame[1] + self.offset)


def step(state, instruction):
    """One instruction that is no call. `state` complains by itself where a stale address is used."""
    mnemonic = instruction.mnemonic
    if mnemonic.startswith(("nop", "endbr", "pause", "mfence", "lfence", "sfence")):
        return
    operands = [Operand(text, state, instruction) for text in instruction.operands]
    for operand in operands:
        for register in operand.address:
            state.use(register)
    if mnemonic.startswith("push"):
        _push(state, operands[0])
    elif mnemonic.startswith("pop") and not mnemonic.startswith("popcnt"):
        _pop(state, operands[0])
    elif mnemonic.startswith("leave"):
        state.put("rsp", state.get("rbp"))
        _pop(state, Operand("%rbp", state, instruction))
    elif mnemonic.startswith("lea"):
        _lea(state, *operands)
    elif mnemonic.startswith("cmov"):
        _write(state, operands[1], state.either(_value(state, operands[0]), state.get(operands[1].register)))
    elif mnemonic.startswith("xchg"):
        _xchg(state, *operands)
    elif mnemonic.startswith(("mov", "vmov")) and len(operands) == 2:
        _mov(state, mnemonic, *operands)
    elif mnemonic.startswith(("pinsr", "punpck", "vpinsr", "vpunpck", "unpck", "shuf", "movlh")):
        _pack(state, operands)
    elif mnemonic.rstrip("bwlq") in SUMS and len(operands) == 2:
        _sum(state, mnemonic, *operands, instruction)
    else:
        _other(state, mnemonic, operands)


def _value(state, operand):
    if operand.is_thread_pointer:
        return state.fresh()
    if operand.register:
        return state.get(operand.register)
    return state.get(operand.slot) if operand.slot else None


def _write(state, operand, value):
    if operand.register:
        # Half an address is none.
        state.put(operand.register, value if operand.size >= 8 else None)
    elif operand.slot:
        state.put(operand.slot, value)


def _mov(state, mnemonic, source, to):
    if source.register and to.slot:
        value = state.get(source.register)  # a spill is no use yet
    else:
        if source.register or source.slot:
            state.use(source.register or source.slot)
        value = _value(state, source)
    wide = mnemonic.lstrip("v") in ("mov", "movq", "movabs") or source.size >= 16 or to.size >= 16
    _write(state, to, value if wide else None)
    if to.slot and source.size >= 16:
        state.put((to.slot[0], to.slot[1], to.slot[2] + 8), value)


def _pack(state, operands):
    value = None
    for operand in operands:
        value = state.either(value, _value(state, operand))
    _write(state, operands[-1], value)


def _lea(state, source, to):
    base, index = state.get(source.base), state.get(source.index)
    value = None
    for part in (base, index):
        if state.is_thread(part):
            value = part
    frame = state.frame(source.base)
    if value is None and frame and not source.index:
        value = ("frame", frame[0], frame[1] + source.offset)
    _write(state, to, value)


def _sum(state, mnemonic, source, to, instruction):
    same = source.register and source.register == to.register
    if same and mnemonic[:3] in ("xor", "sub", "sbb"):
        _write(state, to, None)
        return
    frame = state.frame(to.register)
    if frame:
        if source.text.startswith("$") and mnemonic[:3] in ("add", "sub"):
            by = int(source.text[1:], 16)
            by = by - (1 << 64) if by >> 63 else by
            state.put(to.register, ("frame", frame[0], frame[1] + (by if mnemonic[:3] == "add" else -by)))
        else:
            state.put(to.register, ("frame", instruction.at, 0))  # aligned, or by an amount only known when it runs
        return
    for operand in (source, to):
        if operand.register or operand.slot:
            state.use(operand.register or operand.slot)
    _write(state, to, state.thread_part(_value(state, source), _value(state, to)))


def _push(state, source):
    frame = state.frame("rsp")
    value = _value(state, source)
    if frame:
        state.put("rsp", ("frame", frame[0], frame[1] - 8))
        state.put(("slot", frame[0], frame[1] - 8), value)


def _pop(state, to):
    # A pop may only be there to move the stack pointer: what it loads is used when it is used.
    frame = state.frame("rsp")
    value = state.get(("slot", frame[0], frame[1])) if frame else None
    _write(state, to, value)
    if frame and to.register != "rsp":
        state.put("rsp", ("frame", frame[0], frame[1] + 8))


def _xchg(state, a, b):
    if a.register and a.register == b.register:
        return
    first, second = _value(state, a), _value(state, b)
    _write(state, a, second)
    _write(state, b, first)


def _other(state, mnemonic, operands):
    """Reads everything it names, and leaves no address in its last operand."""
    for operand in operands[:-1]:
        if operand.register or operand.slot:
            state.use(operand.register or operand.slot)
    if operands:
        last = operands[-1]
        writes = not mnemonic.startswith(READ_ONLY)
        reads = not (mnemonic.startswith(WRITE_ONLY) and writes)
        if reads and (last.register or last.slot):
            state.use(last.register or last.slot)
        if writes and last.register != "rsp":
            _write(state, last, None)
    if mnemonic.startswith("cmpxchg"):
        state.use("rax")
        state.put("rax", None)
    elif mnemonic.startswith(("mul", "div", "idiv", "cqto", "cqo", "cltd", "cwtl", "cltq")) or \
            (mnemonic.startswith("imul") and len(operands) == 1):
        state.put("rax", None)
        state.put("rdx", None)
    for register in FALLBACK_CLOBBERS.get(mnemonic, ()):
        state.put(register, None)
