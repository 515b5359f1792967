"""A load test's timeline -> at most so many points, whatever its length. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from worker.loadtest.measure import Interval


class Point(NamedTuple):
    """Some seconds of a load test. Counts are of what ended in them, None is nothing to measure."""

    from_s: float  # since the start of the test
    at_s: float  # its end
    seconds: float
    stage: int
    target_tps: float
    sent: int
    successes: int
    throttles: int
    errors: Counter[str]
    missed: int
    in_flight: int  # the most at the end of an interval
    p50_ms: float | None  # the median of the intervals'
    p99_ms: float | None  # the highest of the intervals', as all that follows
    max_ms: float | None
    late_ms_max: float | None
    loop_lag_ms_max: float
    cpu_share: float


def points(intervals: Sequence[Interval], most: int) -> list[Point]:
    """Return the timeline in at most about `most` points of so many whole seconds each.

    What is left at the end, and shorter than half a point, belongs to the last one.
    """
    if not intervals:
        return []
    begun_s = intervals[0].at_s - intervals[0].seconds
    point_s = max(1, math.ceil((intervals[-1].at_s - begun_s) / most))

    def number(each: Interval) -> int:
        return int((each.at_s - each.seconds / 2 - begun_s) // point_s)

    groups = [list(group) for _, group in groupby(intervals, number)]
    if len(groups) > 1 and sum(each.seconds for each in groups[-1]) < point_s / 2:
        rest = groups.pop()
        groups[-1] += rest
    return [_point(group) for group in groups]


def _point(group: Sequence[Interval]) -> Point:
    seconds = sum(each.seconds for each in group) or 1e-9
    p50s = sorted(_known(group, lambda each: each.p50_ms))
    errors: Counter[str] = Counter()
    for each in group:
        errors.update(each.errors_by_code)
    return Point(
        from_s=max(0.0, group[0].at_s - group[0].seconds),
        at_s=group[-1].at_s,
        seconds=seconds,
        stage=group[-1].stage,
        target_tps=sum(each.target_tps * each.seconds for each in group) / seconds,
        sent=sum(each.sent for each in group),
        successes=sum(each.successes for each in group),
        throttles=sum(each.throttles for each in group),
        errors=errors,
        missed=sum(each.missed for each in group),
        in_flight=max(each.in_flight for each in group),
        p50_ms=p50s[len(p50s) // 2] if p50s else None,
        p99_ms=max(_known(group, lambda each: each.p99_ms), default=None),
        max_ms=max(_known(group, lambda each: each.max_ms), default=None),
        late_ms_max=max(_known(group, lambda each: each.late_ms_max), default=None),
        loop_lag_ms_max=max(each.loop_lag_ms_max for each in group),
        cpu_share=max(each.cpu_share for each in group),
    )


def _known(group: Sequence[Interval], value: Callable[[Interval], float | None]) -> Iterator[float]:
    return (found for each in group if (found := value(each)) is not None)
