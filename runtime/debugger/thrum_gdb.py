"""
thrum in gdb: tasks and their stacks, in a running program and in a core file.

    thrum tasks          every task: number, state, name, what it waits for
    thrum bt NUMBER      the stack of one task; `thrum bt all` of all, equal ones together
    thrum groups         which task has started which

The library carries this file (section .debug_gdb_scripts): gdb loads it by itself where `add-auto-load-safe-path`
lets it, and else by `source thrum_gdb.py`. It wants the library's debug information.

A parked task's stack is walked by gdb's own unwinder: for the time of the command the newest frame of the selected
thread gets the task's saved registers for its caller. Nothing is written into the program, and a core file will do.
"""

import gdb
import gdb.unwinder

RUNTIMES_MOST = 64
RECORD_BYTES = 192
WAIT_PARKED = 2
FLAG_HAS_HANDLE = 1
WORD = 8


class View:
    """What one command sees of the program: read in large pieces, and each thing asked of gdb once."""

    def __init__(self):
        self.memory = gdb.selected_inferior()
        self.layouts, self.strings, self.functions, self.parents = {}, {}, {}, {}

    def layout(self, kind):
        """Bytes of a structure, and where its fields are; what an atomic contains stands at its beginning."""
        if kind not in self.layouts:
            found = gdb.lookup_type(f"struct {kind}")
            places = {f.name: (f.bitpos // 8, f.type.sizeof) for f in found.fields()}
            self.layouts[kind] = found.sizeof, places
        return self.layouts[kind]

    def bytes(self, address, count):
        return self.memory.read_memory(address, count).tobytes()

    def words(self, address, count):
        return memoryview(self.bytes(address, count * WORD)).cast("Q").tolist()

    def string(self, address):
        if address not in self.strings:
            self.strings[address] = gdb.Value(address).cast(gdb.lookup_type("char").pointer()).string()
        return self.strings[address]

    def function(self, address):
        if address not in self.functions:
            text = gdb.execute(f"info symbol {address:#x}", to_string=True)
            self.functions[address] = hex(address) if text.startswith("No symbol") else text.split()[0]
        return self.functions[address]


class Struct:
    """A structure's bytes, as they were at one moment; fields are numbers."""

    def __init__(self, view, kind, address, content=None):
        self.view, self.address = view, address
        size, self.places = view.layout(kind)
        self.content = content if content is not None else view.bytes(address, size)

    def __getitem__(self, name):
        at, size = self.places[name]
        return int.from_bytes(self.content[at:at + size], "little")

    def inside(self, kind, name):
        """A field that is a structure itself."""
        at = self.places[name][0]
        return Struct(self.view, kind, self.address + at, self.content[at:])


class Task:
    """What a record says."""

    def __init__(self, view, record, running):
        self.view, self.record = view, record
        self.id = record["id"]
        self.fiber = None
        self.thread = running.get(record["fiber"])
        try:
            if record["fiber"] != 0:
                self.fiber = Struct(view, "th_fiber", record["fiber"])
            self.state = self.find_state()
        except gdb.MemoryError:
            self.state = "lost"

    def find_state(self):
        if self.record["flags"] & FLAG_HAS_HANDLE and self.record["done"] == 1:
            return "over"
        if self.fiber is None:
            return "fresh"
        if self.fiber["task"] != self.record.address:
            return "under"
        if self.thread is not None:
            return "running"
        return "parked" if self.record["wait"] & 0xffff == WAIT_PARKED else "ready"

    def name(self):
        if self.record["name"] != 0:
            return self.view.string(self.record["name"])
        return self.view.function(self.record["fn"])

    def waits_for(self):
        if self.state == "under":
            return f"task {Struct(self.view, 'th_task', self.fiber['task'])['id']}, on top of it"
        if self.state != "parked" or self.fiber["waits_as"] == 0:
            return ""
        kind = Struct(self.view, "th_wait_kind", self.fiber["waits_as"])
        name, number = self.view.string(kind["name"]), self.fiber["waits_for"]
        if name == "time":
            return name
        if kind["owner"] != 0 and kind["bytes"] == 0:
            return f"{name} {Struct(self.view, 'th_task', number)['id']}"
        return f"{name} {number}" if kind["is_number"] else f"{name} {number:#x}"

    def parent(self):
        group, known = self.record["group"], self.view.parents
        if group not in known:
            opener = Struct(self.view, "thrum_group", group)["opener_"] if group != 0 else 0
            known[group] = Struct(self.view, "th_task", opener)["id"] if opener != 0 else 0
        return known[group]

    def title(self):
        return f"task {self.id} ({self.name()}), {self.state}"


def runtimes(view):
    registry = gdb.lookup_static_symbol("th_registry") or gdb.lookup_global_symbol("th_registry")
    if registry is None:
        raise gdb.GdbError("no runtime is known here: is this program linked with thrum, with debug information?")
    for address in view.words(int(registry.value().address), RUNTIMES_MOST):
        if address != 0:
            yield Struct(view, "thrum_runtime", address)


def running_fibers(view, runtime):
    """The number of the thread that each one runs on."""
    workers = [Struct(view, "th_worker", at) for at in view.words(runtime["workers"], runtime["made"])]
    return {worker.inside("th_thread", "thread")["current"]: worker["tid"] for worker in workers}


def records(view, runtime):
    """Each record that was ever handed out and is somebody's."""
    address = runtime.inside("th_records", "records")["chunks"]
    while address != 0:
        chunk = Struct(view, "th_record_chunk", address)
        first = address + chunk.places["records"][0]
        content = view.bytes(first, max(chunk["carved"], 1) * RECORD_BYTES)
        for at in range(0, chunk["carved"] * RECORD_BYTES, RECORD_BYTES):
            record = Struct(view, "th_task", first + at, content[at:at + RECORD_BYTES])
            if record["id"] != 0 and record["runtime"] == runtime.address:
                yield record
        address = chunk["next"]


def tasks(view):
    for runtime in runtimes(view):
        running = running_fibers(view, runtime)
        for record in records(view, runtime):
            yield Task(view, record, running)


# ---- Stacks ----

def is_aarch64(frame):
    return "aarch64" in frame.architecture().name()


def saved_words(is_arm):
    """(register, word) of a saved context, from its address upwards (fiber/context.h), and how many words there are."""
    native = gdb.lookup_global_symbol("th_context_switch") is not None
    if is_arm:
        first, pc = (0, 11) if native else (8, 20)
        words = [(f"x{19 + i}", first + i) for i in range(12)]
        return words + [("pc", pc)], 22
    order = ("r15", "r14", "r13", "r12") if native else ("r12", "r13", "r14", "r15")
    words = [(name, 1 + i) for i, name in enumerate(order)]
    return words + [("rbx", 5), ("rbp", 6), ("rip", 7)], 8


class Caller:
    """A frame's number, for gdb."""

    def __init__(self, sp, pc):
        self.sp = sp
        self.pc = pc


class TaskUnwinder(gdb.unwinder.Unwinder):
    """While `context` is set, the caller of the newest frame is the place where that context was left."""

    def __init__(self):
        super().__init__("thrum tasks")
        self.context = 0

    def __call__(self, pending):
        if self.context == 0 or int(pending.read_register(self.sp_name)) != self.newest_sp:
            return None
        info = pending.create_unwind_info(Caller(gdb.Value(self.newest_sp), gdb.Value(1)))
        saved = memoryview(gdb.selected_inferior().read_memory(self.context, self.count * WORD).tobytes()).cast("Q")
        for name, word in self.words:
            info.add_saved_register(name, gdb.Value(saved[word]).cast(self.wide))
        info.add_saved_register(self.sp_name, gdb.Value(self.context + self.count * WORD).cast(self.wide))
        return info

    def newest(self, context):
        """The frame of the place where a context was left; to be used before the next call, or the end."""
        self.end()
        frame = gdb.newest_frame()
        self.words, self.count = saved_words(is_aarch64(frame))
        self.sp_name = "sp" if is_aarch64(frame) else "rsp"
        self.newest_sp = int(frame.read_register(self.sp_name))
        self.wide = gdb.lookup_type("unsigned long")
        self.context = context
        gdb.invalidate_cached_frames()
        return gdb.newest_frame().older()

    def end(self):
        self.context = 0
        gdb.invalidate_cached_frames()


UNWINDER = TaskUnwinder()


def calls_from(frame):
    """[(pc, text)] of a frame and its callers."""
    calls = []
    while frame is not None and frame.is_valid():
        where = frame.find_sal()
        place = f" at {where.symtab.filename}:{where.line}" if where.symtab is not None else ""
        calls.append((frame.pc(), f"{frame.name() or hex(frame.pc())}{place}"))
        frame = frame.older()
    return calls


def calls_of_thread(number):
    """Of a task that runs, or ran when the program died."""
    before = gdb.selected_thread()
    for thread in gdb.selected_inferior().threads():
        if thread.ptid[1] == number:
            thread.switch()
            calls = calls_from(gdb.newest_frame())
            before.switch()
            return calls
    return []


class Walks:
    """
    Stacks, of which most are like one that was walked before.

    Of two stacks with the same words, but for what is neither a place in the code that was returned to in any walk nor
    an address within the stack (that one counts from the stack's end), gdb's walk is the same: at each step the next
    return address, and each register by which it is found, are among the words that are equal. So gdb walks the first
    one of a kind alone; thousands take a second or two then, in place of half a minute.
    """

    def __init__(self, view):
        self.view = view
        self.places = set()
        self.known = {}

    def kind(self, words, low):
        high = low + len(words) * WORD
        return tuple(low - 1 - word if low <= word < high else word if word in self.places else 0 for word in words)

    def calls(self, task):
        if task.state == "running":
            return calls_of_thread(task.thread)
        low = task.fiber["context"]
        words = self.view.words(low, (task.fiber.address - low) // WORD)
        calls = self.known.get(self.kind(words, low))
        if calls is None:
            calls = calls_from(UNWINDER.newest(low))
            UNWINDER.end()
            self.places.update(pc for pc, _ in calls)
            self.known[self.kind(words, low)] = calls
        return calls


NO_STACK = {"fresh": "has not begun: there is no stack yet", "over": "has ended",
            "under": "waits for a task that runs on top of it, on the same stack",
            "lost": "has its stack in memory that cannot be read: a core file may leave it out"}


def print_calls(calls):
    for i, (_, text) in enumerate(calls):
        print(f"#{i:<3} {text}")


# ---- Commands ----

class Thrum(gdb.Command):
    """thrum tasks, thrum bt NUMBER, thrum bt all, thrum groups: see the tasks of a thrum program."""

    def __init__(self):
        super().__init__("thrum", gdb.COMMAND_STACK, gdb.COMPLETE_NONE, True)


class Tasks(gdb.Command):
    """Every task: number, state, name, what it waits for."""

    def __init__(self):
        super().__init__("thrum tasks", gdb.COMMAND_STACK)

    def invoke(self, _arguments, _from_tty):
        count = 0
        for task in tasks(View()):
            waits = task.waits_for()
            print(f"{task.id:>10}  {task.state:8} {task.name()}" + (f", waits for {waits}" if waits else ""))
            count += 1
        print(f"{count} tasks")


class Backtrace(gdb.Command):
    """The stack of one task, or of all."""

    def __init__(self):
        super().__init__("thrum bt", gdb.COMMAND_STACK)

    def invoke(self, arguments, _from_tty):
        if arguments.strip() != "all" and not arguments.strip().isdigit():
            raise gdb.GdbError("which task? `thrum bt NUMBER`, or `thrum bt all`")
        try:
            if arguments.strip() == "all":
                self.show_all(View())
            else:
                self.show(View(), int(arguments))
        finally:
            UNWINDER.end()

    def show(self, view, number):
        task = next((task for task in tasks(view) if task.id == number), None)
        if task is None:
            raise gdb.GdbError(f"there is no task {number}")
        if task.state in NO_STACK:
            raise gdb.GdbError(f"{task.title()}: it {NO_STACK[task.state]}")
        print(task.title())
        print_calls(Walks(view).calls(task))

    def show_all(self, view):
        walks, stacks, without, whole = Walks(view), {}, 0, 0
        for task in tasks(view):
            if task.state in NO_STACK:
                without += 1
                continue
            calls = walks.calls(task)
            whole += bool(calls) and calls[-1][1].startswith("th_context_start")
            key = tuple(pc for pc, _ in calls)
            stacks.setdefault(key, (calls, []))[1].append(task.id)
        for calls, numbers in sorted(stacks.values(), key=lambda entry: -len(entry[1])):
            some = ", ".join(str(number) for number in numbers[:8]) + (", ..." if len(numbers) > 8 else "")
            print(f"{len(numbers)} tasks: {some}")
            print_calls(calls)
        total = sum(len(numbers) for _, numbers in stacks.values())
        print(f"{whole} of {total} stacks end where they began; {without} tasks have none to show")


class Groups(gdb.Command):
    """Which task has started which, as far as they still live."""

    def __init__(self):
        super().__init__("thrum groups", gdb.COMMAND_STACK)

    def invoke(self, _arguments, _from_tty):
        children, names = {}, {}
        for task in tasks(View()):
            names[task.id] = task.title()
            children.setdefault(task.parent(), []).append(task.id)
        roots = [number for parent in children if parent not in names for number in children[parent]]
        shown = [(number, 0) for number in sorted(roots, reverse=True)]
        while shown:
            number, depth = shown.pop()
            print("  " * depth + names[number])
            shown += [(child, depth + 1) for child in sorted(children.get(number, []), reverse=True)]


def register():
    gdb.unwinder.register_unwinder(None, UNWINDER, replace=True)
    for command in (Thrum, Tasks, Backtrace, Groups):
        command()


register()
