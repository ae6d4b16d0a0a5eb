"""The side-by-side table that changes while servers are loaded: redrawn in place on a terminal, else a line a run."""
import sys

from .services import SERVICES
from .summary import number

HEADINGS = ('light/s', 'p50 ms', 'p99 ms', 'heavy/s')


def figures(said):
    return [number(said['light_per_s']), *(number(said[field] / 1000) if said[field] else '-'
                                           for field in ('p50_us', 'p99_us')), number(said['heavy_per_s'])]


class Board:
    def __init__(self, names, out=sys.stdout):
        self.names, self.out = names, out
        self.is_terminal = out.isatty()
        self.width = max(len(SERVICES[name].title) for name in names)
        self.rows, self.is_drawn = {}, False

    def line(self, first, row, note=''):
        return f'  {first:<{self.width}}' + ''.join(f'{cell:>11}' for cell in row) + (f'  {note}' if note else '')

    def begin(self, title):
        self.rows, self.is_drawn = {name: (['-'] * len(HEADINGS), '') for name in self.names}, False
        self.out.write(f'\n{title}\n{self.line("", HEADINGS)}\n')
        self.draw()

    def draw(self):
        if not self.is_terminal:
            return
        if self.is_drawn:
            self.out.write(f'\033[{len(self.names)}A')
        for name in self.names:
            self.out.write(f'\033[K{self.line(SERVICES[name].title, *self.rows[name])}\n')
        self.out.flush()
        self.is_drawn = True

    def show(self, name, said):
        """What the load says meanwhile."""
        self.rows[name] = figures(said), '<- now'
        self.draw()

    def settle(self, name, run, failure):
        """What it was in the end; `served` says what was asked for and never answered."""
        note = failure or (f'{run["served_percent"]:.0f} % of what was due' if run['served_percent'] < 99.5 else '')
        self.rows[name] = figures(run) if run else ['-'] * len(HEADINGS), note
        self.draw()
        if not self.is_terminal:
            self.out.write(self.line(SERVICES[name].title, *self.rows[name]) + '\n')
            self.out.flush()
