"""How fast: the ceiling, turns, what throttles and a deadline leave of it.

`choice`: which rate a run has, and why. `ramp`, `pacer`: when each attempt may leave. `_adaptive`,
`governor`: a rate that throttles lower. `deadline`: paced to fit. `remembered`: the next run's
first rate.
"""
