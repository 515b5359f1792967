"""Keys of the config: defaults, types, rules between keys, where a value comes from.

`model`: every key; `loadtest`: those of [loadtest]; `rules`, `values`, `thresholds`: what is
refused. `load`: file, environment, flags. `identity`: which keys make a run another run.
"""
