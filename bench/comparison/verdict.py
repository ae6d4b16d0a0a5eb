"""What the figures of a report say, in words, computed from them: what thrum is better at, and what it loses at."""
from .catalogue import OURS
from .services import CPU, HELD, ONE, P99, SCENARIOS, SERVICES
from .summary import number

BESIDE = 'short', 'long', 'blocked', 'blocked_8', 'blocked_256'   # light requests beside heavy ones
DISTURBED = 0.1
AS_GOOD = 0.05   # closer than this the machine decides who is ahead


def show(metric, value):
    text = number(value * metric.scale)
    return f'{text}{metric.unit}' if metric.unit == '/s' else f'{text} {metric.unit}'


def gain(metric, ours, other):
    """How many times better ours is; below 1 it is worse. A server that did nothing is infinitely worse."""
    better, worse = (other, ours) if metric.is_lower_better else (ours, other)
    if worse == 0:
        return float('inf') if better > 0 else 1.0
    return better / worse


def times(factor):
    if factor == float('inf'):
        return 'infinitely'
    return f'{number(factor)} times' if factor >= 1.5 else f'{100 * (factor - 1):.0f} %'


def standing(metric, rows):
    """(ours, the best other by this metric) as (service, value); None where one is missing."""
    values = {row['service']: row['median'][metric.field] for row in rows if 'median' in row}
    others = {name: value for name, value in values.items() if name not in (OURS, ONE, HELD)}
    if OURS not in values or not others:
        return None
    choose = min if metric.is_lower_better else max
    best = choose(others, key=others.get)
    return (OURS, values[OURS]), (best, others[best])


def sentence(metric, ours, other):
    """(1 better, 0 as good, -1 worse; in words)"""
    factor = gain(metric, ours[1], other[1])
    figures = f'{show(metric, ours[1])} here, {show(metric, other[1])} with {SERVICES[other[0]].title}'
    if abs(factor - 1) <= AS_GOOD:
        return 0, f'{metric.title}: as good as the best other, {figures}'
    if factor > 1:
        return 1, f'{metric.title}: {times(factor)} better than the best other, {figures}'
    return -1, f'{metric.title}: {times(gain(metric, other[1], ours[1]))} worse than the best other, {figures}'


def of_scenario(scenario, rows):
    """[(1, 0 or -1; a sentence)] for each metric of a scenario."""
    found = ((metric, standing(metric, rows)) for metric in scenario.metrics)
    return [sentence(metric, *both) for metric, both in found if both]


def caveat(rows):
    """A line where other programs took so much of the cores that the figures say little; else none."""
    shares = [row['median']['foreign_share'] for row in rows if 'median' in row]
    if shares and max(shares) > DISTURBED:
        yield f'Other programs took up to {100 * max(shares):.0f} % of the cores meanwhile: look again when they rest.'


def rows_of(results, scenario, workers):
    return [row for row in results if row['scenario'] == scenario and row['workers'] == workers]


def in_short(results):
    """The two things that a reader came for, in a line each, where they were measured."""
    beside = list(filter(None, (standing(P99, rows) for rows in by_scenario(results, BESIDE))))
    alone = filter(None, (standing(CPU, rows) for rows in by_scenario(results, ['light'])))
    if beside:
        ours, other = (max(both[who][1] for both in beside) for who in (0, 1))
        yield f'Beside heavy requests 99 of 100 light ones took no longer than {show(P99, ours)} on thrum, ' \
              f'{show(P99, other)} on the best of the others, at worst.'
    for ours, other in alone:
        share = 100 * (ours[1] / other[1] - 1) if other[1] else 0
        word = "more" if share > 0 else "less"
        yield f'Alone, a light request took {abs(share):.0f} % {word} CPU on thrum than on ' \
              f'the best of the others, {SERVICES[other[0]].title}.'


def by_scenario(results, names):
    groups = ([row for row in results if row['scenario'] == name] for name in names)
    return [rows for rows in groups if rows]


def of_report(report):
    """{'better': [...], 'as good': [...], 'worse': [...]}, each a scenario's title and a sentence."""
    words = {1: 'better', 0: 'as good', -1: 'worse'}
    verdict = {word: [] for word in words.values()}
    for name in dict.fromkeys(row['scenario'] for row in report['results']):
        if name not in SCENARIOS:
            continue
        rows = rows_of(report['results'], name, report['settings']['workers'])
        for rank, said in of_scenario(SCENARIOS[name], rows):
            verdict[words[rank]].append((SCENARIOS[name].title, said))
    return verdict
