"""One row's request to its outcome: when it may go, when it is tried again, when it is given up.

`lane`: a row's attempts, one after the other. `admission`, `departures`: what keeps an attempt
back. `backoff`: waits and the retry budget. `breaker`, `outage`, `trouble`: whether the service is
down or a row is at fault. What an error code means is in `personalize.error_codes`.
"""
