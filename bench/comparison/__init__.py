"""What bench/compare and bench/serve are made of.

catalogue   which workloads there are, which peers, where their programs lie
machine     facts about this machine, its cores, and who else keeps them busy
runner      the schedule, one run, failures and disturbed runs
progress    what is said meanwhile
options     what the two command lines have in common
summary     from runs to medians, spreads and ratios
table, plot the summary as text and as SVG
services    for bench/serve: who serves, how it is loaded, one run
verdict     what its figures say, in words
board       its table that changes meanwhile
curves      series over two axes, as SVG
service_report  text and HTML

`summary`, `table`, `plot`, `verdict`, `curves` and `service_report` are functions from data to data; test_compare.py
and test_serve.py test these.
"""
