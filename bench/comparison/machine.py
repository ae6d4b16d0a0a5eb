"""This machine: facts for the record, the cores to run on, and who else keeps them busy."""
import datetime
import os
import platform
import subprocess
from pathlib import Path

COMPILERS = ['gcc', '--version'], ['g++', '--version'], ['/usr/bin/rustc', '--version'], ['go', 'version']
TICK_S = 1 / os.sysconf('SC_CLK_TCK')
DISTURBED_SHARE = 0.05   # of the cores' time went to others
DISTURBED_S = 0.03       # /proc/stat counts in steps of 0.01 s: less says nothing


def read(path, default=''):
    try:
        return Path(path).read_text().strip()
    except OSError:
        return default


def first_line(*command, cwd=None):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=cwd)
    except (OSError, subprocess.TimeoutExpired):
        return ''
    return (done.stdout.splitlines() or [''])[0] if done.returncode == 0 else ''


def facts(root):
    cpu = {}
    for line in read('/proc/cpuinfo').splitlines():
        key, _, value = line.partition(':')
        cpu.setdefault(key.strip(), value.strip())
    total_kb = next((int(line.split()[1]) for line in read('/proc/meminfo').splitlines()
                     if line.startswith('MemTotal')), 0)
    commit = first_line('git', 'rev-parse', '--short=12', 'HEAD', cwd=root)
    is_dirty = bool(first_line('git', 'status', '--porcelain', cwd=root))
    return {
        'date': datetime.datetime.now().astimezone().isoformat(timespec='seconds'),
        'cpu': cpu.get('model name') or platform.machine(),
        'cores': len(os.sched_getaffinity(0)),
        'is_virtual': 'hypervisor' in cpu.get('flags', '').split(),
        'memory_gib': round(total_kb / 1048576, 1),
        'kernel': platform.release(),
        'system': next((line.partition('=')[2].strip('"') for line in read('/etc/os-release').splitlines()
                        if line.startswith('PRETTY_NAME=')), platform.system()),
        'governor': read('/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor', 'unknown'),
        'huge_pages': read('/sys/kernel/mm/transparent_hugepage/enabled', 'unknown'),
        'max_map_count': read('/proc/sys/vm/max_map_count', 'unknown'),
        'compilers': [line for line in (first_line(*command) for command in COMPILERS) if line],
        'commit': commit + ('-dirty' if commit and is_dirty else ''),
        'load_before': os.getloadavg()[0],
    }


def choose_cores(count):
    """`count` of the cores we may use, the last ones first (interrupts prefer the first), no two of one physical core
    as long as there are others."""
    allowed = sorted(os.sched_getaffinity(0), reverse=True)
    siblings = {core: read(f'/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list', str(core))
                for core in allowed}
    first_of_each = []
    for core in allowed:
        if all(siblings[core] != siblings[other] for other in first_of_each):
            first_of_each.append(core)
    ordered = first_of_each + [core for core in allowed if core not in first_of_each]
    return sorted(ordered[:count])


class Watch:
    """How much of the given cores went to others since its making."""

    def __init__(self, cores):
        self.cores = cores
        self.before = self.busy_s()

    def busy_s(self):
        """User, nice, system, interrupts and what the hypervisor took; not idle, not waiting for disks."""
        names = {f'cpu{core}' for core in self.cores}
        ticks = 0
        for line in read('/proc/stat').splitlines():
            name, *values = line.split()
            if name in names:
                user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, values[:8])
                ticks += user + nice + system + irq + softirq + steal
        return ticks * TICK_S

    def foreign_s(self, own_s):
        return max(0.0, self.busy_s() - self.before - own_s)

    def judge(self, own_s, elapsed_s):
        """What a run says of how calm it was."""
        foreign_s = self.foreign_s(own_s)
        share = min(1.0, foreign_s / (elapsed_s * len(self.cores)))
        return {'foreign_share': share, 'is_disturbed': foreign_s > DISTURBED_S and share > DISTURBED_SHARE}
