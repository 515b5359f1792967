"""Open-loop load on a campaign: stages or a search, measured, with a verdict.

`generator`: calls that are late or missed. `_schedule`: when calls are due. `search`: the rate that
is found. `session`: stages and steps, one after the other; whether a rate is held. `measure`,
`_latencies`: wrong figures. `verdict`, `result`: passed, failed, invalid. `timeline_file`,
`attempts_file`: what it writes.
"""
