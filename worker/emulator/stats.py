"""What was served, throttled, refused and broken on purpose: per second and resource."""

from __future__ import annotations

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
