"""The workloads, the peers, and where their programs lie."""
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS_SOURCE = ROOT / 'bench' / 'peers'
PEERS_BUILD = ROOT / 'build' / 'peers'
OURS = 'thrum'
OURS_PROGRAM = ROOT / 'build' / 'release' / 'bench' / 'thrum_workloads'


@dataclass(frozen=True)
class Workload:
    name: str
    title: str
    unit: str
    columns: tuple = ('cpu_s', 'rss_mb')  # further fields that the table shows
    workers_max: int = 0                  # 0: any number
    scales: bool = True                   # a part of the full size gives the same value


@dataclass(frozen=True)
class Peer:
    name: str
    kind: str          # what a task is: with a stack, a future, a closure that runs to its end, a thread
    program: Path
    flags: tuple = ()
    recipe: str = ''   # the name under which bench/peers/build knows it
    is_ours: bool = False

    @property
    def command(self):
        return [str(self.program), *self.flags]


WORKLOADS = {w.name: w for w in (
    Workload('switch', 'a yield between two tasks', 'ns/op', workers_max=1),
    Workload('spawn_join', 'empty tasks in joined batches of 1,000', 'ns/op'),
    Workload('spawn_join_handles', 'the same, each joined by its handle, oldest first', 'ns/op'),
    Workload('spawn_yield', 'tasks in joined batches of 1,000, each yields once', 'ns/op'),
    Workload('skynet', 'a tree of tasks: 1,000,000 leaves, ten children a node', 'ms'),
    Workload('fib', 'fib(32): spawn one half, call the other, no cut-off', 'ms'),
    Workload('chan_pingpong', 'a round trip over two unbuffered channels', 'ns/op'),
    Workload('chan_mpmc', 'a message from 8 producers to 8 consumers, capacity 128', 'ns/op'),
    Workload('select_ready', 'send to one of 8 channels, and select over all 8', 'ns/op', workers_max=1),
    Workload('timeout_scope', 'a deadline is set around nothing, and ended', 'ns/op', workers_max=1),
    Workload('timeout_pingpong', 'chan_pingpong, each receive under a deadline of its own', 'ns/op'),
    Workload('mutex', '64 tasks, one lock, about 20 ns inside it', 'ns/op'),
    Workload('sleep_many', '1,000,000 tasks sleep 1 to 1,000 ms', 'ms',
             columns=('cpu_s', 'p50_us', 'p99_us', 'rss_mb'), scales=False),
    Workload('idle_mem', 'resident memory of a parked task, of 1,000,000', 'bytes/task', columns=('wake_ms', 'rss_mb')),
    Workload('parallel_sum', '10,000 tasks of unequal work', 'ms'),
)}


def built(name, kind, *flags, program=None, recipe=None):
    return Peer(name, kind, PEERS_BUILD / 'bin' / f'{program or name}_workloads', flags, recipe or name)


PEERS = {p.name: p for p in (
    built('go', 'stack'),
    built('tokio', 'future', recipe='rust'),
    built('tokio_current', 'future', '--current-thread', program='tokio', recipe='rust'),
    built('tokio_flume', 'future', '--flume', program='tokio', recipe='rust'),
    built('rayon', 'closure', recipe='rust'),
    built('boost_fiber', 'stack'),
    built('tbb', 'closure'),
    built('openmp', 'closure'),
    built('pthreads', 'thread'),
    Peer('asyncio', 'future', PEERS_SOURCE / 'asyncio' / 'asyncio_workloads', (), 'asyncio'),
)}


def ours(name=OURS, program=OURS_PROGRAM):
    return Peer(name, 'stack', Path(program), is_ours=True)
