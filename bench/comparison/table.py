"""The results as text."""
from .summary import number, sections

HEADINGS = {'cpu_s': 'CPU s', 'rss_mb': 'RSS MB', 'p50_us': 'p50 us', 'p99_us': 'p99 us', 'wake_ms': 'wake ms'}
BOLD, PLAIN = '\033[1m', '\033[0m'


def plural(count, noun):
    return f'{count} {noun}' if count == 1 else f'{count} {noun}s'


def notes_of(result):
    notes = []
    if result['is_reduced']:
        notes.append(f'size x{result["scale"]:g}')
    if result.get('disturbed'):
        notes.append(f'{plural(result["disturbed"], "run")} disturbed')
    if result.get('failed_runs'):
        notes.append(f'{plural(result["failed_runs"], "run")} failed: {result["failure"]}')
    return ', '.join(notes)


def section_lines(workload, results, is_coloured):
    heads = ['', 'peer', 'task', 'median', 'min', 'max', 'spread', 'ratio',
             *(HEADINGS[name] for name in workload.columns), '']
    rows = [heads]
    for result in results:
        start = ['>' if result['is_ours'] else '', result['peer'], result['kind']]
        if 'median' not in result:
            rows.append([*start, f'failed: {result["failure"]}'])
            continue
        rows.append([*start, number(result['median']), number(result['min']), number(result['max']),
                     f'{result["spread_percent"]:.0f} %', number(result['ratio']),
                     *(number(result['fields'].get(name)) for name in workload.columns), notes_of(result)])
    widths = [max(len(row[i]) for row in rows if len(row) == len(heads)) for i in range(len(heads))]
    widths[1] = max(len(row[1]) for row in rows)
    widths[2] = max(len(row[2]) for row in rows)
    for row in rows:
        cells = [cell.ljust(width) if i < 3 or i == len(heads) - 1 or len(row) < len(heads) else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        line = '  '.join(cells).rstrip()
        yield f'{BOLD}{line}{PLAIN}' if is_coloured and row[0] else line


def machine_lines(machine):
    kind = ', virtual' if machine['is_virtual'] else ''
    yield f'{machine["cpu"]}, {plural(machine["cores"], "core")}{kind}, {machine["memory_gib"]} GiB'
    yield f'{machine["system"]}, Linux {machine["kernel"]}, governor {machine["governor"]}'
    yield f'commit {machine["commit"] or "unknown"}, {machine["date"]}'


def peers_lines(peers):
    width = max((len(name) for name in peers), default=0)
    for name, peer in peers.items():
        yield f'  {name.ljust(width)}  {peer.get("version") or "skipped: " + peer["skipped"]}'


def render(report, workloads, is_coloured=False):
    """The whole table. `report` is what results.json holds."""
    lines = [*machine_lines(report['machine']), '']
    settings = report['settings']
    size = '' if settings['scale'] == 1 else f' at {settings["scale"]:g} of the full size'
    lines += [f'{plural(settings["runs"], "run")} each{size}, in turns; smaller is better; ratio: to the best peer', '']
    if not report.get('is_complete', True):
        lines += ['INTERRUPTED: not all runs were made.', '']
    for name, workers, results in sections(report['results']):
        workload = workloads[name]
        lines.append(f'{name}, {plural(workers, "worker")}: {workload.title} [{workload.unit}]')
        lines += [f'  {line}' for line in section_lines(workload, results, is_coloured)]
        lines.append('')
    lines += ['Peers', *peers_lines(report['peers'])]
    results = report['results']
    if any(result['is_reduced'] for result in results):
        lines += ['', '"size x0.1": run at that part of the full size; ms and ns are scaled up to it, not so the other '
                      'columns.']
    if any(result.get('disturbed') for result in results):
        lines += ['', '"disturbed": something else used more than 5 % of the cores meanwhile, in the repetitions too.']
    return '\n'.join(lines) + '\n'
