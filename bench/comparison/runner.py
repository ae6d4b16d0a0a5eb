"""The schedule, one run, and what to do about failures and disturbance."""
import json
import os
import resource
import signal
import subprocess
import time
from dataclasses import dataclass, field

from . import machine
from .progress import Estimate, duration
from .summary import number, summarise

REPETITIONS = 2          # of a disturbed run


@dataclass
class Cell:
    """One peer in one workload with so many workers: what becomes a row of the table."""
    peer: object
    workload: object
    workers: int
    scale: float
    is_reduced: bool = False   # smaller than asked for, because the peer cannot do more
    runs: list = field(default_factory=list)
    failure: str = ''
    failed_runs: int = 0

    @property
    def key(self):
        return self.workload.name, self.peer.name, self.workers

    @property
    def is_given_up(self):
        return self.failed_runs >= 2 or 'timeout' in self.failure

    def result(self):
        row = {'workload': self.workload.name, 'peer': self.peer.name, 'kind': self.peer.kind,
               'is_ours': self.peer.is_ours, 'workers': self.workers, 'scale': self.scale,
               'is_reduced': self.is_reduced, 'unit': self.workload.unit, 'runs': self.runs,
               'failed_runs': self.failed_runs, 'failure': self.failure,
               'disturbed': sum(run['is_disturbed'] for run in self.runs)}
        if self.runs:
            row.update(summarise(self.runs))
        return row


def capabilities(command):
    """{workload: (most workers or None, largest scale)} of a program; raises OSError or ValueError."""
    done = subprocess.run([*command, '--list'], capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise ValueError(f'--list ended with {done.returncode}')
    able = {}
    for line in done.stdout.splitlines():
        name, *limits = line.split()
        limits = dict(limit.split('=') for limit in limits)
        able[name] = (int(limits['workers']) if 'workers' in limits else None, float(limits.get('scale', 1)))
    return able


def plan(workloads, peers, able, worker_counts, scale):
    """The cells, in the order of the table."""
    cells = []
    for workload in workloads:
        for workers in worker_counts:
            if workload.workers_max and workers > workload.workers_max:
                continue
            for peer in peers:
                workers_max, scale_max = able[peer.name].get(workload.name, (0, 0))
                if scale_max and (workers_max is None or workers <= workers_max):
                    cells.append(Cell(peer, workload, workers, min(scale, scale_max), scale_max < scale))
    return cells


def interleave(cells, runs):
    """A B C A B C: the peers of one part in turns, so that a slow minute of the machine falls on all of them."""
    parts = {}
    for cell in cells:
        parts.setdefault((cell.workload.name, cell.workers), []).append(cell)
    return [(cell, run) for part in parts.values() for run in range(1, runs + 1) for cell in part]


def explain(process, stderr):
    text = (stderr.strip().splitlines() or [''])[-1][:160]
    if process.returncode < 0:
        return f'{signal.Signals(-process.returncode).name} {text}'.strip()
    return f'exit {process.returncode}: {text}'.rstrip(': ')


def run_once(cell, cores, timeout_s):
    """(the program's JSON line with how it went, None) or (None, why not)."""
    command = [*cell.peer.command, cell.workload.name, str(cell.workers), '--scale', f'{cell.scale:g}']
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    watch = machine.Watch(cores)
    started = time.monotonic()
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, start_new_session=True,
                                   preexec_fn=lambda: os.sched_setaffinity(0, cores))
    except OSError as error:
        return None, f'cannot start: {error.strerror}'
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    except BaseException as stopped:   # a timeout, Ctrl-C: either way its whole session goes
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(stopped, subprocess.TimeoutExpired):
            return None, f'timeout after {timeout_s:g} s'
        raise
    elapsed = time.monotonic() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    own_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode != 0:
        return None, explain(process, stderr)
    try:
        run = json.loads(stdout.strip().splitlines()[-1])
        run['value'] = float(run['value'])
    except (ValueError, IndexError, KeyError, TypeError):
        return None, 'no JSON line with a value'
    if run.get('unit') != cell.workload.unit:
        return None, f'unit {run.get("unit")} in place of {cell.workload.unit}'
    run['elapsed_s'] = elapsed
    run.update(watch.judge(own_s, elapsed))
    return run, None


def calmest(once):
    """Again, when others used the cores; the least disturbed run counts."""
    best, failure = once()
    for _ in range(REPETITIONS):
        if failure or not best['is_disturbed']:
            break
        again, failure = once()
        if again and again['foreign_share'] < best['foreign_share']:
            best = again
    return (None, failure) if failure else (best, None)


def run_undisturbed(cell, cores, timeout_s):
    return calmest(lambda: run_once(cell, cores, timeout_s))


def describe(cell, run, runs):
    workers = '1 worker ' if cell.workers == 1 else f'{cell.workers} workers'
    return f'{cell.workload.name:<13}  {cell.peer.name:<13}  {workers}  run {run}/{runs}'


def tell(cell, run, failure):
    if failure:
        return f'failed: {failure}'
    disturbed = f' (others used {100 * run["foreign_share"]:.0f} %)' if run['is_disturbed'] else ''
    return f'{number(run["value"])} {cell.workload.unit}{disturbed}'


def execute(cells, runs, timeout_s, progress):
    """Runs everything; each cell holds its runs afterwards. Ctrl-C ends it early: True if all ran."""
    estimate, schedule = Estimate(), interleave(cells, runs)
    cores = {workers: machine.choose_cores(workers) for workers in {cell.workers for cell in cells}}
    try:
        for position, (cell, run) in enumerate(schedule):
            todo = [later.key for later, _ in schedule[position:] if not later.is_given_up]
            what = describe(cell, run, runs)
            progress.begin(what, duration(estimate.remaining(todo)))
            if cell.is_given_up:
                progress.end(what, 'not again', duration(estimate.remaining(todo)))
                continue
            started = time.monotonic()
            outcome, failure = run_undisturbed(cell, cores[cell.workers], timeout_s)
            estimate.learn(*cell.key, time.monotonic() - started)
            if outcome:
                cell.runs.append(outcome)
            if failure:
                cell.failure = failure
                cell.failed_runs += 1
            progress.end(what, tell(cell, outcome, failure), duration(estimate.remaining(todo[1:])))
    except KeyboardInterrupt:
        return False
    finally:
        progress.close()
    return True
