"""Pages and numbers made from the files of a run or a load test alone.

`make`: `report` and `diff`. `measure`: figures over all parts (`measure/counts`: lengths and
coverage; `measure/shared_lists`: lists that many rows share; `measure/numbers`: what is made of
both). `run`, `loadtest`: their pages; `compare`: two runs. `pages`: charts, tables, HTML.
`run/gates`: [quality].
"""
