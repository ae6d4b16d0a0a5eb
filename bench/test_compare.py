#!/usr/bin/env python3
"""Tests of bench/compare: the arithmetic, the table, the plot, and the runner with programs that misbehave."""
import io
import json
import os
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path
from unittest import mock

from comparison import catalogue, machine, plot, progress, runner, summary, table

WORKLOADS = catalogue.WORKLOADS


def result(peer, value, workload='fib', workers=1, **changes):
    row = {'workload': workload, 'peer': peer, 'kind': 'stack', 'is_ours': peer == 'thrum', 'workers': workers,
           'scale': 1.0, 'is_reduced': False, 'unit': WORKLOADS[workload].unit, 'runs': [], 'failed_runs': 0,
           'failure': '', 'disturbed': 0}
    if value is not None:
        row.update(median=value, min=value * 0.9, max=value * 1.1, spread_percent=20.0,
                   fields={'cpu_s': 0.5, 'rss_mb': 3.0})
    return row | changes


def report(results):
    summary.add_ratios(results, WORKLOADS)
    return {'machine': {'cpu': 'A & B', 'cores': 2, 'is_virtual': True, 'memory_gib': 8, 'system': 'Debian',
                        'kernel': '6.1', 'governor': 'unknown', 'commit': 'abc', 'date': '2026-01-31T12:00:00+00:00'},
            'peers': {'go': {'version': 'Go 1.19'}, 'tbb': {'skipped': 'not built'}},
            'settings': {'runs': 5, 'scale': 1.0}, 'results': results}


class Summary(unittest.TestCase):
    def test_median_spread_and_fields(self):
        runs = [{'value': value, 'cpu_s': value / 10, 'peer': 'go', 'is_disturbed': False} for value in (30, 10, 20)]
        summed = summary.summarise(runs)
        self.assertEqual((summed['median'], summed['min'], summed['max']), (20, 10, 30))
        self.assertEqual(summed['spread_percent'], 100)
        self.assertEqual(summed['fields'], {'cpu_s': 2})

    def test_a_field_that_one_run_lacks_is_left_out(self):
        self.assertEqual(summary.summarise([{'value': 1, 'x': 1}, {'value': 1}])['fields'], {})

    def test_spread_of_zero_is_zero(self):
        self.assertEqual(summary.spread_percent([0, 0]), 0)

    def test_ratio_is_to_the_best_peer_and_never_to_ourselves(self):
        rows = [result('thrum', 50), result('go', 200), result('rayon', 100)]
        summary.add_ratios(rows, WORKLOADS)
        self.assertEqual([row['ratio'] for row in rows], [0.5, 2.0, 1.0])

    def test_ratios_keep_worker_counts_apart(self):
        rows = [result('go', 200), result('go', 100, workers=2), result('thrum', 100), result('thrum', 100, workers=2)]
        summary.add_ratios(rows, WORKLOADS)
        self.assertEqual([row['ratio'] for row in rows], [1, 1, 0.5, 1])

    def test_a_smaller_size_is_not_compared_where_the_value_depends_on_it(self):
        rows = [result('asyncio', 1, 'sleep_many', is_reduced=True), result('go', 10, 'sleep_many')]
        summary.add_ratios(rows, WORKLOADS)
        self.assertEqual([row['ratio'] for row in rows], [None, 1])

    def test_no_peer_no_ratio(self):
        rows = [result('thrum', 50), result('go', None, failure='exit 1')]
        summary.add_ratios(rows, WORKLOADS)
        self.assertEqual([row['ratio'] for row in rows], [None, None])

    def test_sections_are_sorted_by_value_with_failures_last(self):
        rows = [result('tbb', None), result('go', 3), result('rayon', 1), result('go', 2, workers=2)]
        summary.add_ratios(rows, WORKLOADS)
        got = [(name, workers, [row['peer'] for row in part]) for name, workers, part in summary.sections(rows)]
        self.assertEqual(got, [('fib', 1, ['rayon', 'go', 'tbb']), ('fib', 2, ['go'])])

    def test_what_cannot_be_compared_does_not_stand_at_the_top(self):
        rows = [result('asyncio', 1, 'sleep_many', is_reduced=True), result('go', 10, 'sleep_many')]
        summary.add_ratios(rows, WORKLOADS)
        (_, _, part), = summary.sections(rows)
        self.assertEqual([row['peer'] for row in part], ['go', 'asyncio'])

    def test_numbers_have_three_digits(self):
        cases = {None: '-', 0: '0', 0.04321: '0.0432', 4.056: '4.06', 57.82: '57.8', 1157.4: '1,157'}
        self.assertEqual({value: summary.number(value) for value in cases}, cases)


class Table(unittest.TestCase):
    def test_rows_align_and_ours_is_marked(self):
        text = table.render(report([result('thrum', 50), result('go', 1234567)]), WORKLOADS)
        rows = [line for line in text.splitlines() if ' stack ' in line]
        self.assertTrue(rows[0].startswith('  >  thrum'))
        self.assertIn('1,234,567', rows[1])
        self.assertEqual(rows[0].index('stack'), rows[1].index('stack'))
        self.assertEqual(rows[0].index('20 %'), rows[1].index('20 %'))

    def test_colour_only_when_asked(self):
        rows = [result('thrum', 50)]
        self.assertNotIn('\033', table.render(report(rows), WORKLOADS))
        self.assertIn('\033[1m', table.render(report(rows), WORKLOADS, is_coloured=True))

    def test_failures_and_skipped_peers_are_shown(self):
        text = table.render(report([result('go', None, failure='exit 1: wrong sum', failed_runs=2)]), WORKLOADS)
        self.assertIn('failed: exit 1: wrong sum', text)
        self.assertIn('tbb  skipped: not built', text)

    def test_notes_explain_size_disturbance_and_some_failed_runs(self):
        row = result('go', 3, is_reduced=True, scale=0.02, disturbed=1, failed_runs=1, failure='SIGSEGV')
        text = table.render(report([row]), WORKLOADS)
        self.assertIn('size x0.02, 1 run disturbed, 1 run failed: SIGSEGV', text)
        self.assertIn('scaled up', text)

    def test_interrupted_is_said(self):
        self.assertIn('INTERRUPTED', table.render(report([result('go', 3)]) | {'is_complete': False}, WORKLOADS))


class Plot(unittest.TestCase):
    def parse(self, results):
        svg = plot.render(report(results), WORKLOADS)
        root = xml.etree.ElementTree.fromstring(svg)
        bars = [(bar.get('fill'), float(bar.get('x')), float(bar.get('width')))
                for bar in root.iter('{http://www.w3.org/2000/svg}rect') if bar.get('rx')]
        texts = [''.join(part.itertext()) for part in root.iter('{http://www.w3.org/2000/svg}text')]
        return bars, texts, float(root.get('width'))

    def test_it_is_xml_with_a_bar_and_a_value_a_row(self):
        bars, texts, width = self.parse([result('thrum', 50), result('go', 5000), result('go', 70, workers=2)])
        self.assertEqual([fill for fill, _, _ in bars], [plot.ACCENT, plot.GREY, plot.GREY])
        self.assertIn('50.0', texts)
        self.assertIn('5,000', texts)
        self.assertTrue(all(0 < bar and x + bar < width for _, x, bar in bars))

    def test_the_axis_is_logarithmic_and_shared_by_the_columns(self):
        bars, _, _ = self.parse([result('a', 10), result('b', 100), result('c', 1000), result('a', 100, workers=2)])
        widths = [bar for _, _, bar in bars]
        self.assertAlmostEqual(widths[1] - widths[0], widths[2] - widths[1], places=0)
        self.assertAlmostEqual(widths[1], widths[3], places=0)

    def test_failures_have_a_row_without_a_bar(self):
        bars, texts, _ = self.parse([result('go', None, failure='timeout <60 s>')])
        self.assertEqual(bars, [])
        self.assertIn('failed: timeout <60 s>', texts)

    def test_a_value_of_zero_breaks_nothing(self):
        self.parse([result('go', 0), result('tbb', 5)])


class Progress(unittest.TestCase):
    def test_plain_lines_without_a_terminal(self):
        out = io.StringIO()
        said = progress.Progress(140, out)
        said.begin('skynet', '3 min')
        said.end('skynet  go  2 workers  run 2/5', '774 ms', '3 min')
        said.close()
        self.assertEqual(out.getvalue(), '[  1/140] skynet  go  2 workers  run 2/5  774 ms            eta 3 min\n')

    def test_a_bar_on_a_terminal(self):
        out = io.StringIO()
        out.isatty = lambda: True
        progress.Progress(2, out).begin('fib', '3 min')
        self.assertIn('[........................] 0/2  fib  eta 3 min', out.getvalue())
        self.assertEqual(progress.bar(1, 2, 4), '##..')

    def test_estimate_prefers_the_nearest_experience(self):
        estimate = progress.Estimate()
        estimate.learn('fib', 'go', 1, 4)
        estimate.learn('fib', 'tbb', 1, 2)
        self.assertEqual(estimate.expect('fib', 'go', 1), 4)
        self.assertEqual(estimate.expect('fib', 'rayon', 1), 3)
        self.assertEqual(estimate.remaining([('fib', 'go', 1), ('skynet', 'go', 1)]), 7)


class Runner(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def peer(self, script, name='fake'):
        path = Path(self.folder.name) / name
        path.write_text(f'#!/bin/sh\n{script}\n')
        path.chmod(0o755)
        return catalogue.Peer(name, 'stack', path)

    def cell(self, script, **changes):
        return runner.Cell(self.peer(script, **changes), WORKLOADS['fib'], 1, 0.5)

    def run_once(self, script, timeout_s=20):
        return runner.run_once(self.cell(script), machine.choose_cores(1), timeout_s)

    def test_a_run_is_parsed_and_told_what_to_do(self):
        run, failure = self.run_once('echo noise; echo "{\\"value\\": 4, \\"unit\\": \\"ms\\", \\"args\\": \\"$*\\"}"')
        self.assertIsNone(failure)
        self.assertEqual((run['value'], run['args']), (4, 'fib 1 --scale 0.5'))
        self.assertIn('is_disturbed', run)

    def test_a_run_is_pinned(self):
        run, _ = self.run_once('n=$(nproc); echo "{\\"value\\": $n, \\"unit\\": \\"ms\\"}"')
        self.assertEqual(run['value'], 1)

    def test_failures_have_reasons(self):
        self.assertEqual(self.run_once('echo first >&2; echo wrong sum >&2; exit 3')[1], 'exit 3: wrong sum')
        self.assertEqual(self.run_once('kill -SEGV $$')[1], 'SIGSEGV')
        self.assertEqual(self.run_once('echo hello')[1], 'no JSON line with a value')
        self.assertEqual(self.run_once('echo "{\\"value\\": 1, \\"unit\\": \\"s\\"}"')[1], 'unit s in place of ms')
        self.assertEqual(self.run_once('sleep 60 & wait', timeout_s=0.2)[1], 'timeout after 0.2 s')
        missing = runner.Cell(catalogue.Peer('gone', 'stack', Path('/nonexistent')), WORKLOADS['fib'], 1, 1)
        self.assertEqual(runner.run_once(missing, [0], 1)[1], 'cannot start: No such file or directory')

    def test_a_disturbed_run_is_repeated_and_the_calmest_counts(self):
        shares = iter([0.4, 0.1, 0.3])
        outcomes = lambda *_: ({'foreign_share': next(shares), 'is_disturbed': True}, None)  # noqa: E731
        run, failure = runner.calmest(outcomes)
        self.assertEqual((run['foreign_share'], failure), (0.1, None))

    def test_turns(self):
        a, b = self.cell(':', name='a'), self.cell(':', name='b')
        turns = [(cell.peer.name, run) for cell, run in runner.interleave([a, b], 2)]
        self.assertEqual(turns, [('a', 1), ('b', 1), ('a', 2), ('b', 2)])

    def test_plan_keeps_to_what_a_program_can(self):
        peers = [self.peer(':', 'a'), self.peer(':', 'b')]
        able = {'a': {'fib': (1, 0.02)}, 'b': {'fib': (None, 1.0), 'switch': (None, 1.0)}}
        cells = runner.plan([WORKLOADS['fib'], WORKLOADS['switch']], peers, able, [1, 2], 1.0)
        self.assertEqual([(cell.key, cell.scale, cell.is_reduced) for cell in cells],
                         [(('fib', 'a', 1), 0.02, True), (('fib', 'b', 1), 1.0, False), (('fib', 'b', 2), 1.0, False),
                          (('switch', 'b', 1), 1.0, False)])

    def test_capabilities_are_read(self):
        peer = self.peer('echo switch; echo fib workers=1 scale=0.02')
        self.assertEqual(runner.capabilities(peer.command), {'switch': (None, 1.0), 'fib': (1, 0.02)})

    def test_everything_runs_and_what_fails_twice_is_given_up(self):
        good = self.cell('echo "{\\"value\\": 2, \\"unit\\": \\"ms\\"}"', name='good')
        bad = self.cell(f'echo x >> {self.folder.name}/count; exit 1', name='bad')
        out = io.StringIO()
        self.assertTrue(runner.execute([good, bad], 4, 20, progress.Progress(8, out)))
        self.assertEqual(good.result()['median'], 2)
        self.assertNotIn('median', bad.result())
        self.assertEqual(bad.result()['failure'], 'exit 1')
        self.assertEqual((Path(self.folder.name) / 'count').read_text(), 'x\nx\n')
        self.assertEqual(out.getvalue().count('\n'), 8)
        json.dumps([good.result(), bad.result()])

    def test_an_interrupt_keeps_what_ran(self):
        cell = self.cell('echo "{\\"value\\": 2, \\"unit\\": \\"ms\\"}"')
        real = runner.run_once
        calls = iter([real])
        with mock.patch.object(runner, 'run_undisturbed', side_effect=lambda *a: next(calls, interrupt)(*a)):
            self.assertFalse(runner.execute([cell], 3, 20, progress.Progress(3, io.StringIO())))
        self.assertEqual(len(cell.runs), 1)


def interrupt(*_):
    raise KeyboardInterrupt


class Machine(unittest.TestCase):
    def test_cores_are_ours_and_as_many_as_asked(self):
        allowed = os.sched_getaffinity(0)
        self.assertEqual(len(machine.choose_cores(1)), 1)
        self.assertLessEqual(set(machine.choose_cores(len(allowed))), allowed)

    def test_foreign_time_is_what_was_busy_and_not_ours(self):
        watch = machine.Watch([0])
        with mock.patch.object(watch, 'busy_s', return_value=watch.before + 3):
            self.assertAlmostEqual(watch.foreign_s(1), 2)
            self.assertEqual(watch.foreign_s(5), 0)

    def test_facts_are_complete(self):
        facts = machine.facts(catalogue.ROOT)
        self.assertTrue(all(facts[name] for name in ('cpu', 'cores', 'kernel', 'date')))


class Peers(unittest.TestCase):
    def test_every_peer_has_a_recipe(self):
        build = (catalogue.PEERS_SOURCE / 'build').read_text()
        for peer in catalogue.PEERS.values():
            self.assertIn(f"'{peer.recipe}': Recipe(", build)


if __name__ == '__main__':
    unittest.main()
