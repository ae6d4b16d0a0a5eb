"""Machine code as objdump prints it: units (an object or a linked image), instructions, names, functions."""

import re
import subprocess

LABEL = re.compile(r"^([0-9a-f]+) <(.+)>:$")
INSTRUCTION = re.compile(r"^\s+([0-9a-f]+):\t(.+)$")
RELOCATION = re.compile(r"^\s+([0-9a-f]+): (R_\S+)\t(.+)$")
SECTION = re.compile(r"^Disassembly of section (.+):$")
UNIT = re.compile(r"^(.+):\s+file format (\S+)$")
SYMBOL = re.compile(r"<([^<>]+?)(?:\+0x[0-9a-f]+)?>")
# A compiler moves a function's unlikely blocks away under such a name; they are still that function.
FRAGMENT = re.compile(r"\.cold(\.\d+)?$")


class Instruction:
    __slots__ = ("at", "text", "mnemonic", "operands", "note", "relocation", "unit", "next")

    def __init__(self, at, text, unit):
        self.at, self.text, self.unit = at, text, unit
        self.relocation = self.next = None
        self.mnemonic, self.operands, self.note = unit.machine.split(text)


class Unit:
    """`entries` holds each function's first address and name; addresses of a relocatable object carry their section."""

    def __init__(self, name, machine, is_linked, slots):
        self.name, self.machine, self.is_linked, self.slots = name, machine, is_linked, slots
        self.code, self.entries, self.names, self.sections, self.stubs = {}, {}, {}, {}, {}

    def base(self, section):
        # Sections of an object all begin at 0: keep them apart. Those of an image have addresses of their own.
        number = self.sections.setdefault(section, len(self.sections))
        return 0 if self.is_linked else number << 40

    def local(self, name):
        return self.names.get(name)


class Callee:
    """What a call or jump goes to: an address in this unit, a name elsewhere, or neither (through a pointer)."""

    __slots__ = ("address", "name")

    def __init__(self, address=None, name=None):
        self.address, self.name = address, name


def target(instruction):
    """The Callee of a direct or indirect call, jump or branch."""
    unit, relocation = instruction.unit, instruction.relocation
    through_memory = bool(instruction.operands) and instruction.operands[-1].startswith("*")
    if relocation is not None and through_memory and "GOT" not in relocation[0]:
        return Callee()  # a variable or a table that holds the address
    if relocation is not None:
        name, offset = re.match(r"(.*?)([+-]0x[0-9a-f]+)?$", relocation[1]).groups()
        offset = int(offset, 16) if offset else 0
        if name in unit.sections and name.startswith("."):
            return Callee(address=unit.base(name) + offset + unit.machine.RELOCATION_BIAS)
        local = unit.local(name)
        return Callee(address=local, name=name) if local is not None else Callee(name=name)
    slot = re.search(r"# ([0-9a-f]+)", instruction.note)
    if through_memory:
        name = unit.slots.get(int(slot.group(1), 16)) if slot else None
        return Callee(address=unit.local(name), name=name) if name else Callee()
    direct = re.match(r"([0-9a-f]+) <", instruction.operands[-1]) if instruction.operands else None
    if direct is None:
        return Callee()
    address = int(direct.group(1), 16) + (instruction.at >> 40 << 40)
    if address in unit.stubs:
        name = unit.stubs[address]
        return Callee(address=unit.local(name), name=name)
    return Callee(address=address, name=unit.entries.get(address))


def load(path, machine):
    """All units of an object, archive or image."""
    is_linked = not path.endswith((".o", ".a"))
    slots = _slots(path, machine) if is_linked else {}
    listing = subprocess.run([machine.OBJDUMP, "-d", "-r", "--no-show-raw-insn", path],
                             capture_output=True, text=True, check=True).stdout
    units, unit, section, last = [], None, "", None
    for line in listing.split("\n"):
        found = INSTRUCTION.match(line)
        if found and unit is not None:
            at = unit.base(section) + int(found.group(1), 16)
            instruction = Instruction(at, found.group(2).strip(), unit)
            unit.code[at] = instruction
            if last is not None:
                last.next = at
            last = instruction
            continue
        found = RELOCATION.match(line)
        if found and last is not None:
            last.relocation = (found.group(2), found.group(3).strip())
            continue
        found = LABEL.match(line)
        if found:
            at = unit.base(section) + int(found.group(1), 16)
            if section.startswith((".plt", ".iplt")):
                unit.stubs[at] = found.group(2)
            elif at not in unit.entries:
                unit.entries[at] = found.group(2)
                unit.names.setdefault(found.group(2), at)
            continue
        found = SECTION.match(line)
        if found:
            section, last = found.group(1), None
            unit.base(section)
            continue
        found = UNIT.match(line)
        if found:
            unit = Unit(found.group(1), machine, is_linked, slots)
            units.append(unit)
    for unit in units:
        _name_stubs(unit)
    return units


def _slots(path, machine):
    """Addresses that the loader fills, and with which symbol."""
    listing = subprocess.run([machine.OBJDUMP, "-R", "-w", path], capture_output=True, text=True).stdout
    rows = re.findall(r"^([0-9a-f]+) R_\S+\s+([^\s+@-]+)", listing, re.M)
    return {int(at, 16): name for at, name in rows}


def _name_stubs(unit):
    """Linkers differ in how they lay out the procedure linkage table; a stub's slot always knows its symbol."""
    for start in list(unit.stubs):
        at, steps, name = start, 0, unit.stubs[start].split("@")[0]
        while at in unit.code and steps < 4:
            slot = re.search(r"# ([0-9a-f]+)", unit.code[at].note)
            if slot and int(slot.group(1), 16) in unit.slots:
                name = unit.slots[int(slot.group(1), 16)]
                break
            at, steps = unit.code[at].next, steps + 1
        unit.stubs[start] = name
    # lld labels only the table, not its stubs: find the others by their jumps.
    for at, instruction in unit.code.items():
        slot = re.search(r"# ([0-9a-f]+)", instruction.note)
        if slot and instruction.mnemonic == "jmp" and int(slot.group(1), 16) in unit.slots:
            unit.stubs.setdefault(at, unit.slots[int(slot.group(1), 16)])
