#!/usr/bin/env python3
"""Tests of bench/serve: the verdict, the report, the curves, and a short run of the real thing where it is built."""
import io
import unittest
import xml.etree.ElementTree

from comparison import board, curves, service_report, services, verdict


def measured(**changes):
    run = {'light_per_s': 2000.0, 'served_percent': 100.0, 'p50_us': 100.0, 'p99_us': 1000.0, 'p999_us': 2000.0,
           'max_us': 3000.0, 'heavy_per_s': 17.0, 'cpu_us_per_light': 10.0, 'foreign_share': 0.01,
           'quantiles': [[0.5, 100.0], [0.99, 1000.0], [1, 3000.0]]}
    return {**run, **changes}


def row(service, scenario='long', workers=2, **changes):
    run = measured(**changes)
    median = {name: value for name, value in run.items() if name != 'quantiles'}
    return {'scenario': scenario, 'service': service, 'workers': workers, 'runs': [run], 'failure': '',
            'load': list(services.SCENARIOS[scenario].load), 'median': median, 'spread_percent': 3.0}


def report(results):
    return {'machine': {'cpu': 'A & B', 'cores': 2, 'is_virtual': True, 'memory_gib': 8, 'system': 'Debian',
                        'kernel': '6.1', 'governor': 'unknown', 'commit': 'abc', 'date': '2026-01-31T12:00:00+00:00'},
            'services': ['thrum', 'epoll'], 'results': results,
            'settings': {'runs': 1, 'seconds': 1, 'workers': 2, 'beside': [], 'shares_cores': True, 'command': 'x'}}


class Verdict(unittest.TestCase):
    def said(self, ours, other, metric):
        return verdict.sentence(metric, ('thrum', ours), ('epoll', other))

    def test_lower_latency_is_better(self):
        rank, text = self.said(1000, 4000, services.P99)
        self.assertEqual(rank, 1)
        self.assertIn('4.00 times better', text)

    def test_a_loss_is_said_as_plainly_as_a_win(self):
        rank, text = self.said(14, 10, services.CPU)
        self.assertEqual(rank, -1)
        self.assertIn('40 % worse', text)

    def test_fewer_requests_are_worse(self):
        self.assertEqual(self.said(10, 20, services.HEAVY)[0], -1)

    def test_what_is_close_is_as_good(self):
        self.assertEqual(self.said(100, 104, services.CPU)[0], 0)

    def test_a_server_that_does_nothing_divides_nobody_by_zero(self):
        self.assertEqual(self.said(10, 0, services.HEAVY)[0], 1)
        self.assertEqual(self.said(0, 10, services.HEAVY)[0], -1)
        self.assertEqual(self.said(0, 0, services.HEAVY)[0], 0)

    def test_ours_is_compared_with_the_best_other_not_with_itself(self):
        rows = [row('thrum', p99_us=1.0), row('epoll', p99_us=9.0), row('go', p99_us=5.0)]
        self.assertEqual(verdict.standing(services.P99, rows), (('thrum', 1.0), ('go', 5.0)))

    def test_a_machine_that_others_used_is_told(self):
        self.assertEqual(list(verdict.caveat([row('thrum')])), [])
        self.assertIn('40 %', next(verdict.caveat([row('thrum'), row('epoll', foreign_share=0.4)])))

    def test_in_short_there_is_the_wait_and_the_price(self):
        rows = [row('thrum', 'light', cpu_us_per_light=15.0), row('epoll', 'light'), row('thrum'),
                row('epoll', p99_us=1500000.0)]
        waits, price = verdict.in_short(rows)
        self.assertIn('1.00 ms on thrum, 1,500 ms on the best', waits)
        self.assertIn('50 % more CPU', price)

    def test_without_others_nothing_is_claimed(self):
        self.assertEqual(verdict.of_scenario(services.SCENARIOS['long'], [row('thrum')]), [])

    def test_other_numbers_of_cores_are_kept_apart(self):
        found = verdict.of_report(report([row('thrum', workers=1), row('epoll', workers=1)]))
        self.assertEqual(sum(map(len, found.values())), 0)


class Report(unittest.TestCase):
    results = [row('thrum'), row('epoll', p99_us=1500000.0, served_percent=7.0, heavy_per_s=20.0),
               {'scenario': 'long', 'service': 'go', 'workers': 2, 'load': [], 'runs': [], 'failure': 'a <b> failure'}]

    def test_text_has_rows_failures_wins_and_losses(self):
        text = service_report.render_text(report(self.results))
        for part in 'failed: a <b> failure', '7 %', service_report.PART_TITLES['better'], \
                service_report.PART_TITLES['worse'], 'heavy requests a second: 18 % worse':
            self.assertIn(part, text)

    def test_html_holds_the_plots_and_escapes(self):
        page = service_report.render_html(report(self.results))
        self.assertIn('<svg', page)
        self.assertIn('a &lt;b&gt; failure', page)
        self.assertNotIn('<b>', page)

    def test_plots_are_xml(self):
        drawn = service_report.plots(report(self.results))
        self.assertEqual(list(drawn), ['latency_long'])
        xml.etree.ElementTree.fromstring(drawn['latency_long'])


class Curves(unittest.TestCase):
    def test_steps_are_round_and_reach_the_top(self):
        self.assertEqual(curves.steps(87), [0, 20, 40, 60, 80, 100])

    def test_decades_enclose_the_values(self):
        self.assertEqual(curves.decades([0.5, 90]), [0.1, 1, 10, 100])

    def test_labels_do_not_lie_on_each_other(self):
        places = curves.label_places({'a': 100, 'b': 101, 'c': 290}, 300)
        self.assertGreaterEqual(places['b'] - places['a'], 14)
        self.assertEqual(places['c'], 290)

    def test_labels_do_not_leave_the_plot(self):
        self.assertEqual(curves.label_places({'a': 299, 'b': 300, 'c': 300}, 300), {'c': 300, 'b': 286, 'a': 272})

    def test_a_zero_is_left_out_of_a_logarithmic_axis(self):
        drawn = curves.render('t', {'thrum': [(1, 0), (2, 5)]}, [(1, '1'), (2, '2')], 'x', 'y', y_log=True)
        xml.etree.ElementTree.fromstring(drawn)


class Board(unittest.TestCase):
    def test_without_a_terminal_there_is_a_line_a_run(self):
        out = io.StringIO()
        shown = board.Board(['thrum', 'epoll'], out)
        shown.begin('a load')
        shown.show('thrum', measured())
        shown.settle('thrum', measured(), None)
        shown.settle('epoll', measured(served_percent=7.0), None)
        self.assertEqual(len(out.getvalue().strip().splitlines()), 4)
        self.assertIn('7 % of what was due', out.getvalue())


@unittest.skipUnless(services.LOAD.exists(), 'the release preset is not built')
class ShortRun(unittest.TestCase):
    def test_a_server_is_loaded_lightly_and_heavily(self):
        load = '--light', '4', '--rate', '200', '--heavy', '1', '--ms', '5'
        scenario = services.Scenario('short_run', '', load, ())
        run, failure = services.run_once(services.SERVICES['epoll_cores'], scenario, 1, (0.3, 0.1))
        self.assertIsNone(failure)
        # How much was served is the machine's affair; that it was counted is ours: what is late counts too.
        self.assertGreater(run['p50_us'], 0)
        self.assertLessEqual(run['p50_us'], run['p99_us'])
        self.assertLessEqual(run['p99_us'], run['max_us'])
        self.assertGreaterEqual(run['cpu_s'], 0)

    def test_a_file_is_asked_for_and_counted_in_parts(self):
        scenario = services.Scenario('short_file', '', ('--light', '2', '--file', str(1 << 20)), (), asks='file')
        run, failure = services.run_once(services.SERVICES['threads'], scenario, 1, (0.3, 0.1))
        self.assertIsNone(failure)
        self.assertGreater(run['light_per_s'], 0)
        self.assertGreater(run['cpu_us_per_light'], 0)

    def test_a_server_that_does_not_start_is_a_failure(self):
        broken = services.Service('broken', '', ('/bin/false',))
        self.assertEqual(services.run_once(broken, services.SCENARIOS['light'], 1, (0.1, 0.1)),
                         (None, 'the server does not listen'))


if __name__ == '__main__':
    unittest.main()
