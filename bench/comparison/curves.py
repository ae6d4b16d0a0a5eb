"""Curves as SVG: several series over one pair of axes, each of which is linear or logarithmic."""
import math

from .plot import ACCENT, GRID, line, sheet, text

WIDTH, HEIGHT = 760, 380
LEFT, RIGHT, TOP, BOTTOM = 70, 170, 52, 52
COLOURS = ('#1c7ed6', '#2f9e44', '#7048e8', '#868e96', '#d6336c', '#0c8599', '#e0a100', '#a0724a', '#ae3ec9', '#66a80f',
           '#3bc9db', '#f06595')


class Scale:
    """From values to a stretch of pixels. Ticks are (value, label)."""

    def __init__(self, low, high, begin, end, is_log=False):
        self.map = math.log10 if is_log else float
        self.low, self.span = self.map(low), (self.map(high) - self.map(low)) or 1
        self.begin, self.size = begin, end - begin

    def at(self, value):
        return self.begin + self.size * (self.map(value) - self.low) / self.span


def decades(values):
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return [10.0 ** power for power in range(low, max(high, low + 1) + 1)]


def steps(top):
    """About five round steps from 0 to at least `top`."""
    raw = top / 5 or 1
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw)
    return [step * i for i in range(math.ceil(top / step) + 1)]


def colour_of(names):
    """Ours stands out; the others keep their colours from plot to plot."""
    others = [name for name in names if name != 'thrum']
    return {'thrum': ACCENT, **{name: COLOURS[i % len(COLOURS)] for i, name in enumerate(others)}}


def label_places(ends, lowest, gap=14):
    """Where the series' names stand: beside their ends, but not on one another, nor below the axis."""
    names = sorted(ends, key=ends.get)
    places, nearest, limit = {}, -gap, lowest
    for name in names:
        places[name] = nearest = max(ends[name], nearest + gap)
    for name in reversed(names):
        places[name] = min(places[name], limit)
        limit = places[name] - gap
    return places


def render(title, series, x_ticks, x_title, y_title, x_log=False, y_log=False):
    """`series` is {name: [(x, y), ...]}, `x_ticks` [(x, label)]."""
    values = [y for points in series.values() for _, y in points if y > 0 or not y_log]
    y_ticks = decades(values or [1]) if y_log else steps(max(values or [1]))
    x_scale = Scale(x_ticks[0][0], x_ticks[-1][0], LEFT, WIDTH - RIGHT, x_log)
    y_scale = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP, y_log)
    parts = [text(16, 26, title, 'panel'), text(16, 44, y_title, 'faint'),
             text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x_title, 'faint', 'middle')]
    for x, label in x_ticks:
        parts += [line(x_scale.at(x), TOP, x_scale.at(x), HEIGHT - BOTTOM, GRID),
                  text(x_scale.at(x), HEIGHT - BOTTOM + 18, label, 'faint', 'middle')]
    for y in y_ticks:
        parts += [line(LEFT, y_scale.at(y), WIDTH - RIGHT, y_scale.at(y), GRID),
                  text(LEFT - 8, y_scale.at(y) + 4, f'{y:,.6g}', 'faint', 'end')]
    colours, ends = colour_of(series), {}
    for name, points in series.items():
        kept = [(x_scale.at(x), y_scale.at(y)) for x, y in points if y > 0 or not y_log]
        if kept:
            path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in kept)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colours[name]}" '
                         f'stroke-width="{3.5 if name == "thrum" else 2}" stroke-linejoin="round"/>')
            ends[name] = kept[-1][1]
    for name, y in label_places(ends, HEIGHT - BOTTOM).items():
        parts += [line(WIDTH - RIGHT + 6, y, WIDTH - RIGHT + 20, y, colours[name], 3),
                  text(WIDTH - RIGHT + 26, y + 4, name, 'ours' if name == 'thrum' else '')]
    return sheet(WIDTH, HEIGHT, parts)
