"""From runs to what a reader wants to know. Pure functions over plain data."""
import statistics


def spread_percent(values):
    """From the smallest to the largest, in percent of the median."""
    middle = statistics.median(values)
    return 100 * (max(values) - min(values)) / middle if middle else 0.0


def summarise(runs):
    """Median, min, max and spread of the value, medians of all other numbers. `runs` are a program's JSON lines."""
    values = [run['value'] for run in runs]
    fields = {}
    for name in runs[0]:
        if name not in ('value', 'workers', 'scale') and all(is_number(run.get(name)) for run in runs):
            fields[name] = statistics.median(run[name] for run in runs)
    return {'median': statistics.median(values), 'min': min(values), 'max': max(values),
            'spread_percent': spread_percent(values), 'fields': fields}


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_comparable(result, workload):
    """A part of a workload stands for the whole only where the workload says so."""
    return 'median' in result and (workload.scales or not result['is_reduced'])


def add_ratios(results, workloads):
    """To each result its ratio to the best peer of the same workload and workers: ours are not peers, so a ratio
    below 1 is a win. Results that cannot be compared get None."""
    best = {}
    for result in results:
        if is_comparable(result, workloads[result['workload']]) and not result['is_ours']:
            key = result['workload'], result['workers']
            best[key] = min(best.get(key, result['median']), result['median'])
    for result in results:
        base = best.get((result['workload'], result['workers']))
        comparable = is_comparable(result, workloads[result['workload']])
        result['ratio'] = result['median'] / base if comparable and base else None


def sections(results):
    """[(workload, workers, results)], each part sorted: by value, then what cannot be compared, failures last."""
    keys = list(dict.fromkeys((result['workload'], result['workers']) for result in results))
    order = list(dict.fromkeys(result['workload'] for result in results))
    keys.sort(key=lambda key: (order.index(key[0]), key[1]))
    return [(workload, workers,
             sorted((r for r in results if (r['workload'], r['workers']) == (workload, workers)),
                    key=lambda r: ('median' not in r, r['is_reduced'] and r['ratio'] is None, r.get('median', 0))))
            for workload, workers in keys]


def number(value):
    """Three significant digits, thousands as commas: 0.043, 4.06, 57.8, 1,157."""
    if value is None:
        return '-'
    if value == 0:
        return '0'
    magnitude = abs(value)
    if magnitude >= 100:
        return f'{value:,.0f}'
    if magnitude >= 10:
        return f'{value:.1f}'
    if magnitude >= 1:
        return f'{value:.2f}'
    return f'{value:.3g}'
