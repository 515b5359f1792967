"""Pages and numbers made from the files of a run or a load test alone.

`make`: `report` and `diff`. `measure`: figures over all parts. `run`, `loadtest`: their pages;
`compare`: two runs. `pages`: charts, tables, HTML. `run/gates`: [quality].
"""
