"""What bench/compare says while it runs: a line for each run, and on a terminal a bar below them."""
import sys


def duration(seconds):
    if seconds < 90:
        return f'{seconds:.0f} s'
    if seconds < 90 * 60:
        return f'{seconds / 60:.0f} min'
    return f'{seconds / 3600:.1f} h'


def bar(done, total, width=24):
    filled = width * done // total if total else width
    return '#' * filled + '.' * (width - filled)


class Estimate:
    """Seconds that remain: a run takes as long as its like did, else as long as its workload's, else as any did."""

    def __init__(self):
        self.taken = {}

    def learn(self, workload, peer, workers, seconds):
        for key in (workload, peer, workers), workload, None:
            self.taken.setdefault(key, []).append(seconds)

    def expect(self, workload, peer, workers):
        for key in (workload, peer, workers), workload, None:
            if key in self.taken:
                return sum(self.taken[key]) / len(self.taken[key])
        return 1.0

    def remaining(self, todo):
        return sum(self.expect(*key) for key in todo)


class Progress:
    def __init__(self, total, out=sys.stdout):
        self.total = total
        self.done = 0
        self.out = out
        self.is_terminal = out.isatty()

    def say(self, text):
        """A line that stays."""
        self.out.write(f'\r\033[K{text}\n' if self.is_terminal else f'{text}\n')
        self.out.flush()

    def begin(self, what, eta):
        if self.is_terminal:
            self.out.write(f'\r\033[K[{bar(self.done, self.total)}] {self.done}/{self.total}  {what}  eta {eta}')
            self.out.flush()

    def end(self, what, result, eta):
        self.done += 1
        width = len(str(self.total))
        self.say(f'[{self.done:{width}}/{self.total}] {what}  {result:<16}  eta {eta}')

    def close(self):
        if self.is_terminal:
            self.out.write('\r\033[K')
            self.out.flush()
