"""
thrum in gdb: tasks and their stacks, in a running program and in a core file.

    thrum tasks          every task: number, state, name, what it waits for
    thrum bt NUMBER      the stack of one task; `thrum bt all` of all, equal ones together
    thrum groups         which task has started which

gdb loads this file by itself where it lies beside the library as libthrum.so.VERSION-gdb.py and `set auto-load
safe-path` lets it; elsewhere by `source thrum_gdb.py`. It wants the library's debug information.

A parked task's stack is walked by gdb's own unwinder: for the time of the command the newest frame of the selected
thread gets the task's saved registers for its caller. Nothing is written into the program, and a core file will do.
"""

import gdb
import gdb.unwinder

RUNTIMES_MOST = 64
RECORD_BYTES = 192
WAIT_PARKED = 2
FLAG_HAS_HANDLE = 1
# Words of a saved context, from its address upwards (fiber/context.h).
LIBRARY = {"x86-64": ("r12", 1), "aarch64": ("x19", 8)}


def field(value, name):
    """An atomic's content, or a plain field."""
    found = value[name]
    return found["value"] if found.type.strip_typedefs().code == gdb.TYPE_CODE_STRUCT else found


def is_aarch64():
    return "aarch64" in gdb.selected_frame().architecture().name()


def saved_words():
    """(register, word), and how many words there are."""
    native = gdb.lookup_global_symbol("th_context_switch") is not None
    if is_aarch64():
        first, pc = (0, 11) if native else (8, 20)
        words = [(f"x{19 + i}", first + i) for i in range(12)]
        return words + [("pc", pc)], 22
    order = ("r15", "r14", "r13", "r12") if native else ("r12", "r13", "r14", "r15")
    words = [(name, 1 + i) for i, name in enumerate(order)]
    return words + [("rbx", 5), ("rbp", 6), ("rip", 7)], 8


class Task:
    """What a record says."""

    def __init__(self, record, running):
        self.record = record
        self.id = int(record["id"])
        self.fiber = record["fiber"]
        self.state = self.find_state(running)

    def find_state(self, running):
        done = int(field(self.record, "done"))
        if int(self.record["flags"]) & FLAG_HAS_HANDLE and done == 1:
            return "over"
        if int(self.fiber) == 0:
            return "fresh"
        if int(self.fiber["task"]) != int(self.record.address):
            return "under"
        if int(self.fiber) in running:
            return "running"
        return "parked" if int(field(self.record, "wait")) & 0xffff == WAIT_PARKED else "ready"

    def name(self):
        if int(self.record["name"]) != 0:
            return self.record["name"].string()
        return str(self.record["fn"]).split("<")[-1].rstrip(">")

    def waits_for(self):
        if self.state == "under":
            return f"task {int(self.fiber['task']['id'])}, on top of it"
        kind = int(field(self.fiber, "waits_as")) if self.state == "parked" else 0
        if kind == 0:
            return ""
        named = gdb.Value(kind).cast(gdb.lookup_type("struct th_wait_kind").pointer())
        return f"{named['name'].string()} {int(field(self.fiber, 'waits_for')):#x}"

    def has_saved_stack(self):
        return self.state in ("parked", "ready")

    def parent(self):
        group = self.record["group"]
        return int(group["opener_"]["id"]) if int(group) != 0 else 0


def runtimes():
    registry = gdb.lookup_static_symbol("th_registry") or gdb.lookup_global_symbol("th_registry")
    if registry is None:
        raise gdb.GdbError("no runtime is known here: is this program linked with thrum, with debug information?")
    pointer = gdb.lookup_type("struct thrum_runtime").pointer()
    places = registry.value()
    for i in range(RUNTIMES_MOST):
        if int(places[i]["value"]) != 0:
            yield places[i]["value"].cast(pointer)


def running_fibers(runtime):
    made = int(field(runtime.dereference(), "made"))
    return {int(runtime["workers"][i]["thread"]["current"]) for i in range(made)}


def records(runtime):
    """The bytes of each record that was ever handed out and is somebody's."""
    task = gdb.lookup_type("struct th_task")
    chunk_type = gdb.lookup_type("struct th_record_chunk").pointer()
    id_at = [f.bitpos // 8 for f in task.fields() if f.name == "id"][0]
    chunk = field(runtime["records"], "chunks").cast(chunk_type)
    inferior = gdb.selected_inferior()
    while int(chunk) != 0:
        first, count = int(chunk["records"].address), int(field(chunk.dereference(), "carved"))
        memory = inferior.read_memory(first, max(count, 1) * RECORD_BYTES).tobytes()
        for i in range(count):
            if any(memory[i * RECORD_BYTES + id_at:i * RECORD_BYTES + id_at + 8]):
                yield gdb.Value(first + i * RECORD_BYTES).cast(task.pointer()).dereference()
        chunk = chunk["next"]


def tasks():
    for runtime in runtimes():
        running = running_fibers(runtime)
        for record in records(runtime):
            if int(record["runtime"]) == int(runtime):
                yield Task(record, running)


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
        self.newest_sp = 0

    def __call__(self, pending):
        if self.context == 0:
            return None
        sp_name = "sp" if "aarch64" in pending.architecture().name() else "rsp"
        sp = pending.read_register(sp_name)
        if int(sp) != self.newest_sp:
            return None
        words, count = self.words
        info = pending.create_unwind_info(Caller(gdb.Value(self.newest_sp), gdb.Value(1)))
        memory = gdb.selected_inferior().read_memory(self.context, count * 8).tobytes()
        wide = gdb.lookup_type("unsigned long")
        for name, word in words:
            value = int.from_bytes(memory[word * 8:word * 8 + 8], "little")
            info.add_saved_register(name, gdb.Value(value).cast(wide))
        info.add_saved_register(sp_name, gdb.Value(self.context + count * 8).cast(wide))
        return info

    def frames(self, context):
        """Frames from the place where a context was left on, to be used before the next call."""
        self.context = 0
        gdb.invalidate_cached_frames()
        newest = gdb.newest_frame()
        self.words = saved_words()
        self.newest_sp = int(newest.read_register("sp" if is_aarch64() else "rsp"))
        self.context = context
        gdb.invalidate_cached_frames()
        frame = gdb.newest_frame().older()
        while frame is not None and frame.is_valid():
            yield frame
            frame = frame.older()

    def stop(self):
        self.context = 0
        gdb.invalidate_cached_frames()


UNWINDER = TaskUnwinder()


def calls_of(task):
    """[(pc, text)] of a task that does not run."""
    calls = []
    for frame in UNWINDER.frames(int(task.fiber["context"])):
        where = frame.find_sal()
        place = f" at {where.symtab.filename}:{where.line}" if where.symtab is not None else ""
        calls.append((frame.pc(), f"{frame.name() or hex(frame.pc())}{place}"))
    UNWINDER.stop()
    return calls


def print_calls(calls):
    for i, (_, text) in enumerate(calls):
        print(f"#{i:<3} {text}")


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
        for task in tasks():
            waits = task.waits_for()
            print(f"{task.id:>10}  {task.state:8} {task.name()}" + (f", waits for {waits}" if waits else ""))
            count += 1
        print(f"{count} tasks")


class Backtrace(gdb.Command):
    """The stack of one task, or of all."""

    def __init__(self):
        super().__init__("thrum bt", gdb.COMMAND_STACK)

    def invoke(self, arguments, _from_tty):
        try:
            if arguments.strip() == "all":
                self.show_all()
            else:
                self.show(int(arguments))
        except ValueError:
            raise gdb.GdbError("which task? `thrum bt NUMBER`, or `thrum bt all`") from None
        finally:
            UNWINDER.stop()

    def show(self, number):
        for task in tasks():
            if task.id != number:
                continue
            if not task.has_saved_stack():
                raise gdb.GdbError(f"task {number} is {task.state}: it has no stack of its own that nobody stands on")
            print(f"task {number} ({task.name()}), {task.state}")
            print_calls(calls_of(task))
            return
        raise gdb.GdbError(f"there is no task {number}")

    def show_all(self):
        stacks, without, whole = {}, 0, 0
        for task in tasks():
            if not task.has_saved_stack():
                without += 1
                continue
            calls = calls_of(task)
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
        for task in tasks():
            names[task.id] = f"task {task.id} ({task.name()}), {task.state}"
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
