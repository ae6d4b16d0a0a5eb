"""
Follows thread addresses (the thread pointer, the address of a thread-local variable or of errno) through machine code
and finds those that are used after a call that may have moved the fiber to another thread.

What is known of a register or stack slot is one of
    None                         nothing of interest
    ("frame", base, offset)      an address on this function's stack
    ("thread", origin, stale)    a thread's address, made at `origin`; `stale` is the switch that outdated it, or None
Where paths meet, a thread's address wins over None, and a stale one over a fresh one.

Which calls may switch is a question to the whole program: see Program.may_switch.
"""

import fnmatch

from machine.image import FRAGMENT, target


class State:
    """What the registers and stack slots hold at one place. Uses of stale addresses go to `found`."""

    def __init__(self, values, found):
        self.values, self.found, self.instruction = values, found, None

    def get(self, place):
        return self.values.get(place) if place is not None else None

    def put(self, place, value):
        if value is None:
            self.values.pop(place, None)
        else:
            self.values[place] = value

    def frame(self, register):
        value = self.get(register)
        return value[1:] if value is not None and value[0] == "frame" else None

    @staticmethod
    def is_thread(value):
        return value is not None and value[0] == "thread"

    def fresh(self):
        return ("thread", self.instruction.at, None)

    def use(self, place):
        value = self.get(place)
        if self.is_thread(value) and value[2] is not None and self.found is not None:
            self.found[self.instruction.at] = value

    def either(self, a, b):
        if a == b:
            return a
        threads = [value for value in (a, b) if self.is_thread(value)]
        return max(threads, key=lambda value: (value[2] is not None, value[1:2], value[2] or 0)) if threads else None

    def thread_part(self, a, b):
        return self.either(a if self.is_thread(a) else None, b if self.is_thread(b) else None)

    def outdate(self, at):
        for place, value in self.values.items():
            if value[0] == "thread" and value[2] is None:
                self.values[place] = ("thread", value[1], at)

    def meet(self, other, at, stack):
        """Joins another path's values into this one's; True if something changed."""
        changed = False
        for place in set(self.values) | set(other):
            mine, theirs = self.values.get(place), other.get(place)
            if mine == theirs:
                continue
            joined = self.either(mine, theirs)
            if place == stack:
                joined = ("frame", at, 0)  # depth differs by path: slots count anew from here
            if joined != mine:
                changed = True
                self.put(place, joined)
        return changed


class Function:
    """All instructions that can be reached from an entry without leaving by a call, a return or a tail jump."""

    def __init__(self, unit, entry):
        self.unit, self.entry, self.name = unit, entry, unit.entries[entry]
        self.calls = {}        # at -> Callee, tail jumps included
        self.descriptors = set()
        self.hand_made = set() # calls made of a push and a jump: the callee takes the pushed address away
        self.next = {}         # at -> addresses that may follow
        self.returns = set()   # instructions that leave for the caller
        self.has_source = False

    @property
    def key(self):
        return (self.unit, self.entry)


class Program:
    """Units that call each other by name, and what their functions do."""

    def __init__(self, units, lists):
        self.units, self.lists = units, lists
        self.machine = units[0].machine
        self.exported = {}
        for unit in units:
            for name, at in unit.names.items():
                self.exported.setdefault(name, (unit, at))
        self.without_return = set()
        self.functions = {}
        self._explore_all()
        self._solve_may_switch()

    # ---- The shape of functions ---------------------------------------------------------------------------------

    def _explore_all(self):
        # What does not return is only known when all are known, and then what follows a call to it is not reached.
        while True:
            self.functions = {(unit, entry): self._explore(unit, entry) for unit in self.units
                              for entry, name in unit.entries.items() if entry in unit.code}
            without = {key for key, function in self.functions.items() if not function.returns}
            if without <= self.without_return:
                return
            self.without_return |= without

    def _explore(self, unit, entry):
        function, machine = Function(unit, entry), unit.machine
        pending, tables = [entry], []
        while pending or self._next_table_target(function, tables, pending):
            at = pending.pop()
            before = []
            while at is not None and at in unit.code and at not in function.next:
                if at != entry and self._is_entry(unit, at):
                    break
                instruction = unit.code[at]
                function.next[at] = follows = []
                function.has_source |= machine.hands_out_thread(instruction)
                flow = machine.flow(instruction)
                go_on = instruction.next
                if flow in ("jump", "branch", "call"):
                    go_on = self._leave_or_follow(function, instruction, flow, before, pending, tables)
                elif flow == "ret":
                    function.returns.add(at)
                    go_on = None
                elif flow == "stop":
                    go_on = None
                if go_on is not None:
                    follows.append(go_on)
                before.append(instruction)
                at = go_on
        return function

    def _leave_or_follow(self, function, instruction, flow, before, pending, tables):
        unit, at, machine = function.unit, instruction.at, function.unit.machine
        if flow == "call":
            if machine.is_tls_descriptor_call(instruction, before):
                function.descriptors.add(at)
                function.has_source = True
                return instruction.next
            callee = function.calls[at] = target(instruction)
            function.has_source |= self.is_listed("sources", callee.name)
            return None if self._never_returns(unit, callee) else instruction.next
        callee = target(instruction)
        if flow == "jump" and machine.is_hand_made_call(before) and self.is_listed("switches", callee.name):
            function.calls[at] = callee
            function.hand_made.add(at)
            return instruction.next
        inside = callee.address is not None and callee.address in unit.code and \
            not self._is_entry(unit, callee.address)
        if inside or callee.address == function.entry:
            function.next[at].append(callee.address)
            pending.append(callee.address)
        elif callee.address is None and callee.name is None and machine.is_table_jump(instruction, before):
            tables.append(at)
        else:
            function.calls[at] = callee
            function.has_source |= self.is_listed("sources", callee.name)
            if not self._never_returns(unit, callee):
                function.returns.add(at)
        return instruction.next if flow == "branch" else None

    def _next_table_target(self, function, tables, pending):
        """Tables are not read: a table jump leads to every place of the function that nothing else leads to."""
        unit, place = function.unit, function.entry
        while tables and place is not None and (place == function.entry or not self._is_entry(unit, place)):
            if place not in function.next and not unit.machine.is_padding(unit.code[place]):
                for table in tables:
                    function.next[table].append(place)
                pending.append(place)
                return True
            place = unit.code[place].next
        return False

    def _is_entry(self, unit, at):
        return at in unit.entries and not FRAGMENT.search(unit.entries[at])

    def _never_returns(self, unit, callee):
        if callee.name is not None and self.is_listed("without-return", callee.name):
            return True
        return self.resolve(unit, callee) in self.without_return

    # ---- Which calls may switch ---------------------------------------------------------------------------------

    def is_listed(self, which, name):
        return name is not None and any(fnmatch.fnmatchcase(name, pattern) for pattern in self.lists[which])

    def resolve(self, unit, callee):
        """The key of the function that is called, if its code is here."""
        if callee.address is not None and callee.address in unit.entries:
            return (unit, callee.address)
        return self.exported.get(callee.name) if callee.name is not None else None

    def call_may_switch(self, unit, callee):
        if callee.name is not None and self.is_listed("never-switches", callee.name):
            return False
        if self.is_listed("switches", callee.name):
            return True
        key = self.resolve(unit, callee)
        if key is not None:
            return key in self.may_switch
        # Through a pointer: anything. By a name from elsewhere: only what is listed.
        return callee.name is None or self.is_listed("switches-if-elsewhere", callee.name)

    def _solve_may_switch(self):
        self.may_switch = {key for key, function in self.functions.items()
                           if self.is_listed("switches", function.name)}
        while True:
            more = {key for key, function in self.functions.items() if key not in self.may_switch and
                    not self.is_listed("never-switches", function.name) and
                    any(self.call_may_switch(function.unit, callee) for callee in function.calls.values())}
            if not more:
                return
            self.may_switch |= more

    # ---- Following addresses ------------------------------------------------------------------------------------

    def findings(self):
        """[(function, at, origin, switch)]: a stale thread address is used at `at`."""
        callers = {}
        for key, function in self.functions.items():
            for callee in function.calls.values():
                callers.setdefault(self.resolve(function.unit, callee), set()).add(key)
        self.hands_out = set()  # functions that return a thread's address
        entries = {}            # function -> argument registers that bring a thread's address
        found = {}
        pending = [key for key, function in self.functions.items() if function.has_source]
        while pending:
            key = pending.pop()
            function = self.functions[key]
            found[key], gives_out, passed = self._follow(function, entries.get(key, frozenset()))
            if gives_out and key not in self.hands_out:
                self.hands_out.add(key)
                pending.extend(callers.get(key, ()))
            for callee, registers in passed.items():
                if callee in self.functions and not registers <= entries.get(callee, frozenset()):
                    entries[callee] = entries.get(callee, frozenset()) | registers
                    pending.append(callee)
        return [(self.functions[key], at, value[1], value[2]) for key in found for at, value in found[key].items()]

    def _follow(self, function, arguments):
        machine = self.machine
        start = {machine.STACK: ("frame", "entry", 0)}
        start.update({register: ("thread", function.entry, None) for register in arguments})
        heads = self._heads(function)
        before, pending = {function.entry: State(start, None)}, [function.entry]
        found, gives_out, passed = {}, False, {}
        while pending:
            at = pending.pop()
            state = State(dict(before[at].values), found)
            while True:
                state.instruction = function.unit.code[at]
                if at in function.calls or at in function.descriptors:
                    self._call(function, state, passed)
                else:
                    machine.step(state, state.instruction)
                if at in function.returns and state.is_thread(state.get(machine.RESULT)):
                    gives_out = True
                follows = function.next[at]
                if len(follows) == 1 and follows[0] not in heads:
                    at = follows[0]
                    if at not in function.next:
                        break
                    continue
                break
            for follow in follows:
                if follow not in function.next:
                    continue
                if follow not in before:
                    before[follow] = State(dict(state.values), None)
                elif not before[follow].meet(state.values, follow, machine.STACK):
                    continue
                pending.append(follow)
        return found, gives_out, passed

    @staticmethod
    def _heads(function):
        """Places that more than one way leads to, or one that branches."""
        seen, heads = set(), {function.entry}
        for follows in function.next.values():
            for follow in follows:
                if follow in seen or len(follows) > 1:
                    heads.add(follow)
                seen.add(follow)
        return heads

    def _call(self, function, state, passed):
        machine, at = self.machine, state.instruction.at
        if at in function.descriptors:
            state.put(machine.RESULT, state.fresh())
            return
        callee = function.calls[at]
        if machine.flow(state.instruction) == "branch":
            return  # a conditional tail jump: on the way that stays, nothing was called
        for register in machine.pointer_registers(state.instruction):
            state.use(register)
        key = self.resolve(function.unit, callee)
        if key is not None:
            brings = frozenset(register for register in machine.ARGUMENTS if state.is_thread(state.get(register)))
            if brings:
                passed[key] = passed.get(key, frozenset()) | brings
        if self.call_may_switch(function.unit, callee):
            state.outdate(at)
        for register in machine.CLOBBERED_NEAR if key is not None else machine.CLOBBERED:
            state.put(register, None)
        if self.is_listed("sources", callee.name) or key in self.hands_out:
            state.put(machine.RESULT, state.fresh())
        stack = state.get(machine.STACK)
        if at in function.hand_made and stack is not None and stack[0] == "frame":
            state.put(machine.STACK, (stack[0], stack[1], stack[2] + machine.POINTER_BYTES))
