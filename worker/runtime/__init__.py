"""The process: clock, stop, signals, log lines, the event loop, bytes of memory.

`stop`, `signals`, `deadline`: a command that ends too early, too late or not at all. `clock`,
`patience`: time limits. `log`, `text`: what a line looks like. `memory_budget`: every bound.
"""
