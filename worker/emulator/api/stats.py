"""What was served, throttled, refused and broken on purpose: per second and resource."""

from __future__ import annotations

import math
from array import array
from collections import deque
from enum import Enum
from typing import Any, Final

SECONDS_MAX: Final = 600
"""How many seconds with requests are remembered; totals are for ever."""


class Outcome(Enum):
    """What became of one runtime request, the name under which it is counted."""

    SERVED = "served"
    THROTTLED = "throttled"  # by the capacity
    INJECTED = "injected"  # an error or a reset by the weather
    REFUSED = "refused"  # any other error


DUES_MAX: Final = 200_000
"""How many latencies are remembered, the latest."""

_Counts = dict[str, dict[str, int]]


class Stats:
    """Counts by resource ARN; "none" stands for requests that name no resource that exists."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, _Counts]] = deque(maxlen=SECONDS_MAX)
        self._totals: _Counts = {}

    def count(self, arn: str, outcome: Outcome, unix_s: float) -> None:
        """Count one request; a clock set back counts towards the latest second."""
        second = int(unix_s)
        if not self._seconds or second > self._seconds[-1][0]:
            self._seconds.append((second, {}))
        for counts in (self._seconds[-1][1], self._totals):
            if arn not in counts:
                counts[arn] = {each.value: 0 for each in Outcome}
            counts[arn][outcome.value] += 1

    def report(self, seconds: int = SECONDS_MAX) -> dict[str, Any]:
        """Return totals and the latest seconds that had requests, oldest first."""
        latest = list(self._seconds)[-seconds:] if seconds else []
        return {
            "totals": self._totals,
            "seconds": [{"second": second, "resources": counts} for second, counts in latest],
        }


class Dues:
    """When answers were due, counted from the arrival of the request: what a client should see.

    The weather decides that on arrival, whether or not the answer then leaves in time.
    """

    def __init__(self) -> None:
        self._waits_s = array("d")
        self._next = 0  # position of the oldest, once there are as many as are remembered

    def note(self, wait_s: float) -> None:
        """Remember one."""
        if len(self._waits_s) < DUES_MAX:
            self._waits_s.append(wait_s)
        else:
            self._waits_s[self._next] = wait_s
            self._next = (self._next + 1) % DUES_MAX

    def clear(self) -> None:
        """Forget all."""
        del self._waits_s[:]
        self._next = 0

    def report(self) -> dict[str, float]:
        """Return how many there are, and quantiles in ms, exact (nearest rank); none of nothing."""
        ordered = sorted(self._waits_s)
        count = len(ordered)
        quantiles = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p999": 0.999, "max": 1.0}
        found = {
            name: round(ordered[max(0, math.ceil(share * count) - 1)] * 1e3, 3)
            for name, share in quantiles.items()
            if count
        }
        return {"requests": count, **found}
