"""The results as an SVG: a panel a workload, a column a worker count, horizontal bars on a logarithmic axis."""
import math
from html import escape

from .summary import number, sections
from .table import plural

WIDTH, MARGIN = 980, 28
ROW, BAR = 20, 13
LABEL, VALUE = 108, 92        # left of the axis for names, right of its end for the value of the longest bar
ACCENT, GREY, INK, FAINT, GRID, RED = '#d9480f', '#a9b4c0', '#1f2933', '#7b8794', '#e4e9ee', '#b42318'
PAPER = '#ffffff'
DARK = {INK: '#e6edf3', FAINT: '#98a4b0', GRID: '#2c353e', RED: '#ff7b72', PAPER: '#11161c'}
STYLE = f'''text {{ font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: {INK} }}
.title {{ font-size: 20px; font-weight: 600 }} .panel {{ font-size: 14px; font-weight: 600 }}
.faint {{ fill: {FAINT} }} .small {{ font-size: 10px }} .failed {{ fill: {RED} }} .ours {{ font-weight: 700 }}
@media (prefers-color-scheme: dark) {{ text {{ fill: {DARK[INK]} }} .faint {{ fill: {DARK[FAINT]} }}
.failed {{ fill: {DARK[RED]} }} .paper {{ fill: {DARK[PAPER]} }}
[stroke="{GRID}"] {{ stroke: {DARK[GRID]} }} [stroke="{INK}"] {{ stroke: {DARK[INK]} }} }}'''


def text(x, y, content, classes='', anchor='start'):
    attributes = f' class="{classes}"' if classes else ''
    attributes += f' text-anchor="{anchor}"' if anchor != 'start' else ''
    return f'<text x="{x:.1f}" y="{y:.1f}"{attributes}>{escape(str(content))}</text>'


def line(x1, y1, x2, y2, colour, width=1):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" stroke-width="{width}"/>'


def sheet(width, height, parts):
    """A picture on paper of its own: readable on a light page and on a dark one."""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">\n<style>{STYLE}</style>\n'
            f'<rect class="paper" width="{width}" height="{height}" fill="{PAPER}"/>\n'
            + '\n'.join(parts) + '\n</svg>\n')


def rectangle(x, y, width, height, colour):
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" fill="{colour}"/>'


class Axis:
    """From a power of ten well below the smallest value to the largest, so that no bar vanishes."""

    def __init__(self, values, left, width):
        low, high = (min(values), max(values)) if values else (1, 10)
        self.low = math.floor(math.log10(low) - 0.3)
        self.high = max(math.log10(high), self.low + 1)
        self.left, self.width = left, width

    def at(self, value):
        return self.left + self.width * (math.log10(value) - self.low) / (self.high - self.low)

    def decades(self):
        return [10.0 ** power for power in range(self.low, math.floor(self.high + 1e-9) + 1)]


def bar_parts(result, axis, y):
    """One row: the name, the bar, a whisker from the smallest to the largest run, the value."""
    is_ours, middle = result['is_ours'], y + ROW / 2
    classes = 'ours' if is_ours else ''
    yield text(axis.left - 8, middle + 4, result['peer'], classes, 'end')
    if not result.get('median', 0) > 0:
        yield text(axis.left + 6, middle + 4, f'failed: {result["failure"]}'[:44], 'failed')
        return
    end = axis.at(result['median'])
    yield rectangle(axis.left, y + (ROW - BAR) / 2, end - axis.left, BAR, ACCENT if is_ours else GREY)
    if result['max'] > result['min'] > 0:
        yield line(max(axis.at(result['min']), axis.left), middle, axis.at(result['max']), middle, INK)
    mark = '*' if result['is_reduced'] else ''
    whisker_end = max(end, axis.at(result['max']))
    yield text(whisker_end + 6, middle + 4, number(result['median']) + mark, classes)


def column_parts(workers, results, axis, y):
    yield text(axis.left, y + 12, plural(workers, 'worker'), 'faint')
    top, bottom = y + 20, y + 20 + ROW * len(results)
    for decade in axis.decades():
        yield line(axis.at(decade), top, axis.at(decade), bottom + 4, GRID)
        yield text(axis.at(decade), bottom + 16, f'{decade:,.6g}', 'faint small', 'middle')
    for i, result in enumerate(results):
        yield from bar_parts(result, axis, top + ROW * i)


def panel_parts(workload, columns, y):
    """A workload. All columns share the range of the axis, so that their bars compare."""
    width = (WIDTH - 2 * MARGIN) / max(2, len(columns))
    values = [value for _, results in columns for r in results if r.get('median', 0) > 0
              for value in (r['median'], r['max'], r['min']) if value > 0]
    yield (f'<text x="{MARGIN}" y="{y + 14}"><tspan class="panel">{escape(workload.name)}</tspan>'
           f'<tspan class="faint" dx="10">{escape(workload.title)}</tspan></text>')
    yield text(WIDTH - MARGIN, y + 14, workload.unit, 'faint', 'end')
    for i, (workers, results) in enumerate(columns):
        axis = Axis(values, MARGIN + width * i + LABEL, width - LABEL - VALUE)
        yield from column_parts(workers, results, axis, y + 24)


def panel_height(columns):
    return 24 + 20 + ROW * max(len(results) for _, results in columns) + 44


def render(report, workloads):
    panels = {}
    for name, workers, results in sections(report['results']):
        panels.setdefault(name, []).append((workers, results))
    machine, settings = report['machine'], report['settings']
    size = '' if settings['scale'] == 1 else f' at {settings["scale"]:g} of the full size'
    parts = [text(MARGIN, 42, 'thrum beside its peers', 'title'),
             text(MARGIN, 62, f'{machine["cpu"]}, {plural(machine["cores"], "core")}, Linux {machine["kernel"]}, '
                              f'{machine["date"][:10]}, commit {machine["commit"] or "unknown"}', 'faint'),
             text(MARGIN, 79, f'Median of {plural(settings["runs"], "run")}{size}, logarithmic, shorter is better; the '
                              'thin line spans all runs. * at a smaller size, scaled up', 'faint')]
    y = 104
    for name, columns in panels.items():
        parts.append(line(MARGIN, y - 8, WIDTH - MARGIN, y - 8, GRID))
        parts += panel_parts(workloads[name], columns, y)
        y += panel_height(columns)
    return sheet(WIDTH, y, parts)
