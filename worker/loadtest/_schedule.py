"""When each call of a load test is due: the moments when the integral of the rate is whole. Pure.

Call n, from 0, is due when the integral reaches n. What is left of a call at the end of a leg is
carried into the next one, so a test of many legs has as many calls as one of their mean rate.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from worker.config.loadtest import Stage

_SLACK = 1e-6  # of a call: what adding up floats may lose


class Leg(NamedTuple):
    """Some seconds during which the rate goes in a line from one value to another."""

    from_tps: float
    to_tps: float
    seconds: float

    @property
    def calls(self) -> float:
        """The integral of the rate."""
        return (self.from_tps + self.to_tps) / 2 * self.seconds


def legs_of(stages: Sequence[Stage]) -> Iterator[Leg]:
    """Yield a leg for each stage: a ramp begins at the rate of the stage before, or at 0."""
    before = 0.0
    for stage in stages:
        yield Leg(before if stage.ramp else stage.tps, stage.tps, stage.seconds)
        before = stage.tps


class Schedule:
    """The moments at which calls are due, in seconds from the start."""

    def __init__(self, legs: Sequence[Leg]) -> None:
        self._legs = tuple(legs)
        self._begins_s = [math.fsum(leg.seconds for leg in legs[:n]) for n in range(len(legs))]
        self._before = [math.fsum(leg.calls for leg in legs[:n]) for n in range(len(legs))]
        self.seconds = math.fsum(leg.seconds for leg in legs)
        self.calls = math.ceil(math.fsum(leg.calls for leg in legs) - _SLACK)

    def leg_at(self, elapsed_s: float) -> int:
        """Return the position of the leg that a moment is in; after the end, of the last."""
        return max(0, bisect_right(self._begins_s, elapsed_s) - 1)

    def calls_at(self, elapsed_s: float) -> float:
        """Return the integral of the rate up to a moment."""
        number = self.leg_at(elapsed_s)
        leg = self._legs[number]
        into_s = min(elapsed_s - self._begins_s[number], leg.seconds)
        slope = (leg.to_tps - leg.from_tps) / leg.seconds
        return self._before[number] + leg.from_tps * into_s + slope * into_s**2 / 2

    def due_s(self, number: int) -> float:
        """Return when call `number` is due, 0 <= number < calls: the inverse of `calls_at`."""
        # The last of the legs that begin with so many calls: those before it may have none.
        position = bisect_right(self._before, number) - 1
        leg = self._legs[position]
        return self._begins_s[position] + _time_to(leg, number - self._before[position])


def _time_to(leg: Leg, calls: float) -> float:
    """Return how long a leg takes to so many calls: the root of its integral, at most its end."""
    slope = (leg.to_tps - leg.from_tps) / leg.seconds
    # The form of the root without cancellation; beyond the end of a ramp down there is none.
    root = math.sqrt(max(0.0, leg.from_tps**2 + 2 * slope * calls))
    if leg.from_tps + root == 0.0:
        return 0.0
    return min(leg.seconds, 2 * calls / (leg.from_tps + root))
