"""The service of bench/service/service.h: who serves it, how it is loaded, and one run of one server under one load."""
import json
import math
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, replace
from pathlib import Path

from . import machine
from .catalogue import OURS, PEERS_BUILD, PEERS_SOURCE, ROOT
from .runner import explain

BUILT = ROOT / 'build' / 'release'
BENCH, SAMPLES, PEERS_BIN = BUILT / 'bench', BUILT / 'samples', PEERS_BUILD / 'bin'
ASYNCIO = PEERS_SOURCE / 'asyncio' / 'asyncio_service'
LOAD = BENCH / 'service_load'
WRK_REPORT = ROOT / 'bench' / 'service' / 'wrk_report.lua'
HELD = 'thrum_held'     # ours, without what makes it ours: no peer
ONE = 'thrum_1'         # ours on one core, to stand beside the single loops: no peer either


@dataclass(frozen=True)
class Service:
    name: str
    title: str
    command: tuple = ()     # {port} and {workers} are filled in
    echo: tuple = ()        # the same as an echo server
    file: tuple = ()        # the same as a server of one file, {path}
    recipe: str = ''        # for bench/peers/build
    is_single: bool = False  # one loop on one core, whatever is asked for
    needs: str = ''         # a Python module
    tool: str = ''          # a command
    ends_on: int = signal.SIGKILL   # with the processes that it has started


@dataclass(frozen=True)
class Metric:
    field: str
    title: str
    unit: str
    is_lower_better: bool = True
    scale: float = 1


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    load: tuple
    metrics: tuple          # what is compared, the principal one first
    asks: str = 'command'   # which of a service's servers
    tool: str = ''          # another load generator than ours


SERVICES = {s.name: s for s in (
    Service(OURS, 'thrum, naive handlers', (SAMPLES / 'mixed_http', '127.0.0.1:{port}', '{workers}'),
            (BENCH / 'echo_thrum', '127.0.0.1:{port}', '{workers}'),
            (BENCH / 'file_thrum', '127.0.0.1:{port}', '{workers}', '{path}')),
    Service(ONE, 'thrum on one core', (SAMPLES / 'mixed_http', '127.0.0.1:{port}', '1'),
            (BENCH / 'echo_thrum', '127.0.0.1:{port}', '1'),
            (BENCH / 'file_thrum', '127.0.0.1:{port}', '1', '{path}'), is_single=True),
    Service(HELD, 'thrum, stuck workers left alone',
            (Path('/usr/bin/env'), 'THRUM_SLICE_US=0', SAMPLES / 'mixed_http', '127.0.0.1:{port}', '{workers}')),
    Service('epoll', 'an epoll loop by hand', (BENCH / 'service_epoll', '{port}'), (BENCH / 'echo_epoll', '{port}'),
            is_single=True),
    Service('epoll_cores', 'an epoll loop by hand on each core',
            (BENCH / 'service_epoll', '{port}', '{workers}'), (BENCH / 'echo_epoll', '{port}', '{workers}')),
    Service('asyncio', 'asyncio', (ASYNCIO, '{port}'), (ASYNCIO, '--echo', '{port}'), 'asyncio', is_single=True),
    Service('asyncio_threads', 'asyncio, heavy ones by to_thread', (ASYNCIO, '--to-thread', '{port}'),
            recipe='asyncio', is_single=True),
    Service('uvloop', 'asyncio on uvloop', (ASYNCIO, '--uvloop', '{port}'), (ASYNCIO, '--uvloop', '--echo', '{port}'),
            'asyncio', is_single=True, needs='uvloop'),
    Service('asyncio_streams', 'asyncio, by streams', echo=(ASYNCIO, '--streams', '{port}'), recipe='asyncio',
            is_single=True),
    Service('gevent', 'gevent', echo=(PEERS_SOURCE / 'gevent' / 'gevent_echo', '{port}'), is_single=True,
            needs='gevent'),
    Service('asio', 'Boost.Asio', echo=(PEERS_BIN / 'asio_echo', '{port}', '{workers}'), recipe='asio'),
    Service('libuv', 'libuv', (PEERS_BIN / 'libuv_service', '{port}'),
            (PEERS_BIN / 'libuv_service', '--echo', '{port}'), 'libuv', is_single=True),
    Service('libuv_work', 'libuv, heavy ones by uv_queue_work', (PEERS_BIN / 'libuv_service', '--queue-work', '{port}'),
            recipe='libuv'),
    Service('go', 'Go', (PEERS_BIN / 'go_service', '{port}', '{workers}'),
            (PEERS_BIN / 'go_service', '-echo', '{port}', '{workers}'),
            (PEERS_BIN / 'go_file', '{port}', '{workers}', '{path}'), 'go'),
    Service('erlang', 'Erlang', (PEERS_SOURCE / 'erlang' / 'erlang_service', '{port}', '{workers}'),
            tool='escript'),
    Service('tokio', 'Tokio, naive handlers', (PEERS_BIN / 'tokio_service', '{port}', '{workers}'),
            (PEERS_BIN / 'tokio_service', '--echo', '{port}', '{workers}'), 'tokio'),
    Service('tokio_blocking', 'Tokio, heavy ones by spawn_blocking',
            (PEERS_BIN / 'tokio_service', '--spawn-blocking', '{port}', '{workers}'), recipe='tokio'),
    Service('threads', 'a thread for each connection', (BENCH / 'service_threads', '{port}'),
            (BENCH / 'service_threads', '--echo', '{port}'), (BENCH / 'file_threads', '{port}', '{path}')),
    Service('nginx', 'nginx', file=(PEERS_SOURCE / 'nginx' / 'nginx_file', '{port}', '{workers}', '{path}'),
            tool='/usr/sbin/nginx', ends_on=signal.SIGTERM),
    Service('nginx_1', 'nginx, one worker', file=(PEERS_SOURCE / 'nginx' / 'nginx_file', '{port}', '1', '{path}'),
            tool='/usr/sbin/nginx', ends_on=signal.SIGTERM, is_single=True),
)}

P50 = Metric('p50_us', 'p50', 'ms', scale=0.001)
P99 = Metric('p99_us', 'p99', 'ms', scale=0.001)
P999 = Metric('p999_us', 'p99.9', 'ms', scale=0.001)
LIGHT = Metric('light_per_s', 'light requests a second', '/s', is_lower_better=False)
HEAVY = Metric('heavy_per_s', 'heavy requests a second', '/s', is_lower_better=False)
CPU = Metric('cpu_us_per_light', 'CPU of the server for a light request', 'us')
ECHO_CPU = replace(CPU, title='CPU of the server for a message')
FILE_CPU = replace(CPU, title='CPU of the server for a file', unit='ms', scale=0.001)
FILES = replace(LIGHT, title='files a second')


def echo(clients):
    return Scenario(f'echo_{clients}', f'{clients:,} clients that send 64 bytes and want them back, again at once',
                    ('--light', str(clients), '--echo', '64'), (ECHO_CPU, LIGHT, P50, P99, P999), asks='echo')


def paced(heavy, ms):
    return '--light', '64', '--rate', '2000', '--heavy', str(heavy), '--ms', str(ms)


def blocked(name, heavy):
    return Scenario(name, f'64 light clients that ask again at once beside {heavy} that block a thread for 50 ms each',
                    ('--light', '64', '--heavy', str(heavy), '--ms', '50', '--how', 'block'), (P99, LIGHT, HEAVY))


SCENARIOS = {s.name: s for s in (
    Scenario('light', '64 light clients alone, each asks again at once', ('--light', '64'), (CPU, LIGHT, P99)),
    Scenario('light_wrk', 'the same, asked by wrk', ('--light', '64'), (CPU, LIGHT, P99), tool='wrk'),
    Scenario('short', '2,000 light requests a second beside 2 heavy clients, 10 ms of computing each', paced(2, 10),
             (P99, P50, HEAVY)),
    Scenario('long', '2,000 light requests a second beside 8 heavy clients, 100 ms of computing each', paced(8, 100),
             (P99, P50, HEAVY)),
    blocked('blocked', 64), blocked('blocked_8', 8), blocked('blocked_256', 256),
    Scenario('compute', '8 clients that only want 10 ms of computing each', ('--light', '0', '--heavy', '8'), (HEAVY,)),
    echo(100), echo(1000), echo(10000),
    Scenario('file', '4 clients that ask for a file of 100 MiB, again at once',
             ('--light', '4', '--file', str(100 << 20)), (FILE_CPU, FILES), asks='file'),
)}


def beside(heavy):
    """A point of the curve over heavy clients."""
    return Scenario(f'beside_{heavy}', f'64 light clients that ask again at once beside {heavy} heavy ones of 10 ms',
                    ('--light', '64', '--heavy', str(heavy), '--ms', '10'), (LIGHT, HEAVY))


def serves(service, scenario):
    return bool(getattr(service, scenario.asks))


def is_there(scenario):
    return not scenario.tool or bool(shutil.which(scenario.tool))


def what_is_missing(service):
    """Its name; empty: nothing is."""
    if service.needs:
        probe = subprocess.run(['/usr/bin/python3', '-c', f'import {service.needs}'], capture_output=True)
        if probe.returncode != 0:
            return service.needs
    if service.tool and not shutil.which(service.tool):
        return service.tool
    program = (service.command or service.echo or service.file)[0]
    return '' if program.exists() else program.name


# ---- One run ----

def file_to_send(load):
    """The path of the file that a load asks for. It stays there for the next run, and in memory."""
    size = int(dict(zip(load[::2], load[1::2]))['--file'])
    path = ROOT / 'build' / 'serve' / f'file_{size}'
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
    return path


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def share_cores(workers):
    """(the server's cores, the load's): apart where there are enough, else the load goes where there is room."""
    cores = machine.choose_cores(len(os.sched_getaffinity(0)))
    server = cores[:workers]
    return server, cores[workers:] or cores


def start(command, cores, is_urgent=False, **options):
    def settle():
        os.sched_setaffinity(0, cores)
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if is_urgent:
            try:
                os.setpriority(os.PRIO_PROCESS, 0, -10)
            except PermissionError:
                pass   # on shared cores a late request is then also the load's own lateness
    return subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL, preexec_fn=settle, **options)


def wait_until_it_listens(server, port, patience_s=10):
    until = time.monotonic() + patience_s
    while time.monotonic() < until and server.poll() is None:
        try:
            socket.create_connection(('127.0.0.1', port), 1).close()
            return True
        except OSError:
            time.sleep(0.02)
    return False


def stop(process, signo=signal.SIGKILL):
    if process.poll() is None:
        process.send_signal(signo)
    process.wait()


def load_command(scenario, port, server, timing):
    seconds, warm = timing
    if scenario.tool == 'wrk':   # whole seconds, and no warming up
        return ['wrk', '-t', '1', '-c', scenario.load[1], '-d', f'{math.ceil(seconds)}s', '-s', WRK_REPORT,
                f'http://127.0.0.1:{port}/light']
    return [LOAD, port, f'{seconds:g}', '--warm', f'{warm:g}', '--server', server.pid, *scenario.load]


def cpu_s(process):
    """Of all its threads. Linux makes the clock's number so from the process's."""
    return time.clock_gettime(~process.pid << 3 | 2)


def load(scenario, port, server, cores, timing, tell):
    """What the load generator said last; each of its other lines is told as it comes."""
    before = cpu_s(server)
    process = start(load_command(scenario, port, server, timing), cores, is_urgent=True, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE, text=True)
    try:
        with process:
            for line in filter(lambda line: line.startswith('{'), process.stdout):
                said = json.loads(line)
                if said.get('is_final'):
                    # wrk knows nothing of the server.
                    used_s = said.setdefault('cpu_s', cpu_s(server) - before)
                    said.setdefault('cpu_us_per_light', used_s * 1e6 / max(said['light_per_s'] * said['seconds'], 1))
                    return said, None
                tell(said)
            process.wait()
            return None, explain(process, process.stderr.read())
    except BaseException:   # Ctrl-C
        stop(process)
        raise


def run_once(service, scenario, workers, timing, tell=lambda said: None):
    """(what was measured, None) or (None, why not)."""
    port = free_port()
    server_cores, load_cores = share_cores(1 if service.is_single else workers)
    path = file_to_send(scenario.load) if scenario.asks == 'file' else ''
    command = [str(part).format(port=port, workers=workers, path=path) for part in getattr(service, scenario.asks)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    watch, began = machine.Watch(sorted({*server_cores, *load_cores})), time.monotonic()
    server = start(command, server_cores, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        if not wait_until_it_listens(server, port):
            return None, 'the server does not listen'
        run, failure = load(scenario, port, server, load_cores, timing, tell)
    finally:
        stop(server, service.ends_on)
    if run:
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        own_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        run.update(watch.judge(own_s, time.monotonic() - began))
    return run, failure
