"""What bench/serve found: as text, and as one page of HTML that holds its plots."""
from html import escape

from . import curves, verdict
from .catalogue import OURS
from .services import SCENARIOS, SERVICES
from .summary import number
from .table import machine_lines, plural

HEADINGS = ('', 'server', 'light/s', 'served', 'p50 ms', 'p99 ms', 'p99.9 ms', 'max ms', 'heavy/s', 'CPU us/light',
            'spread', 'others')
PARTS = ('better', 'as good', 'worse')
PART_TITLES = {'better': 'Where thrum is better', 'as good': 'Where it is as good as the best other',
               'worse': 'Where it loses'}
STYLE = '''body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; max-width: 1000px; margin: 2em auto;
color: #1f2933; padding: 0 1em } table { border-collapse: collapse; margin: 0.5em 0 1.5em }
td, th { padding: 0.2em 0.7em; text-align: right; border-bottom: 1px solid #e4e9ee }
td:nth-child(-n+2) { text-align: left } .ours { font-weight: 700 } .faint { color: #7b8794 }'''


def milliseconds(median, field):
    return number(median[field] / 1000)


def cells(row):
    """A row of the table, as text."""
    start = ['>' if row['service'] == OURS else '', row['service']]
    if 'median' not in row:
        return [*start, f'failed: {row["failure"]}']
    median = row['median']
    has_light, has_heavy = '--light 0' not in ' '.join(row['load']), '--heavy' in row['load']
    light = [number(median['light_per_s']), f'{median["served_percent"]:.0f} %',
             *(milliseconds(median, field) for field in ('p50_us', 'p99_us', 'p999_us', 'max_us'))]
    return [*start, *(light if has_light else ['-'] * 6),
            number(median['heavy_per_s']) if has_heavy else '-',
            '-' if has_heavy else number(median['cpu_us_per_light']),
            f'{row["spread_percent"]:.0f} %', f'{100 * median["foreign_share"]:.0f} %']


def text_table(rows):
    lines = [list(HEADINGS), *(cells(row) for row in rows)]
    full = [line for line in lines if len(line) == len(HEADINGS)]
    widths = [max(len(line[i]) for line in full) for i in range(len(HEADINGS))]
    widths[1] = max(len(line[1]) for line in lines)
    for line in lines:
        yield '  '.join(cell.ljust(width) if i < 2 or len(line) < len(HEADINGS) else cell.rjust(width)
                        for i, (cell, width) in enumerate(zip(line, widths))).rstrip()


def order(rows, scenario):
    metric = scenario.metrics[0]
    sign = 1 if metric.is_lower_better else -1
    return sorted(rows, key=lambda row: ('median' not in row, sign * row.get('median', {}).get(metric.field, 0)))


def sections(report):
    """[(scenario, workers, rows)] in the order of the runs; without the points of curves."""
    keys = dict.fromkeys((row['scenario'], row['workers']) for row in report['results'])
    return [(SCENARIOS[name], workers, order(verdict.rows_of(report['results'], name, workers), SCENARIOS[name]))
            for name, workers in keys if name in SCENARIOS]


def conditions(report):
    settings = report['settings']
    yield f'{plural(settings["runs"], "run")} each of {settings["seconds"]:g} s, in turns; medians; command: ' + \
        settings['command']
    yield '"spread": of the first figure that is compared, from the smallest run to the largest, in percent; "others":'
    yield 'what other programs took of the cores meanwhile.'
    if settings['shares_cores']:
        yield 'The load shares the cores with the server: each request costs both. Take the ratios.'


def verdict_lines(report):
    found = verdict.of_report(report)
    yield from verdict.caveat(report['results'])
    for part in PARTS:
        if found[part]:
            yield f'{PART_TITLES[part]}:'
            last = None
            for title, said in found[part]:
                if title != last:
                    yield f'  {title}'
                yield f'    {said}'
                last = title


def render_text(report):
    lines = [*machine_lines(report['machine']), '', *conditions(report), '']
    for scenario, workers, rows in sections(report):
        lines += [f'{scenario.name}, {plural(workers, "core")}: {scenario.title}',
                  *(f'  {line}' for line in text_table(rows)), '']
    return '\n'.join([*lines, *verdict_lines(report)]) + '\n'


# ---- Plots ----

WITH_LATENCY = 'light', 'short', 'long', 'blocked', 'blocked_8', 'blocked_256'
PERCENTILES = [(1, '0'), (10, '90'), (100, '99'), (1000, '99.9'), (10000, '99.99 %')]


def latency_plot(report, name):
    """Each tick is ten times rarer than the one before it."""
    rows = verdict.rows_of(report['results'], name, report['settings']['workers'])
    series = {}
    for row in rows:
        if 'median' in row and row['runs'][0]['quantiles']:
            middle = sorted(row['runs'], key=lambda run: run['p99_us'])[len(row['runs']) // 2]
            series[row['service']] = [(1 / (1 - part), us / 1000) for part, us in middle['quantiles'] if part < 0.99995]
    return curves.render(SCENARIOS[name].title, series, PERCENTILES, 'percent of light requests that took no longer',
                         'latency, ms, logarithmic', x_log=True, y_log=True)


def throughput_plot(report):
    series, points = {}, report['settings']['beside']
    for row in report['results']:
        if row['scenario'].startswith('beside_') and 'median' in row:
            at = points.index(int(row['scenario'].split('_')[1]))
            series.setdefault(row['service'], []).append((at, row['median']['light_per_s']))
    return curves.render('64 light clients, closed loop, beside heavy clients of 10 ms each', series,
                         [(i, str(heavy)) for i, heavy in enumerate(points)], 'heavy clients',
                         'light requests a second, logarithmic', y_log=True)


def scaling_plot(report):
    series = {}
    for row in report['results']:
        if row['scenario'] == 'compute' and 'median' in row and not SERVICES[row['service']].is_single:
            series.setdefault(row['service'], []).append((row['workers'], row['median']['heavy_per_s']))
    workers = sorted({x for points in series.values() for x, _ in points})
    return curves.render('Computing only: heavy requests of 10 ms a second', series, [(n, str(n)) for n in workers],
                         'cores', 'a second')


def plots(report):
    """{file name: SVG} of what was run."""
    names = dict.fromkeys(row['scenario'] for row in report['results'])
    drawn = {f'latency_{name}': latency_plot(report, name) for name in names if name in WITH_LATENCY}
    if report['settings']['beside']:
        drawn['throughput'] = throughput_plot(report)
    if len({row['workers'] for row in report['results'] if row['scenario'] == 'compute'}) > 1:
        drawn['scaling'] = scaling_plot(report)
    return drawn


# ---- HTML ----

def html_table(rows):
    yield '<table><tr>' + ''.join(f'<th>{escape(heading)}</th>' for heading in HEADINGS) + '</tr>'
    for row in rows:
        columns = ''.join(f'<td>{escape(cell)}</td>' for cell in cells(row))
        yield f'<tr class="ours">{columns}</tr>' if row['service'] == OURS else f'<tr>{columns}</tr>'
    yield '</table>'


def html_verdict(report):
    found = verdict.of_report(report)
    yield from (f'<p><b>{escape(said)}</b></p>' for said in verdict.caveat(report['results']))
    for part in PARTS:
        yield f'<h2>{PART_TITLES[part]}</h2><ul>'
        yield from (f'<li>{escape(title)}. {escape(said)}</li>' for title, said in found[part])
        yield '</ul>' if found[part] else '<li>nowhere</li></ul>'


def html_parts(report):
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>thrum: mixed load</title><style>{STYLE}</style>'
    yield '<h1>Light requests beside heavy ones</h1><p class="faint">'
    yield '<br>'.join(escape(line) for line in [*machine_lines(report['machine']), *conditions(report)]) + '</p>'
    yield from html_verdict(report)
    yield '<h2>Plots</h2>'
    yield from plots(report).values()
    yield '<h2>Tables</h2>'
    for scenario, workers, rows in sections(report):
        yield f'<h3>{escape(scenario.title)}, {plural(workers, "core")}</h3>'
        yield from html_table(rows)
    yield '<h2>Servers</h2><ul>'
    yield from (f'<li>{escape(name)}: {escape(SERVICES[name].title)}</li>' for name in report['services'])
    yield '</ul></html>'


def render_html(report):
    return '\n'.join(html_parts(report)) + '\n'
