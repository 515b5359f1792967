"""A run's rows on their way: read ahead, handed to calls, kept, written, within bounded memory.

`pipeline`: the task group. `_feed`: reads ahead. `_dispatch`: which row is called next. `_caller`:
a row's outcome. `_spool_keeper`: the spool, every two seconds. `_drain`: batches to parts.
`_memory`: what waits for room. `forecast`: rows counted before the first call.
"""
