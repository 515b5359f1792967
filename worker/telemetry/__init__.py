"""Counts, and who hears of them: progress, log lines, cost.

`tally`: a run's counts. `progress`: the live view, the progress line, the ETA. `listener`,
`run_log`: the moments of a run. `cost`: US dollars, and caps.
"""
