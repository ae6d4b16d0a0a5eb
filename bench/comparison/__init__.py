"""What bench/compare is made of.

catalogue   which workloads there are, which peers, where their programs lie
machine     facts about this machine, its cores, and who else keeps them busy
runner      the schedule, one run, failures and disturbed runs
progress    what is said meanwhile
summary     from runs to medians, spreads and ratios
table, plot the summary as text and as SVG

`summary`, `table` and `plot` are functions from data to data; test_compare.py tests these.
"""
