"""What calls came to: counted and recorded once a second, by stage, success and throttle apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from worker.loadtest._latencies import Latencies, merged
from worker.model import Failure
from worker.personalize.error_codes import Verdict, judge

LATE_S: Final = 0.02
"""A call that leaves later than this after it was due is late."""

SUCCESS: Final = 0
_KINDS_MAX: Final = 200


class Kind(NamedTuple):
    """How calls end alike."""

    code: str | None  # None: success
    http_status: int | None
    is_throttle: bool


class Kinds:
    """Every way in which calls have ended, by number; 0 is success."""

    def __init__(self) -> None:
        self.listed = [Kind(None, 200, is_throttle=False)]
        self._numbers: dict[tuple[str, int | None], int] = {}

    def number(self, failure: Failure) -> int:
        """Return the number of how a call failed; beyond 200 ways all are "Other"."""
        key = failure.code, failure.http_status
        if key not in self._numbers:
            if len(self.listed) >= _KINDS_MAX:
                key = "Other", None
            if key not in self._numbers:
                self._numbers[key] = len(self.listed)
                self.listed.append(Kind(*key, judge(failure) is Verdict.THROTTLED))
        return self._numbers[key]


class Attempt(NamedTuple):
    """One call. Seconds are since the start of the test."""

    stage: int
    due_s: float
    sent_s: float
    done_s: float
    kind: int
    row: int  # of the input, among those that can be sent


@dataclass(slots=True)
class Measures:
    """What was measured in one stage, or in all of them."""

    seconds: float = 0.0  # for how long calls were due
    calls: int = 0  # HTTP attempts that have ended
    successes: int = 0
    throttles: int = 0
    errors: Counter[str] = field(default_factory=Counter)  # all other failures, by code
    late: int = 0  # calls that left more than LATE_S after they were due
    missed: int = 0  # calls that were due and never left: the client stood still
    crowded: int = 0  # as `missed`, for want of a free place among in_flight_max
    waited: int = 0  # calls for which there was no free place at once
    busy_s: float = 0.0  # processor time of the thread that makes the calls
    wall_s: float = 0.0  # that it had
    lateness: Latencies = field(default_factory=Latencies)  # from due to sent; all calls
    from_due: Latencies = field(default_factory=Latencies)  # successes
    from_sent: Latencies = field(default_factory=Latencies)  # successes
    throttled: Latencies = field(default_factory=Latencies)  # from sent; throttles

    @property
    def off_schedule_share(self) -> float:
        """Calls that were late or never left, as a share of those that were due."""
        off = self.missed + self.crowded
        return (self.late + off) / max(1, self.calls + off)

    @property
    def cpu_share(self) -> float:
        """How much of a core the calling thread took."""
        return self.busy_s / self.wall_s if self.wall_s else 0.0

    def metrics(self) -> dict[str, float | None]:
        """Return the values that thresholds are held against, by name."""
        latency = {name: self.from_due.quantile_ms(at) for name, at in QUANTILES.items()}
        return {
            **{f"{name}_ms": value for name, value in latency.items()},
            "throttle_share": self.throttles / self.calls if self.calls else None,
            "error_share": self.errors.total() / self.calls if self.calls else None,
            "tps": self.calls / self.seconds if self.seconds else None,
        }


QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999, "max": 1.0}


def counted(parts: Sequence[Measures]) -> Measures:
    """Return what all stages came to, but for latencies: quick."""
    whole = Measures()
    for part in parts:
        for name in _ADDED:
            setattr(whole, name, getattr(whole, name) + getattr(part, name))
    return whole


def together(parts: Sequence[Measures]) -> Measures:
    """Return what all stages came to."""
    whole = counted(parts)
    for name in LATENCIES:
        setattr(whole, name, merged([getattr(part, name) for part in parts]))
    return whole


LATENCIES: Final = ("from_due", "from_sent", "throttled", "lateness")
_ADDED = (
    "seconds", "calls", "successes", "throttles", "errors", "late", "missed", "crowded", "waited",
    "busy_s", "wall_s",
)  # fmt: skip


class Interval(NamedTuple):
    """One line of the timeline, about a second. Latencies are those of successes, from due."""

    at_s: float  # its end, since the start
    seconds: float  # its length
    stage: int
    target_tps: float  # the mean of what was asked for
    sent: int
    successes: int  # that ended in it, as `throttles` and `errors`
    throttles: int
    errors: int
    errors_by_code: dict[str, int]
    missed: int  # `crowded` ones, too
    in_flight: int  # at its end
    p50_ms: float | None
    p99_ms: float | None
    max_ms: float | None
    late_ms_max: float | None  # from due to sent
    loop_lag_ms_max: float  # how late the schedule's timer came
    cpu_share: float  # of a core, by the thread that makes the calls


class Meter:
    """Takes the calls that have ended, about once a second; in any thread, one at a time."""

    def __init__(self, kinds: Kinds) -> None:
        self.stages: list[Measures] = []
        self._kinds = kinds

    def stage(self, number: int) -> Measures:
        """Return the measures of a stage, made when first asked for."""
        while len(self.stages) <= number:
            self.stages.append(Measures())
        return self.stages[number]

    def take(self, attempts: Sequence[Attempt]) -> dict[str, float | None]:
        """Record `attempts`; return the quantiles of an Interval."""
        columns = [pa.array(column) for column in zip(*attempts, strict=True)]
        if not columns:
            return dict.fromkeys(("p50_ms", "p99_ms", "max_ms", "late_ms_max"))
        whole = pa.table(dict(zip(Attempt._fields, columns, strict=True)))
        for stage, _ in _counts(whole, "stage"):
            self._record(self.stage(stage), whole.filter(pc.field("stage") == stage))
        succeeded = whole.filter(pc.field("kind") == SUCCESS)
        return {
            **_quantiles_ms(_us(succeeded, "due_s", "done_s")),
            "late_ms_max": pc.max(_us(whole, "due_s", "sent_s")).as_py() / 1e3,
        }

    def _record(self, measures: Measures, attempts: pa.Table) -> None:
        late_us = _us(attempts, "due_s", "sent_s")
        measures.calls += attempts.num_rows
        is_late: Any = pc.greater(late_us, pa.scalar(LATE_S * 1e6))
        measures.late += is_late.true_count
        measures.lateness.record(late_us)
        for number, count in _counts(attempts, "kind"):
            kind = self._kinds.listed[number]
            some = attempts.filter(pc.field("kind") == number)
            if number == SUCCESS:
                measures.successes += count
                measures.from_due.record(_us(some, "due_s", "done_s"))
                measures.from_sent.record(_us(some, "sent_s", "done_s"))
            elif kind.is_throttle:
                measures.throttles += count
                measures.throttled.record(_us(some, "sent_s", "done_s"))
            else:
                measures.errors[kind.code or ""] += count


def _counts(attempts: pa.Table, column: str) -> Iterator[tuple[int, int]]:
    """Yield each value of a column and how often it is there."""
    values, counts = pc.value_counts(attempts[column].combine_chunks()).flatten()
    yield from zip(values.to_pylist(), counts.to_pylist(), strict=True)


def _us(attempts: pa.Table, begin: str, end: str) -> pa.Array[Any]:
    """Return microseconds between two moments of each call."""
    seconds: Any = pc.subtract(attempts[end], attempts[begin])
    array: pa.Array[Any] = pc.multiply(seconds, 1e6).combine_chunks()
    return array


def _quantiles_ms(latencies_us: pa.Array[Any]) -> Mapping[str, float | None]:
    """Return exact quantiles of a second, as of the nearest rank."""
    at: Any = [0.5, 0.99, 1.0]  # the stubs know of one quantile only
    values = pc.quantile(latencies_us, at, interpolation="higher").to_pylist()
    names = ("p50_ms", "p99_ms", "max_ms")
    pairs = zip(names, values, strict=True)
    return {name: None if value is None else value / 1e3 for name, value in pairs}


def wilson(hits: int, of: int, z: float = 1.96) -> tuple[float, float]:
    """Return the interval, 95 % sure, of a share that was seen as `hits` of `of` (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    share, spread = hits / of, z * z / of
    middle = share + spread / 2
    half = z * math.sqrt(share * (1 - share) / of + spread / of / 4)
    return max(0.0, (middle - half) / (1 + spread)), min(1.0, (middle + half) / (1 + spread))
